"""Extraction against a plain computation of the same means."""

import os
import shutil
import threading
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import p3d_eval
from p3d_eval.backbones import load_backbone, views_of
from p3d_eval.errors import UnknownNameError, UserError
from p3d_eval.features import open_features
from p3d_eval.features.averaging import Averager
from p3d_eval.features.clips import Batch, ReadyClip, VideoEnd
from p3d_eval.features.extractor import extract, run_extraction
from p3d_eval.features.planning import plan_extraction
from p3d_eval.features.results import ClipResult
from p3d_eval.features.sampling import Sampling
from tests.features.conftest import LENGTHS, TINY
from tests.support.videos import make_video


def _frames(path):
    import av

    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def _plain_clips(tiny, path, starts, length, stride=1):
    """Every clip's activation on its own, by the definitions and nothing of the pipeline."""
    frames = _frames(path)
    found = []
    for start in starts:
        numbers = [(int(start) + i * stride) % len(frames) for i in range(length)]
        found.append(tiny(torch.from_numpy(frames[numbers][None]), "prob,flat,res"))
    return {name: np.stack([clip[name][0].numpy() for clip in found]) for name in found[0]}


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(4, clips=20),
        Sampling(4, kind="random", clips=5, seed=11),
        Sampling(4, kind="sliding", clip_stride=3),
    ],
    ids=lambda sampling: sampling.kind,
)
def test_features_are_the_mean_over_the_clips(tmp_path, videos, tiny, sampling):
    summary = extract(tiny, videos, None, tmp_path / "f.h5", sampling=sampling, batch_size=3, per_clip=True)
    assert (summary.done, summary.failed, summary.skipped) == (4, {}, 0)
    store = open_features(tmp_path / "f.h5")
    assert store.ids == tuple(sorted(LENGTHS))
    assert store.video_table["frames"].tolist() == [LENGTHS[video] for video in store.ids]
    assert store.layers == ("prob", "flat", "res")
    for row, video in enumerate(store.ids):
        starts = sampling.starts(LENGTHS[video], video)
        plain = _plain_clips(tiny, videos / f"{video}.avi", starts, 4)
        np.testing.assert_array_equal(store.clip_starts(video), starts)
        for layer, values in plain.items():
            # Batches of 1 and of 3 differ by about 2e-7 relative in float32.
            mean = values.astype(np.float64).mean(axis=0)
            np.testing.assert_allclose(store[layer][row], mean.ravel(), rtol=1e-5, atol=1e-7)
            np.testing.assert_allclose(store.clip_features(video, layer), values, rtol=1e-5, atol=1e-7)


def test_stored_means_are_float64_means_of_the_stored_clips(tmp_path, videos, tiny):
    extract(tiny, videos, "res", tmp_path / "f.h5", per_clip=True)
    store = open_features(tmp_path / "f.h5")
    for row, video in enumerate(store.ids):
        mean = store.clip_features(video, "res").astype(np.float64).mean(axis=0)
        np.testing.assert_allclose(store["res"][row], mean.ravel(), rtol=1.2e-7, atol=0)  # one float32 rounding


def test_the_number_of_workers_changes_no_bit(tmp_path, videos, tiny):
    stores = []
    for workers in (1, 3):
        extract(tiny, videos, "res,prob", tmp_path / f"{workers}.h5", batch_size=3, workers=workers)
        stores.append(open_features(tmp_path / f"{workers}.h5"))
    assert stores[0].identity == stores[1].identity
    for layer in ("res", "prob"):
        np.testing.assert_array_equal(stores[0][layer], stores[1][layer])


def test_company_changes_nothing_beyond_the_stated_bound(tmp_path, videos, tiny):
    extract(tiny, videos, "res", tmp_path / "all.h5")
    whole = open_features(tmp_path / "all.h5")
    for video in whole.ids:
        listing = tmp_path / "one.txt"
        listing.write_text(f"{video}.avi\n")
        extract(tiny, listing, "res", tmp_path / "one.h5", overwrite=True, root=videos)
        alone, together = (store["res"].rows([video]) for store in (open_features(tmp_path / "one.h5"), whole))
        assert np.abs(alone - together).max() <= 2e-6 * np.abs(together).max()


def test_batch_sizes_differ_within_the_stated_bound(tmp_path, videos, tiny):
    for size in (1, 7):
        extract(tiny, videos, "res", tmp_path / f"{size}.h5", batch_size=size)
    one, seven = (open_features(tmp_path / f"{size}.h5")["res"][:] for size in (1, 7))
    assert np.abs(one - seven).max() <= 2e-6 * np.abs(one).max()


