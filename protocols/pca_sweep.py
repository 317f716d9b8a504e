"""How accuracy depends on the number of principal components (P3D paper, Figure 6)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from p3d_eval.errors import UserError, counted
from p3d_eval.protocols.classification import Trained
from p3d_eval.protocols.classifiers.choice import Classifier, Fitted
from p3d_eval.protocols.pca import PcaSolver, fit_pca
from p3d_eval.protocols.pca_svm import SweepFit, fit_sweep
from p3d_eval.protocols.result import Certificate

Array = NDArray[np.float64]

# The abscissae of Figure 6; the paper says nothing of its normalisation and of where PCA was fitted.
FIGURE_6 = (500, 400, 300, 200, 150, 100, 50, 30, 20, 10)


def parse_dimensions(text: str | None) -> tuple[int, ...]:
    """Read the option ``pca``: nothing, ``sweep``, or numbers of dimensions; returns them from large to small.

    Raises
    ------
    UserError
        When a part is not a positive whole number, or occurs twice.

    Examples
    --------
    >>> parse_dimensions("10, 100")
    (100, 10)
    """
    if text is None:
        return ()
    if text.strip() == "sweep":
        return FIGURE_6
    parts = [part.strip() for part in text.split(",")]
    for part in parts:
        if not (part.isascii() and part.isdigit() and int(part)):
            raise UserError(
                f"pca: {part!r} is not a number of dimensions", "Give sweep, or numbers such as 100,50,10"
            )
    numbers = [int(part) for part in parts]
    if len(set(numbers)) < len(numbers):
        raise UserError(f"pca: {text!r} names a number of dimensions twice")
    return tuple(sorted(numbers, reverse=True))


def describe_sweep(solver: PcaSolver, chosen: bool) -> str:
    """Say in one sentence what is done, for the result; ``chosen`` where C is."""
    return (
        f"pca: {solver}, centred, found on each split's training videos after normalisation, not whitened, "
        f"not normalised again; {'the folds that C is chosen on share them; ' if chosen else ''}"
        "the headline is without it"
    )


def project(
    features: NDArray[np.floating],
    training: Sequence[int],
    dimensions: Sequence[int],
    solver: PcaSolver = "exact",
    seed: int = 0,
    device: str | None = None,
) -> Array:
    """Project all samples on the principal components of the training samples.

    Parameters
    ----------
    features : ndarray of float, shape (n, D)
        Samples, normalised; the projections are not normalised again.
    training : sequence of int
        Rows that the components are found on; no other row influences them.
    dimensions : sequence of int
        Numbers of dimensions of the sweep.
    solver, seed, device
        See :func:`p3d_eval.protocols.pca.fit_pca`.

    Returns
    -------
    ndarray of float64, shape (n, max(dimensions))
        Its first d columns are the projection on d dimensions.

    Raises
    ------
    UserError
        When the training samples have fewer dimensions.
    """
    fitted = fit_pca(features[np.asarray(training)], max(dimensions), solver=solver, seed=seed, device=device)
    return fitted.transform(features)


@dataclass(frozen=True)
class _Point:
    """One point's SVMs with their labels."""

    classes_: NDArray[Any]
    fit: SweepFit

    def scores(self, X: Array) -> Array:
        return self.fit.scores(X)


def train_points(
    projected: Array, y: NDArray[np.intp], points: tuple[int, ...], classifier: Classifier, problem: str
) -> dict[int, Trained]:
    """Train all points together where their SVMs can share work.

    Parameters
    ----------
    projected : ndarray of float64, shape (n, D)
        Training samples on their principal components.
    y : ndarray of int, shape (n,)
        Class numbers.
    points : tuple of int
        Numbers of dimensions.
    classifier : Classifier
    problem : str
        What the certificates call the fits, before the number of dimensions.

    Returns
    -------
    dict of int to Trained
        Empty for a classifier other than one-vs-rest SVMs with one C, and for one class only.
    """
    labels, encoded = np.unique(y, return_inverse=True)
    if classifier.name != "svm" or len(classifier.values) > 1 or len(labels) < 2:
        return {}
    C, tol = classifier.values[0], classifier.tol
    trained = {}
    for point, fit in fit_sweep(projected, encoded, points, C=C, tol=tol, device=classifier.device).items():
        solver = f"Newton, preconditioned conjugate gradients, squared hinge, C = {C:g}"
        solver += f", {counted(fit.repeated, 'problem')} again in float64" if fit.repeated else ""
        gap, count = float(fit.relative_gaps.max()), len(fit.relative_gaps)
        certificate = Certificate(f"{problem}, pca {point}", solver, gap, tol, count)
        fitted = Fitted(_Point(labels, fit), C, certificate)
        trained[point] = Trained(fitted, None, None, (certificate,))
    return trained
