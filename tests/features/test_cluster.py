"""Extraction on a Ray cluster: nodes on this machine, of which some are killed and one joins in the middle."""

import os
import socket

import numpy as np
import pytest
import torch

from p3d_eval.errors import MissingExtraError, UserError
from p3d_eval.features import cluster, open_features
from p3d_eval.features.cluster import cluster_device
from p3d_eval.features.engines import choose_engine
from p3d_eval.features.extractor import extract, run_extraction
from p3d_eval.features.planning import plan_extraction
from p3d_eval.features.sampling import Sampling
from p3d_eval.progress import Progress
from tests.support.processes import left_over, mark
from tests.support.videos import make_video

OPTIONS = {"batch_size": 2, "workers": 1, "sampling": Sampling(4, clips=6)}
STORE_BYTES = 80 << 20  # Ray's least is 75 MB


@pytest.fixture
def three_nodes(monkeypatch):
    """A cluster of a head without cores for actors, and three nodes of one core."""
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'p3d-eval[ray]'")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    marked = mark()
    for name, value in marked.items():
        monkeypatch.setenv(name, value)
    import ray
    from ray.cluster_utils import Cluster

    made = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 0, "object_store_memory": STORE_BYTES, "include_dashboard": False},
    )
    try:
        nodes = [made.add_node(num_cpus=1, object_store_memory=STORE_BYTES) for _ in range(3)]
        yield made, nodes, marked
    finally:
        ray.shutdown()
        made.shutdown()


@pytest.fixture
def one_thread():
    """Nodes of one core, so that threads are as many as here."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Storm(Progress):
    """Kills a node when eight videos are stored; at twenty, another one joins and all older ones are killed."""

    def __init__(self, made, nodes) -> None:
        super().__init__("extract", 100, "videos", quiet=True)
        self.made, self.nodes = made, nodes

    def advance(self, steps: int = 1) -> None:
        super().advance(steps)
        if self.done == 8:
            self.made.remove_node(self.nodes.pop(), allow_graceful=False)
        elif self.done == 20:
            self.made.add_node(num_cpus=1, object_store_memory=STORE_BYTES)
            while self.nodes:
                self.made.remove_node(self.nodes.pop(), allow_graceful=False)


@pytest.mark.ci
def test_nodes_that_are_killed_or_join_cost_no_video(tmp_path, tiny, three_nodes, one_thread):
    made, nodes, marked = three_nodes
    folder = tmp_path / "v"
    for number in range(40):
        make_video(folder / f"v_{number:02}.avi", 5 + number)
    (folder / "v_50.avi").write_bytes(b"no video")
    plan = plan_extraction(tiny, folder, "prob,res", tmp_path / "many.h5", **OPTIONS)
    engine = choose_engine("ray", "auto", address=made.address)
    summary = run_extraction(plan, lambda *_: Storm(made, nodes), engine=engine)
    assert (summary.done, set(summary.failed)) == (40, {"v_50"})
    assert not left_over(marked, "features.decode_worker")
    extract(tiny, folder, "prob,res", tmp_path / "one.h5", **OPTIONS)
    one = open_features(tmp_path / "one.h5")
    many = open_features(tmp_path / "many.h5")
    assert many.identity == one.identity
    for layer in one.layers:
        np.testing.assert_array_equal(many[layer][:], one[layer][:])


def test_ray_is_an_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"(?s)--engine ray needs the extra 'ray'.*p3d-eval\[ray\]"):
        cluster_device(None, "auto")
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"


def test_what_a_cluster_cannot_take_is_refused():
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'p3d-eval[ray]'")
    with pytest.raises(UserError, match=r"--device cuda:1 is one machine's"):
        cluster_device(None, "cuda:1")
    with pytest.raises(UserError, match=r"ray://head:10001: Ray's client has no streams"):
        cluster.connect("ray://head:10001")


class NoRay:
    """Stands for the module: notes what it is asked for."""

    def __init__(self, error: Exception | None = None) -> None:
        self.asked: list[tuple] = []
        self.error = error

    def is_initialized(self) -> bool:
        return False

    def init(self, *address, **options) -> None:
        self.asked.append((address, options))
        if self.error is not None:
            raise self.error

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": 2.0}


@pytest.fixture
def no_address(monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


def test_without_an_address_ray_is_started_here_whatever_else_runs(monkeypatch, no_address):
    """``ray.init()`` alone joins a cluster that runs here, and then refuses the size of the object store."""
    stand_in = NoRay()
    monkeypatch.setattr(cluster, "import_ray", lambda: stand_in)
    assert cluster_device(None, "auto") == "cpu"
    (address, options) = stand_in.asked[0]
    assert address == ("local",)
    assert options["include_dashboard"] is False
    assert options["object_store_memory"] == cluster._STORE_BYTES


def test_a_gpu_that_is_not_there_is_refused_at_once(monkeypatch, no_address):
    monkeypatch.setattr(cluster, "import_ray", NoRay)
    with pytest.raises(UserError, match="--device cuda: this machine has no GPU"):
        cluster_device(None, "cuda")


def test_a_ray_that_does_not_start_is_not_called_an_address(monkeypatch, no_address):
    monkeypatch.setattr(cluster, "import_ray", lambda: NoRay(RuntimeError("no\nroom")))
    with pytest.raises(UserError, match=r"^--engine ray: Ray did not start here \(no room\)"):
        cluster_device(None, "auto")


def test_an_address_where_nobody_listens_is_found_at_once():
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'p3d-eval[ray]'")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
        for wrong in (address, "127.0.0.1:ninety", "127.0.0.1:99999"):
            with pytest.raises(UserError, match=f"--address {wrong}: no Ray cluster"):
                cluster.connect(wrong)
