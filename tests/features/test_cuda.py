"""Extraction on a GPU: the same features as on the CPU to a stated bound, and the same bits when resumed."""

import h5py
import numpy as np
import pytest
import torch

from p3d_eval.backbones import load_backbone, views_of
from p3d_eval.features import open_features
from p3d_eval.features.extractor import extract
from p3d_eval.features.sampling import Sampling
from tests.features.conftest import TINY

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

# fp32 on both and the same colours; frames are resized, and sums taken, in another order.
BOUND = 1e-3


@pytest.fixture(scope="module")
def network():
    return load_backbone(TINY, device="cuda")


@pytest.mark.parametrize("views", ["centre", "10"])
def test_features_are_the_cpus(tmp_path, videos, tiny, network, views):
    options = {"views": views_of(views), "per_clip": True, "batch_size": 3}
    for name, backbone in {"cpu": tiny, "gpu": network}.items():
        extract(backbone, videos, "res,prob", tmp_path / f"{name}.h5", **options)
    cpu, gpu = (open_features(tmp_path / f"{name}.h5") for name in ("cpu", "gpu"))
    for layer in ("res", "prob"):
        assert np.abs(gpu[layer][:] - cpu[layer][:]).max() <= BOUND * np.abs(cpu[layer][:]).max()
        for video in cpu.ids:
            found, expected = (store.clip_features(video, layer) for store in (gpu, cpu))
            assert np.abs(found - expected).max() <= BOUND * np.abs(expected).max()
            mean = found.astype(np.float64).mean(axis=0).ravel()
            np.testing.assert_allclose(gpu[layer].rows([video])[0], mean, rtol=2e-7, atol=1e-12)


def test_whatever_is_done_again_has_the_same_bits(tmp_path, videos, network):
    out = tmp_path / "f.h5"
    sampling = Sampling(4, clips=20)
    extract(network, videos, "res", out, batch_size=3, sampling=sampling)
    before = open_features(out)["res"][:]
    with h5py.File(out, "r+") as file:
        file["complete"][0] = 0
        file["videos/status"][1:3] = 0
        file["layers/res/mean"][1:3] = 7
    extract(network, videos, "res", out, batch_size=3, sampling=sampling)
    np.testing.assert_array_equal(open_features(out)["res"][:], before)
