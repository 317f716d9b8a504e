"""Results with chosen numbers, for tests of what is done with results."""

from dataclasses import replace

from p3d_eval.protocols.result import Certificate, Coverage, Metric, Result, Split, Variant


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
