"""Results with scores, for tests of figures."""

from dataclasses import replace

import numpy as np

from p3d_eval.protocols.result import Metric, Result, Scores, Variant
from p3d_eval.protocols.statistics import proportion
from p3d_eval.reports.figures.labelled import Labelled, label_results
from p3d_eval.reports.loading import Loaded
from tests.support.results import aslan_result, ucf101_result

CLASSES = ("archery", "biking", "diving", "yo_yo")


def labelled(*results: Result) -> list[Labelled]:
    return label_results([Loaded(result) for result in results])


def class_scores(classes=CLASSES, each=10, seed=0, skill=1.0) -> Scores:
    """Random decision values in which the right class is better by ``skill``."""
    generator = np.random.default_rng(seed)
    labels = np.arange(len(classes) * each) % len(classes)
    values = generator.normal(size=(len(labels), len(classes))).astype(np.float32)
    values[np.arange(len(labels)), labels] += skill
    ids = np.array([f"{classes[label]}/v_g{row:04}_c01" for row, label in enumerate(labels)])
    return Scores(ids, np.zeros(len(labels), int), labels, np.array(classes), values)


def class_result(label="p3d199", classes=CLASSES, seed=0, **changes) -> Result:
    """Return a ucf101 result with scores, values of single classes and a sweep."""
    scores = class_scores(classes, seed=seed)
    hits = scores.scores.argmax(axis=1) == scores.labels
    per_class = {
        name: proportion(int(hits[scores.labels == place].sum()), int((scores.labels == place).sum()), "videos")
        for place, name in enumerate(classes)
    }
    points = tuple(
        Variant(f"pca {d}", {"pca": d}, {"accuracy": Metric(d / 1000, d / 2000, d / 500)})
        for d in (500, 100, 10)
    )
    made = ucf101_result(
        label, float(hits.mean()), per_class=per_class, scores=scores, variants=points, backbone=label
    )
    return replace(made, **changes)


def pair_result(label="p3d199", seed=0, n=60, **changes) -> Result:
    """Return an aslan result with scores of pairs in ten folds, some of them equal."""
    generator = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    values = np.round(generator.normal(size=n) + labels, 1).astype(np.float32)
    ids = np.array([[f"{row:04}", f"{row + 1:04}"] for row in range(n)])
    scores = Scores(ids, np.arange(n) * 10 // n, labels, np.array(["same"]), values)
    return replace(aslan_result(label, scores=scores, backbone=label), **changes)


def profile_result(backbone, clips_per_second, device="cpu", **metrics) -> Result:
    """Return a profile as ``p3d-eval profile`` makes it."""
    made = ucf101_result(backbone, backbone=backbone)
    values = {"clips_per_second": clips_per_second, "macs": 1e9, "parameters": 1e6} | metrics
    return replace(
        made,
        protocol="profile",
        metrics={name: Metric(value, reason=None if value else "failed") for name, value in values.items()},
        features={
            "backbone": backbone,
            "device": device,
            "machine": {"processor_name": "Some CPU"},
            "threads": 2,
        },
        options={},
        variants=(),
        splits=(),
        certificates=(),
    )
