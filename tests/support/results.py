"""Results with chosen numbers, for tests of what is done with results."""

from dataclasses import replace

import numpy as np

from p3d_eval.protocols.result import Certificate, Coverage, Metric, Result, Scores, Split, Variant


def ucf101_result(
    label="p3d199",
    accuracy=0.886,
    *,
    backbone="p3d199",
    random=False,
    official=True,
    expected=13320,
    missing=(),
    gap=1e-8,
    splits=3,
    low=0.879,
    high=0.893,
    annotations="a" * 64,
    **changes,
) -> Result:
    """Return a result as the ucf101 protocol makes it; by default one that may stand beside Table 3."""
    metric = Metric(accuracy, low, high, 0.95, "wilson", expected, "videos")
    result = Result(
        protocol="ucf101",
        version="1",
        label=label,
        metrics={"accuracy": metric},
        options={"C": 1.0, "layer": "pool5", "label": label},
        choices=("C = 1",),
        features=_features(label, backbone, random),
        annotations={"source": "ids", "sha256": annotations, "official": official, "dataset": "ucf101"},
        coverage=Coverage(
            expected, expected - len(missing), tuple(missing), "wrong" if missing else "complete"
        ),
        splits=tuple(
            Split(f"split {n}", {"accuracy": Metric(accuracy)}, 9537, 3783) for n in range(1, splits + 1)
        ),
        certificates=(
            Certificate("split 1", "LinearSVC", 1e-9, 1e-6, 101),
            Certificate("split 2", "LinearSVC", gap, 1e-6, 101),
        ),
        created="2026-01-01T00:00:00+00:00",
        software={},
    )
    return replace(result, **changes)


def aslan_result(
    label="p3d199",
    accuracy=0.808,
    auc=0.879,
    *,
    standard_error=0.004,
    backbone="p3d199",
    random=False,
    official=True,
    expected=3697,
    missing=(),
    gap=1e-8,
    annotations="b" * 64,
    **changes,
) -> Result:
    """Return a result as the aslan protocol makes it; by default one that may stand beside Table 5."""
    how = "standard error of 10 folds"
    metrics = {
        "accuracy": Metric(accuracy, method=how, n=10, unit="folds", standard_error=standard_error),
        "auc": Metric(auc, method="pooled", n=6000, unit="pairs"),
        "auc_mean_of_folds": Metric(auc + 0.001, n=10, unit="folds"),
    }
    plain = {
        "accuracy": Metric(0.701, standard_error=0.006, n=10, unit="folds"),
        "auc": Metric(0.761, n=6000, unit="pairs"),
    }
    result = Result(
        protocol="aslan",
        version="1",
        label=label,
        metrics=metrics,
        options={"C": 1.0, "label": label},
        choices=("eps = 1e-10",),
        features=_features(label, backbone, random),
        annotations={"source": "View2.mat", "sha256": annotations, "official": official, "dataset": "aslan"},
        coverage=Coverage(
            expected, expected - len(missing), tuple(missing), "wrong" if missing else "complete"
        ),
        splits=tuple(Split(f"fold {n}", {"accuracy": Metric(accuracy)}, 5400, 600) for n in range(1, 11)),
        variants=(
            Variant("zscore+l2", {}, metrics, headline=True),
            Variant("l2", {}, plain),
        ),
        certificates=(Certificate("fold 3, zscore+l2", "LinearSVC", gap, 1e-6),),
        created="2026-01-01T00:00:00+00:00",
        software={},
    )
    return replace(result, **changes)


def _features(label, backbone, random) -> dict:
    weights = {"source": "random" if random else "weights.safetensors", "sha256": "c" * 64, "random": random}
    return {
        "file": f"{label}.h5",
        "identity": f"{label}-{backbone}",
        "backbone": backbone,
        "weights": weights,
        "layers": ["pool5"],
        "label": label,
    }


def profile_result(label="p3d63", speed=10.0, *, backbone="p3d63", device="cpu", **changes) -> Result:
    """Return a result as the profile of a network makes it: two ways, the first the fastest."""

    def speeds(factor) -> dict[str, Metric]:
        rate = speed * factor
        return {
            "clips_per_second": Metric(rate, 0.9 * rate, 1.1 * rate, method="median", n=5, unit="batches"),
            "frames_per_second": Metric(
                16 * rate, 14.4 * rate, 17.6 * rate, method="median", n=5, unit="batches"
            ),
            "peak_bytes": Metric(3 * 2**30),
        }

    costs = {"parameters": Metric(25.9e6), "model_bytes": Metric(98 * 2**20), "macs": Metric(8.4e9)}
    return replace(
        ucf101_result(label, backbone=backbone),
        protocol="profile",
        metrics=costs | speeds(1.0),
        options={"layers": "pool5"},
        features={
            "identity": f"{label}-{device}",
            "backbone": backbone,
            "options": {},
            "device": device,
            "weights": {"sha256": None, "random": True},
        },
        annotations={"source": "none needed", "sha256": None, "official": False},
        coverage=Coverage(0, 0),
        splits=(),
        certificates=(),
        variants=(
            Variant("fp32, batches of 8", {"precision": "fp32", "batch_size": 8}, speeds(1.0), headline=True),
            Variant("fp32, batches of 1", {"precision": "fp32", "batch_size": 1}, speeds(0.5)),
        ),
        **changes,
    )


def scored_result(label, right, **changes) -> Result:
    """Return a result on 40 videos of 4 classes, in 20 clusters; the first ``right`` videos are right."""
    labels = np.arange(40) % 4
    scores = np.zeros((40, 4), np.float32)
    scores[np.arange(40), np.where(np.arange(40) < right, labels, (labels + 1) % 4)] = 1
    saved = Scores(
        ids=np.array([f"v{n:02}" for n in range(40)]),
        split=np.zeros(40, int),
        labels=labels,
        classes=np.array(["a", "b", "c", "d"]),
        scores=scores,
        clusters=np.array([f"g{n // 2}" for n in range(40)]),
        cluster_kind="clusters",
    )
    return ucf101_result(label, right / 40, backbone=label, scores=saved, **changes)