def test_videos_of_different_sizes_share_batches(tmp_path, tiny):
    rng = np.random.default_rng(0)
    for name, size in {"a": (32, 64), "b": (48, 48), "c": (100, 36)}.items():
        make_video(tmp_path / f"v/{name}.avi", rng.integers(0, 255, (6, *size, 3), dtype=np.uint8))
    extract(tiny, tmp_path / "v", "res", tmp_path / "f.h5", sampling=Sampling(4, clips=1), batch_size=3)
    store = open_features(tmp_path / "f.h5")
    for row, video in enumerate(store.ids):
        plain = _plain_clips(tiny, tmp_path / f"v/{video}.avi", [1], 4)
        np.testing.assert_allclose(store["res"][row], plain["res"][0].ravel(), rtol=1e-5, atol=1e-7)


def test_frame_stride_and_clip_length_follow_the_network(tmp_path, videos):
    wide = load_backbone(TINY, clip_length=6, frame_stride=2)
    extract(wide, videos, "res,flat", tmp_path / "f.h5", sampling=Sampling(6, clips=2, frame_stride=2))
    store = open_features(tmp_path / "f.h5")
    assert store.shape("res") == (6, 6, 4, 8)
    video = "wave/v_wave_g02_c01"
    plain = _plain_clips(wide, videos / f"{video}.avi", [12, 38], 6, stride=2)  # P = 51: 51/4 and 153/4
    np.testing.assert_allclose(store["flat"].rows([video])[0], plain["flat"].mean(axis=0), rtol=1e-5)
    with pytest.raises(UserError, match="sampling takes 4 frames"):
        extract(wide, videos, "res", tmp_path / "g.h5", sampling=Sampling(4))


def test_broken_videos_are_listed_and_the_rest_goes_on(tmp_path, videos, tiny):
    folder = tmp_path / "videos"
    shutil.copytree(videos, folder)
    (folder / "a_first.avi").write_bytes(b"nothing")
    (folder / "run/v_zero.avi").write_bytes(b"")
    (folder / "z_last.mp4").write_bytes(os.urandom(4096))
    summary = extract(tiny, folder, "res", tmp_path / "f.h5")
    store = open_features(tmp_path / "f.h5")
    assert set(store.failed) == {"a_first", "run/v_zero", "z_last"} == set(summary.failed)
    assert all("cannot be decoded" in reason for reason in store.failed.values())
    assert store.complete
    assert store.ids == tuple(sorted(LENGTHS))
    extract(tiny, videos, "res", tmp_path / "clean.h5")
    np.testing.assert_array_equal(store["res"], open_features(tmp_path / "clean.h5")["res"])


@pytest.mark.parametrize("per_clip", [False, True])
def test_infinite_activations_are_a_reason(tmp_path, videos, per_clip):
    loud = load_backbone(TINY, gain="1e39")
    summary = extract(loud, videos, "res", tmp_path / "f.h5", per_clip=per_clip)
    assert len(summary.failed) == 4
    assert all("'res' is not finite" in reason for reason in summary.failed.values())


def test_float16_rounds_all_layers_but_prob(tmp_path, videos, tiny):
    extract(tiny, videos, "prob,p=prob,res", tmp_path / "half.h5", dtype="float16")
    extract(tiny, videos, "prob,p=prob,res", tmp_path / "full.h5")
    half, full = open_features(tmp_path / "half.h5"), open_features(tmp_path / "full.h5")
    assert [half.stored_dtype(name) for name in half.layers] == ["float32", "float32", "float16"]
    np.testing.assert_array_equal(half["p"], full["p"])
    np.testing.assert_allclose(half["res"][:], full["res"][:], rtol=2**-10, atol=2**-24)


def test_what_cannot_work_is_refused_before_any_file_is_made(tmp_path, videos, tiny):
    for error, arguments, options in (
        (UnknownNameError, (videos, "resx"), {}),
        (UserError, (videos, "res"), {"dtype": "int8"}),
        (UserError, (videos, "res"), {"batch_size": 0}),
        (UserError, (tmp_path, "res"), {}),
    ):
        with pytest.raises(error):
            extract(tiny, *arguments, tmp_path / "f.h5", **options)
    with pytest.raises(UserError, match="not a list of|no such|no videos"):
        extract(tiny, tmp_path, "res", tmp_path / "new" / "deep" / "f.h5")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "folder").mkdir()
    for overwrite in (False, True):
        with pytest.raises(UserError, match=r"folder is a folder, not a file"):
            extract(tiny, videos, "res", tmp_path / "folder", overwrite=overwrite)
    with pytest.raises(UserError, match="cannot write"):
        extract(tiny, videos, "res", Path("/proc/nowhere/f.h5"))


