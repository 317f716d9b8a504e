"""Stores that hold the class scores of every clip."""

from pathlib import Path

import numpy as np

from p3d_eval.features import FeatureStore, open_features
from p3d_eval.features.memory import default_provenance
from p3d_eval.features.schema import LayerPlan, StorePlan, VideoRecord
from p3d_eval.features.writer import StoreWriter, create_store


def clip_store(path: Path, clips: dict[str, np.ndarray], classes) -> FeatureStore:
    """Write ``prob`` of each video's clips, arrays (clips, classes), and their means."""
    counts = np.array([len(values) for values in clips.values()])
    plan = StorePlan(
        videos=tuple(VideoRecord(video) for video in clips),
        layers={"prob": LayerPlan((len(classes),), "C")},
        identity={"made": f"for a test, {path.stem}", "layers": {"prob": "mean"}},
        provenance=default_provenance() | {"backbone": "made"},
        classes=tuple(classes),
        clip_counts=counts,
    )
    create_store(path, plan)
    with StoreWriter(path, "test") as writer:
        for row, values in enumerate(clips.values()):
            values = values.astype(np.float32)
            writer.write_clips(row, 0, {"prob": values})
            means = {"prob": values.mean(axis=0, dtype=np.float64).astype(np.float32)}
            writer.write_video(row, means, clips=len(values), starts=np.arange(len(values)))
        writer.finish()
    return open_features(path)
