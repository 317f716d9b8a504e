"""What each classic mistake does to the right class's probability: I3D with its trained weights on real clips.

Run: python benchmarks/classic_mistakes.py CLIPS [--clip-length 64] [--averaged 20]
CLIPS is a folder with the videos of ANSWERS; `p3d-eval weights fetch i3d` gets the weights.
"""

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from p3d_eval.backbones import load_backbone
from p3d_eval.backbones.download import cached
from p3d_eval.features import open_features
from p3d_eval.features.extractor import extract
from p3d_eval.features.ids import VideoFile
from p3d_eval.features.sampling import Sampling

ANSWERS = {  # clip: its class in Kinetics-400
    "v_SoccerJuggling_g23_c01.avi": "juggling soccer ball",
    "v_SoccerJuggling_g24_c01.avi": "juggling soccer ball",
    "v_Punch_g03_c01.avi": "punching person (boxing)",
    "v_Biking_g05_c02.avi": "riding mountain bike",
    "hmdb51_Turnk_r_Pippi_Michel_cartwheel_f_cm_np2_le_med_6.avi": "cartwheeling",
    "mma_demo.mp4": "arm wrestling",
    "v_ApplyEyeMakeup_g01_c01.avi": "filling eyebrows",
}
# I3D takes RGB in −1 … 1. What people give networks instead:
MISTAKES: Mapping[str, Mapping[str, Any]] = {
    "none": {},
    "BGR instead of RGB": {"channel_order": "BGR"},
    "mean missing (0 … 2)": {"value_range": (0, 2)},
    "0 … 1 instead of −1 … 1": {"value_range": (0, 1)},
    "bytes as they are (0 … 255)": {"value_range": (0, 255)},
    "ImageNet's mean and std": {
        "value_range": (0, 1),
        "mean": (0.485, 0.456, 0.406),
        "std": (0.229, 0.224, 0.225),
    },
    "Caffe's mean, BGR bytes": {"value_range": (0, 255), "mean": (104, 117, 123), "channel_order": "BGR"},
    "squeezed, not cropped": {"resize": (224, 224)},
    "one frame in four": {"frame_stride": 4},
}


def activations(
    clips: Path, names: Sequence[str], layers: str, length: int, count: int, changes: Mapping[str, Any]
) -> tuple[dict[str, dict[str, NDArray[np.float64]]], tuple[str, ...]]:
    """Extract layers of every clip of each video: layer → name → (clips, values); and the classes."""
    backbone = load_backbone("i3d", cached("i3d"), clip_length=length, **changes)
    spec = backbone.input_spec
    sampling = Sampling(spec.clip_length, clips=count, frame_stride=spec.frame_stride)
    videos = [VideoFile(name, clips / name) for name in names]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "f.h5"
        extract(backbone, videos, layers, out, sampling=sampling, per_clip=True, batch_size=1, workers=0)
        store = open_features(out)
        found = {
            layer: {name: np.asarray(store.clip_features(name, layer), np.float64) for name in store.ids}
            for layer in store.layers
        }
        return found, tuple(store.classes)


def right_probability(
    clips: Path, names: Sequence[str], length: int, changes: Mapping[str, Any]
) -> dict[str, tuple[float, bool]]:
    """Probability of the right class in each video's centre clip, and whether it is the largest."""
    found, classes = activations(clips, names, "prob", length, 1, changes)
    rows = {name: found["prob"][name].mean(0) for name in names}
    right = {name: classes.index(ANSWERS[name]) for name in names}
    return {name: (float(row[right[name]]), int(row.argmax()) == right[name]) for name, row in rows.items()}


def wrong_layer(clips: Path, names: Sequence[str], length: int) -> dict[str, float]:
    """Share of the right class where ``logits`` stand for ``prob``: negative ones cut, divided by the sum."""
    found, classes = activations(clips, names, "logits", length, 1, {})
    shares = {}
    for name in names:
        kept = found["logits"][name].mean(0).clip(0)
        shares[name] = float(kept[classes.index(ANSWERS[name])] / kept.sum())
    return shares


def averaging(clips: Path, names: Sequence[str], count: int) -> dict[str, tuple[float, float, float, float]]:
    """Least, median and largest probability of the right class in 16-frame clips, and that of their mean."""
    found, classes = activations(clips, names, "prob", 16, count, {})
    table = {}
    for name in names:
        right = found["prob"][name][:, classes.index(ANSWERS[name])]
        table[name] = (float(right.min()), float(np.median(right)), float(right.max()), float(right.mean()))
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", type=Path)
    parser.add_argument("--clip-length", type=int, default=64)
    parser.add_argument("--averaged", type=int, default=20)
    given = parser.parse_args()
    names = [name for name in ANSWERS if (given.clips / name).is_file()]
    results: dict[str, Any] = {}
    for mistake, changes in MISTAKES.items():
        found = right_probability(given.clips, names, given.clip_length, changes)
        results[mistake] = {name: value for name, (value, _) in found.items()}
        right = sum(first for _, first in found.values())
        mean = np.mean([value for value, _ in found.values()])
        values = " ".join(f"{value:.3f}{'' if first else '!'}" for value, first in found.values())
        print(f"{mistake:30s} {values}  mean {mean:.3f}, {right} of {len(names)} right", flush=True)
    shares = wrong_layer(given.clips, names, given.clip_length)
    print("logits taken for prob".ljust(30), " ".join(f"{share:.3f}" for share in shares.values()), flush=True)
    averaged = averaging(given.clips, names, given.averaged)
    for name, (least, median, largest, mean) in averaged.items():
        print(f"{name}: one clip of 16 frames {least:.3f} / {median:.3f} / {largest:.3f}, mean {mean:.3f}")
    about = {
        "benchmark": "classic_mistakes",
        "threads": torch.get_num_threads(),
        "mistakes": results,
        "logits": shares,
        "averaging": averaged,
    }
    print(json.dumps(about))


if __name__ == "__main__":
    main()
