"""Every protocol at its real size on generated features: seconds and peak memory, each in a process of its own.

Run: python benchmarks/protocols.py [--only ucf101,activitynet] [--dimensions 2048] [--threads 2] [--small]
The features are made so that classes overlap and some videos are wrong. Writing the files (to --folder,
or a temporary one) is not timed. --small divides the numbers of videos by ten, to see that everything runs.
With --peer, UCF101's training is also done by scikit-learn's LinearSVC(dual=True) on the same features, and
the decision values are compared.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

LIMIT_S, LIMIT_GIB = 120.0, 6.0
PEER_CLASSES, PEER_TEST_GROUPS = 5, 7

Files = dict[str, bytes]


def write(folder: Path, name: str, ids: list[str], layers: dict[str, np.ndarray], files: Files) -> None:
    """Write a feature file and the annotation files beside it, in a folder of the protocol's own."""
    from p3d_eval.features import write_store

    own = folder / name
    own.mkdir(parents=True, exist_ok=True)
    write_store(own / "feats.h5", ids, layers, backbone="generated", overwrite=True)
    for file, content in files.items():
        (own / file).write_bytes(content)


def overlapping(labels: np.ndarray, dimensions: int, apart: float, seed: int = 0) -> np.ndarray:
    """Non-negative features in float32: one centre a class, ``apart`` standard deviations from the others."""
    generator = np.random.default_rng(seed)
    values = generator.standard_normal((len(labels), dimensions), dtype=np.float32)
    values *= np.float32(np.sqrt(dimensions) / apart)
    for label in range(labels.max() + 1):
        values[labels == label] += generator.gamma(0.5, 1.0, dimensions).astype(np.float32)
    return np.maximum(values, 0, out=values)


def make_ucf101(folder: Path, dimensions: int, small: bool) -> None:
    """101 classes, 25 groups, 13,320 clips: 4 to 7 a group, as many as the real set has."""
    generator = np.random.default_rng(0)
    classes, videos = (11, 1_320) if small else (101, 13_320)
    cells = [(c, g) for c in range(classes) for g in range(1, 26)]
    counts = np.full(len(cells), 4)
    while counts.sum() < videos:
        open_cells = np.flatnonzero(counts < 7)
        counts[generator.choice(open_cells, min(len(open_cells), videos - counts.sum()), replace=False)] += 1
    rows = [(c, g, k) for (c, g), count in zip(cells, counts, strict=True) for k in range(1, count + 1)]
    ids = [f"Class{c:03}/v_Class{c:03}_g{g:02}_c{k:02}" for c, g, k in rows]
    write(
        folder, "ucf101", ids, {"pool5": overlapping(np.array([row[0] for row in rows]), dimensions, 9.0)}, {}
    )


def make_hmdb51(folder: Path, dimensions: int, small: bool) -> None:
    """51 classes; per class and split 70 train, 30 test, and about 33 are not used: 6,766 clips."""
    classes = 6 if small else 51
    ids, labels, files = [], [], {}
    for c in range(classes):
        clips = 133 if c % 3 else 132
        stems = [f"Film_{k // 2}_class{c:02}_f_cm_np1_fr_med_{k}" for k in range(clips)]
        for split in (1, 2, 3):
            uses = ["1"] * 70 + ["2"] * 30 + ["0"] * (clips - 100)
            turned = uses[30 * split :] + uses[: 30 * split]
            text = "".join(f"{stem}.avi {use} \n" for stem, use in zip(stems, turned, strict=True))
            files[f"class{c:02}_test_split{split}.txt"] = text.encode()
        ids += [f"class{c:02}/{stem}" for stem in stems]
        labels += [c] * clips
    write(folder, "hmdb51", ids, {"pool5": overlapping(np.array(labels), dimensions, 8.0)}, files)