@pytest.mark.parametrize("per_clip", [False, True])
def test_the_predicted_size_is_the_files_size(tmp_path, videos, tiny, per_clip):
    plan = plan_extraction(tiny, videos, None, tmp_path / "f.h5", per_clip=per_clip)
    run_extraction(plan)
    size = (tmp_path / "f.h5").stat().st_size
    assert abs(plan.nbytes - size) < 0.05 * size


def test_a_disk_that_is_too_small_is_noticed_first(tmp_path, videos, tiny, monkeypatch):
    from p3d_eval.features import extractor

    monkeypatch.setattr(extractor.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(100, 0, 100))
    with pytest.raises(UserError, match="are free"):
        extract(tiny, videos, "res", tmp_path / "f.h5")
    assert not (tmp_path / "f.h5").exists()


def test_an_error_in_preparing_ends_the_run(tmp_path, videos, tiny, monkeypatch):
    def fail(self, frames, view):
        raise RuntimeError("a bug in preprocessing")

    monkeypatch.setattr(type(tiny), "prepare_frames", fail)
    with pytest.raises(RuntimeError, match="a bug"):
        extract(tiny, videos, "res", tmp_path / "f.h5")
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ahead-")]


def test_frames_are_counted_before_sliding_clips_are_stored(tmp_path, videos, tiny):
    from p3d_eval.progress import Progress

    shown = []

    def counting(total, done):
        shown.append(Progress("count", total, "videos", quiet=True, done=done))
        return shown[0]

    sampling = Sampling(4, kind="sliding", clip_stride=3)
    extract(tiny, videos, "res", tmp_path / "f.h5", sampling=sampling, per_clip=True, counting=counting)
    assert (shown[0].total, shown[0].done) == (4, 4)
    store = open_features(tmp_path / "f.h5")
    for video in store.ids:
        assert len(store.clip_starts(video)) == sampling.count(LENGTHS[video])


def test_memory_does_not_grow_with_the_clips_of_a_video():
    clips = 3000
    values = {"res": torch.zeros((4, 2000))}  # 8 kB a clip, 24 MB in all
    averager = Averager({0}, per_clip=True)
    seen = []
    tracemalloc.start()
    for first in range(0, clips, 4):
        ends = (VideoEnd(0, "v", clips),) if first == clips - 4 else ()
        batch = Batch(tuple(ReadyClip(0, first + index, 1, []) for index in range(4)), ends)
        for result in averager.add(batch, values):
            if isinstance(result, ClipResult):
                seen.append(result.position)
            else:
                assert result.means["res"].shape == (2000,)
                assert result.starts.tolist() == list(range(clips))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert seen == list(range(clips))
    assert peak < 1 << 20


def test_a_frame_is_prepared_once_however_many_clips_share_it(tmp_path, videos, tiny, monkeypatch):
    prepared = []
    plain = type(tiny).prepare_frames

    def counting(self, frames, view):
        prepared.append(len(frames))
        return plain(self, frames, view)

    monkeypatch.setattr(type(tiny), "prepare_frames", counting)
    sampling = Sampling(4, kind="sliding", clip_stride=1)
    extract(tiny, videos, "res", tmp_path / "f.h5", sampling=sampling)
    assert sum(prepared) == sum(LENGTHS.values())
    prepared.clear()
    extract(tiny, videos, "res", tmp_path / "g.h5", sampling=Sampling(4, clips=2))
    needed = 0
    for video, length in LENGTHS.items():
        starts = Sampling(4, clips=2).starts(length, video)
        needed += len({(int(start) + i) % length for start in starts for i in range(4)})
    assert sum(prepared) == needed


@pytest.mark.parametrize("per_clip", [False, True])
def test_views_are_averaged_clip_by_clip(tmp_path, videos, tiny, per_clip):
    views = views_of("3", mirror=True)
    sampling = Sampling(4, clips=3)
    options = {"sampling": sampling, "views": views, "per_clip": per_clip}
    extract(tiny, videos, "prob,res", tmp_path / "f.h5", **options)
    store = open_features(tmp_path / "f.h5")
    for row, video in enumerate(store.ids):
        frames = _frames(videos / f"{video}.avi")
        starts = sampling.starts(LENGTHS[video], video)
        clips = [frames[(int(start) + np.arange(4)) % len(frames)] for start in starts]
        inputs = [[tiny.preprocess(torch.from_numpy(clip)[None], view) for view in views] for clip in clips]
        for layer in ("prob", "res"):
            seen = [[tiny.features(x, layer)[layer][0].double().numpy() for x in clip] for clip in inputs]
            means = np.array(seen).mean(axis=1)  # over the six views; float32 within, as everywhere
            np.testing.assert_allclose(store[layer][row], means.mean(axis=0).ravel(), rtol=1e-5, atol=1e-7)
            if per_clip:
                np.testing.assert_allclose(store.clip_features(video, layer), means, rtol=1e-5, atol=1e-7)
    with pytest.raises(UserError, match=r"another sampling\.views"):
        extract(tiny, videos, "prob,res", tmp_path / "f.h5", sampling=sampling, per_clip=per_clip)


