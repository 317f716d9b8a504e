"""Figures with chosen points, for tests of what is done with figures."""

import numpy as np

from p3d_eval.reports.figures.data import FigureData, Matrix, Series

HOSTILE = "</script><img src=x onerror=alert(1)>_&%$#\u202e日本語 ümläut"


def map_figure(networks=("i3d", "p3d199"), videos=60, classes=("Run", HOSTILE, "Swim"), seed=0) -> FigureData:
    """Return a t-SNE map of made points; video i is of class i modulo their number, in every network."""
    rng = np.random.default_rng(seed)
    names = tuple(f"v_{classes[i % len(classes)]}_g{i:02d}" for i in range(videos))
    shown = tuple(classes[i % len(classes)] for i in range(videos))
    return FigureData(
        kind="tsne",
        title="t-SNE of pool5",
        x_label="",
        y_label="",
        series=tuple(
            Series(
                name,
                *(tuple(rng.normal(size=videos).tolist()) for _ in "xy"),
                ids=names,
                classes=shown,
                facts={"k-NN accuracy (%)": 61.5, "silhouette": None},
            )
            for name in networks
        ),
        facts={"perplexity": 30.0, "initialisation": "PCA"},
        notes=("60 of 120 videos, drawn with seed 0.",),
        sources=dict.fromkeys(networks, "c" * 64),
    )


def curve_figure(kind="sweep") -> FigureData:
    """Return two curves; the first has an interval, the second one gap."""
    return FigureData(
        kind=kind,
        title=f"Curves of {kind}",
        x_label="Dimension",
        y_label="Accuracy (%)",
        series=(
            Series(
                "i3d",
                (500.0, 100.0, 10.0),
                (80.0, 75.0, 50.0),
                (78.0, 73.0, 48.0),
                (82.0, 77.0, 52.0),
                facts={"without PCA": 81.0},
            ),
            Series("p3d199", (500.0, 100.0, 10.0), (70.0, None, 40.0)),
        ),
    )


def matrix_figure(classes=("Run", HOSTILE, "Swim")) -> FigureData:
    """Return a confusion matrix: 10 right of each class, and 1, 2, 3 of class i taken for class i + 1."""
    count = len(classes)
    values = np.eye(count) * 10
    for row in range(count):
        values[row, (row + 1) % count] += row + 1
    return FigureData(
        kind="confusion",
        title="Confusion",
        x_label="Predicted class",
        y_label="True class",
        matrix=Matrix(tuple(classes), tuple(classes), tuple(map(tuple, values.tolist()))),
    )


def bar_figure(classes=("Run", HOSTILE, "Swim")) -> FigureData:
    """Return bars of two networks, classes 10, 20, … % and five points more."""
    places = tuple(float(place) for place in range(len(classes)))
    return FigureData(
        kind="per-class",
        title="Accuracy of each class",
        x_label="Accuracy (%)",
        y_label="Class",
        series=tuple(
            Series(name, places, tuple(10 * (place + 1) + more for place in places), classes=tuple(classes))
            for name, more in (("i3d", 0.0), ("p3d199", 5.0))
        ),
    )


def trade_off() -> FigureData:
    """Return three networks and their Pareto front."""
    return FigureData(
        kind="speed-accuracy",
        title="Accuracy against speed",
        x_label="Clips per second",
        y_label="Accuracy (%)",
        series=(
            Series("networks", (10.0, 20.0, 30.0), (80.0, 60.0, 70.0), ids=("p3d199", "c3d", "i3d")),
            Series("Pareto front", (10.0, 30.0), (80.0, 70.0), ids=("p3d199", "i3d")),
        ),
    )


def every_figure() -> list[FigureData]:
    """Return one of every kind."""
    curves = [curve_figure(kind) for kind in ("sweep", "roc", "precision-recall")]
    return [map_figure(), *curves, matrix_figure(), bar_figure(), trade_off()]