def make_activitynet(folder: Path, dimensions: int, small: bool) -> None:
    """200 classes, 10,024 training and 4,926 validation videos, a few with two labels."""
    scale, classes = (10, 20) if small else (1, 200)
    counts = {"training": 10_024 // scale, "validation": 4_926 // scale}
    database, ids, labels = {}, [], []
    for subset, count in counts.items():
        for n in range(count):
            own = [n % classes, *([(n + 1) % classes] if n % 1300 == 7 else [])]
            video = f"{subset[:5]}{n:06}"
            database[video] = {"subset": subset, "annotations": [{"label": f"Activity {c}"} for c in own]}
            ids.append(video)
            labels.append(own[0])
    document = {"version": "VERSION 1.3", "taxonomy": [], "database": database}
    files = {"activity_net.v1-3.min.json": json.dumps(document).encode()}
    values = overlapping(np.array(labels), dimensions, 9.0)
    write(folder, "activitynet", ids, {"pool5": values}, files)


def make_aslan(folder: Path, dimensions: int, small: bool) -> None:  # noqa: ARG001 (its layers have their sizes)
    """3,697 samples, 10 folds of 600 pairs, the four layers of P3D in their real sizes (small: pooled)."""
    generator = np.random.default_rng(0)
    actions, samples, pairs = (40, 370, 60) if small else (430, 3_697, 600)
    action = np.sort(generator.integers(actions, size=samples))
    lines = ["fold,id1,id2,same,class1,class2"]
    for fold in range(10):
        own = np.flatnonzero(action % 10 == fold)
        seen: set[tuple[int, int]] = set()
        for same in (True, False):
            while len(seen) < pairs // 2 * (1 if same else 2):
                a, b = sorted(generator.choice(own, 2, replace=False).tolist())
                if (action[a] == action[b]) == same and (a, b) not in seen:
                    seen.add((a, b))
                    lines.append(f"{fold + 1},{a + 1},{b + 1},{int(same)},{action[a]},{action[b]}")
    widths = {"prob": 487, "pool5": 2_048, "res5c": 51_200, "res4b35": 204_800}
    if small:
        widths = {"prob": 487, "pool5": 2_048, "res5c": 2_048, "res4b35": 1_024}
    layers = {name: overlapping(action, width, 4.0, seed) for seed, (name, width) in enumerate(widths.items())}
    from p3d_eval.features import write_store

    own_folder = folder / "aslan"
    own_folder.mkdir(parents=True, exist_ok=True)
    write_store(
        own_folder / "feats.h5", [f"sample {n + 1:04}" for n in range(samples)], layers, backbone="generated",
        provenance={"aslan_layers": list(widths)}, overwrite=True,
    )  # fmt: skip
    (own_folder / "pairs.csv").write_text("\n".join(lines) + "\n")


def make_scenes(name: str, classes: int, each: int) -> Callable[[Path, int, bool], None]:
    """Folders of videos."""

    def make(folder: Path, dimensions: int, small: bool) -> None:
        count = 3 if small else each
        ids = [f"class{c:02}/video{n:02}" for c in range(classes) for n in range(count)]
        labels = np.repeat(np.arange(classes), count)
        write(folder, name, ids, {"pool5": overlapping(labels, dimensions, 12.0)}, {})

    return make


def make_kinetics400(folder: Path, dimensions: int, small: bool) -> None:  # noqa: ARG001 (400 scores)
    """19,906 videos with 400 scores."""
    from p3d_eval.features import write_store

    count = 1_990 if small else 19_906
    labels = np.arange(count) % 400
    scores = overlapping(labels, 400, 8.0) + 8.0 * np.eye(400, dtype=np.float32)[labels]
    scores /= scores.sum(axis=1, keepdims=True)
    names = [f"class {c:03}" for c in range(400)]
    lines = ["label,youtube_id,time_start,time_end,split,is_cc"]
    lines += [f"{names[label]},id{n:09},0,10,val,0" for n, label in enumerate(labels.tolist())]
    own = folder / "kinetics400"
    own.mkdir(parents=True, exist_ok=True)
    ids = [f"id{n:09}_000000_000010" for n in range(count)]
    write_store(own / "feats.h5", ids, {"prob": scores}, classes=names, backbone="generated", overwrite=True)
    (own / "val.csv").write_text("\n".join(lines) + "\n")


MAKERS: dict[str, Callable[[Path, int, bool], None]] = {
    "ucf101": make_ucf101,
    "hmdb51": make_hmdb51,
    "activitynet": make_activitynet,
    "kinetics400": make_kinetics400,
    "yupenn": make_scenes("yupenn", 14, 30),
    "dynamic-scenes": make_scenes("dynamic-scenes", 13, 10),
    "aslan": make_aslan,
}
OPTIONS = {"kinetics400": {"measure": "video"}, "aslan": {"pairs": "pairs.csv"}}


def run_one(name: str, folder: Path, device: str) -> None:
    """Evaluate in this process and print one line of JSON."""
    from p3d_eval.protocols.evaluation import evaluate

    os.chdir(folder / name)
    options = dict(OPTIONS.get(name, {}))
    if device != "cpu" and name != "kinetics400":
        options["device"] = device
    started, busy = time.perf_counter(), time.process_time()
    result = evaluate(name, "feats.h5", **options)
    print(
        json.dumps(
            {
                "protocol": name,
                "videos": result.coverage.expected,
                "wall_s": round(time.perf_counter() - started, 2),
                "processor_s": round(time.process_time() - busy, 2),
                "peak_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
                "phases_s": {phase: round(seconds, 2) for phase, seconds in result.seconds.items()},
                "metrics": {key: round(metric.value, 4) for key, metric in result.metrics.items()},
                "converged": result.converged,
            }
        )
    )


def run_peer(folder: Path) -> dict[str, object]:
    """Train split 1 of UCF101 with scikit-learn on a few classes: time scaled to all, and its own answers."""
    from sklearn.preprocessing import normalize
    from sklearn.svm import LinearSVC

    from p3d_eval.features import open_features
    from p3d_eval.protocols.evaluation import evaluate

    store = open_features(folder / "ucf101" / "feats.h5")
    ours = evaluate("ucf101", store, split="1").scores
    y = np.array([video.split("/")[0] for video in store.ids])
    train = np.array([int(video.split("_g")[1][:2]) > PEER_TEST_GROUPS for video in store.ids])
    X = normalize(np.asarray(store["pool5"], np.float64))
    classes = np.unique(y)
    chosen = classes[:: max(1, len(classes) // PEER_CLASSES)][:PEER_CLASSES]
    row = {video: place for place, video in enumerate(ours.ids.tolist())}
    order = [row[video] for video, trained in zip(store.ids, train, strict=True) if not trained]
    spent, furthest = 0.0, 0.0
    for action in chosen:
        started = time.process_time()
        model = LinearSVC(dual=True, tol=1e-6, max_iter=100_000).fit(X[train], y[train] == action)
        spent += time.process_time() - started
        own = ours.scores[order, ours.classes.tolist().index(action)]
        furthest = max(furthest, float(np.abs(model.decision_function(X[~train]) - own).max()))
    return {
        "protocol": "ucf101",
        "peer": "LinearSVC(dual=True, tol=1e-6), three splits, scaled from split 1",
        "processor_s": round(spent / len(chosen) * len(classes) * 3, 1),
        "classes_timed": len(chosen),
        "largest_difference": furthest,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default=",".join(MAKERS), help="protocols, with commas between")
    parser.add_argument("--dimensions", type=int, default=2048)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu", help="cpu, cuda or auto")
    parser.add_argument("--folder", type=Path, help="where feature files are kept and found again")
    parser.add_argument("--small", action="store_true", help="a tenth of the videos")
    parser.add_argument("--peer", action="store_true", help="time scikit-learn's training of UCF101, too")
    parser.add_argument("--run", help=argparse.SUPPRESS)  # in a process of its own: memory is the protocol's
    given = parser.parse_args()
    if given.run:
        run_one(given.run, given.folder, given.device)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = (given.folder or Path(temporary)).resolve()
        lines: list[dict[str, object]] = []
        for name in given.only.split(","):
            if not (folder / name / "feats.h5").exists():
                MAKERS[name](folder, given.dimensions, given.small)
            environment = os.environ | {
                "OMP_NUM_THREADS": str(given.threads),
                "OPENBLAS_NUM_THREADS": str(given.threads),
                "P3D_EVAL_DATA": str(folder / "none"),
                "PYTHONPATH": os.pathsep.join(
                    [str(Path(__file__).resolve().parents[1]), os.environ.get("PYTHONPATH", "")]
                ),
            }
            command = [
                sys.executable,
                __file__,
                "--run",
                name,
                "--folder",
                str(folder),
                "--device",
                given.device,
            ]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
            if done.returncode:
                sys.exit(f"{name}:\n{done.stderr}")
            line = json.loads(done.stdout.splitlines()[-1])
            line["within"] = line["wall_s"] <= LIMIT_S and line["peak_gib"] <= LIMIT_GIB
            print(
                f"{name:15} {line['videos']:6} videos  {line['wall_s']:7.1f} s  "
                f"(processor {line['processor_s']:7.1f} s)  {line['peak_gib']:5.2f} GiB  {line['metrics']}",
                flush=True,
            )
            lines.append(line)
        if given.peer:
            lines.append(run_peer(folder))
            print(f"LinearSVC's training of ucf101: {lines[-1]}")
        print(json.dumps({"threads": given.threads, "dimensions": given.dimensions, "protocols": lines}))


if __name__ == "__main__":
    main()