def test_sums_on_the_device_equal_a_plain_sum_to_rounding():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(23, 7, 5)).astype(np.float32)
    repeats = rng.integers(1, 4, 23)
    averager = Averager({3}, per_clip=False)
    found = []
    for first in range(0, 23, 8):
        part = values[first : first + 8]
        clips = tuple(ReadyClip(3, first + i, int(repeats[first + i]), []) for i in range(len(part)))
        ends = (VideoEnd(3, "v", 99),) if first == 16 else ()
        found += averager.add(Batch(clips, ends), {"res": torch.from_numpy(part)})
    (result,) = found
    plain = sum(value.astype(np.float64) * times for value, times in zip(values, repeats, strict=True))
    np.testing.assert_allclose(result.means["res"], plain / repeats.sum(), rtol=0, atol=1e-15)  # 23 additions
    assert result.starts.tolist() == np.repeat(np.arange(23), repeats).tolist()


BROKEN_NETWORKS = """
import torch
from tests.support.tiny import factory as tiny


def failing():
    network = tiny()
    def fail(module, inputs):
        if len(inputs[0]) > 1 and inputs[0].device.type != "meta":
            raise ValueError("my bug")
    network.module.conv.register_forward_pre_hook(fail)
    return network


def failing_at_once():
    network = tiny()
    network.module.conv.register_forward_pre_hook(lambda *_: 1 / 0)
    return network


def folding():
    network = tiny()
    network.module.res.register_forward_hook(lambda module, inputs, output: output[:1])
    return network
"""


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        ("failing", r"broken\.py:failing failed while its layers res were computed: ValueError: my bug"),
        (
            "failing_at_once",
            r"broken\.py:failing_at_once: the network fails on .*: ZeroDivisionError",
        ),
        ("folding", r"layer 'res' gives 1 × 6 × 4 × 4 × 8 for 2 clips: its first axis is not the batch"),
    ],
)
def test_a_network_of_ones_own_that_fails_is_named(tmp_path, videos, factory, message):
    (tmp_path / "broken.py").write_text(BROKEN_NETWORKS)
    with pytest.raises(UserError, match=message):
        extract(load_backbone(f"{tmp_path}/broken.py:{factory}"), videos, "res", tmp_path / "f.h5")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sampling": "sliding", "clips": 3}, "--clips 3 does not go with --sampling sliding"),
        ({"sampling": "uniform", "clip_stride": 3}, "--clip-stride 3 does not go with --sampling uniform"),
        ({"sampling": "random", "clip_stride": 3}, "--clip-stride 3 does not go with --sampling random"),
        ({"layers": ""}, "the list of layers is empty"),
        ({"layers": []}, "the list of layers is empty"),
        ({"workers": -1}, "--workers -1"),
        ({"video_timeout": -1.0}, "--video-timeout -1"),
        ({"video_timeout": float("nan")}, "--video-timeout nan"),
        ({"decoder": "opencv"}, "unknown decoder 'opencv'"),
    ],
    ids=lambda value: "-".join(map(str, value)) if isinstance(value, dict) else "",
)
def test_options_are_never_ignored(tmp_path, videos, tiny, options, message):
    with pytest.raises(UserError, match=message):
        p3d_eval.extract(tiny, videos, tmp_path / "f.h5", **options, quiet=True)
    assert not (tmp_path / "f.h5").exists()


def test_all_layers_differing_are_named_before_their_types(tmp_path, videos, tiny):
    extract(tiny, videos, "prob,flat,res", tmp_path / "f.h5")
    with pytest.raises(UserError, match=r"another layers\.\w+: '\w+' there, 'none' now"):
        extract(tiny, videos, "res", tmp_path / "f.h5")


def test_a_network_without_default_layers_is_told_which_it_lists(tmp_path, videos, tiny, monkeypatch):
    bare = replace(tiny.network, aslan_layers=(), layers=("res", "prob"))
    monkeypatch.setattr(tiny, "network", bare)
    with pytest.raises(UserError, match=r"registers no default layers\n.*--layers res,prob, .*aslan_layers"):
        extract(tiny, videos, None, tmp_path / "f.h5")


def test_too_little_memory_for_a_batch_says_what_to_do(tmp_path, videos, tiny, monkeypatch):
    from p3d_eval.features import computing

    def fail(self, x):
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(computing.Runner, "__call__", fail)
    with pytest.raises(
        UserError, match=r"cpu has too little memory for batches of 8 clips of .*\n.*--batch-size"
    ):
        extract(tiny, videos, "res", tmp_path / "f.h5")
