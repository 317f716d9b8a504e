"""Everything a feature file says about itself, as plain values for a terminal or a script."""

from typing import Any

import numpy as np

from p3d_eval.features.schema import DONE
from p3d_eval.features.store import FeatureStore


def describe(store: FeatureStore) -> dict[str, Any]:
    """Summarise a store as JSON values.

    Returns
    -------
    dict
        ``file``, ``bytes``, ``label``, ``complete``, ``videos`` (counts), ``failed`` (id → reason),
        ``layers`` (name → shape, axes, values), ``frames`` and ``clips`` (totals of the videos that are
        done), ``classes``, ``embedded``, ``identity``, ``provenance`` and ``runs``.
    """
    table = store.video_table
    done = table["status"] == DONE
    runs, counts = np.unique(table["run"][done], return_counts=True)
    made = dict(zip(runs.tolist(), counts.tolist(), strict=True))
    return {
        "file": str(store.path),
        "bytes": store.path.stat().st_size,
        "label": store.label,
        "complete": store.complete,
        "videos": {"expected": len(store.expected_ids), "done": len(store.ids), "failed": len(store.failed)},
        "failed": store.failed,
        "layers": {
            name: {
                "shape": list(store.shape(name)),
                "axes": store.axes(name),
                "values": store[name].shape[1],
                "dtype": store.stored_dtype(name),
                "per_clip": store.has_clips,
            }
            for name in store.layers
        },
        "frames": int(table["frames"][done].clip(min=0).sum()),
        "clips": int(table["clips"][done].sum()),
        "classes": list(store.classes),
        "embedded": list(store.embedded),
        "identity": store.identity,
        "provenance": store.provenance,
        "runs": [run | {"videos": made.get(index, 0)} for index, run in enumerate(store.runs)],
    }
