"""t-SNE: principal components first, exact neighbours, then openTSNE from a seeded start."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import openTSNE
import torch
from numpy.typing import NDArray
from openTSNE.affinity import PerplexityBasedNN
from openTSNE.initialization import pca as initial_places
from openTSNE.nearest_neighbors import PrecomputedNeighbors
from sklearn.neighbors import NearestNeighbors

from p3d_eval.errors import UserError, counted
from p3d_eval.protocols.pca import fit_pca

Array = NDArray[np.float64]

ITERATIONS = (250, 500)  # with early exaggeration, and without: openTSNE's
COMPONENTS = 50  # of PCA, as in van der Maaten and Hinton (JMLR 9, 2008), section 4.2 (there 30)
PERPLEXITY = 30.0
_NEIGHBOURS = 3  # times the perplexity: those further away have no weight to speak of
_FEWEST = 4  # samples: three neighbours of perplexity 1
_MANY = 2000  # samples; fewer lose more to waiting threads than a second core gains
_TOLD_EVERY = 25  # iterations
_DIGITS = 6  # of the divergence: threads add it up in any order, which changes the fourteenth

Advance = Callable[[int], None]


@dataclass(frozen=True)
class Embedding:
    """A map of samples.

    Parameters
    ----------
    points : ndarray of float64, shape (n, 2)
    components : int or None
        Principal components that it was made from; None for the samples themselves.
    perplexity : float
        What it was made with: less than asked where there are few samples.
    divergence : float
        Kullback–Leibler divergence that was reached, to six decimals.
    """

    points: Array
    components: int | None
    perplexity: float
    divergence: float


def embed(
    X: Array,
    *,
    perplexity: float = PERPLEXITY,
    components: int = COMPONENTS,
    seed: int = 0,
    advance: Advance | None = None,
) -> Embedding:
    """Lay samples out in the plane so that neighbours stay neighbours.

    Parameters
    ----------
    X : ndarray of float64, shape (n, D)
        Samples, normalised as they shall be compared.
    perplexity : float
        Neighbours that count for each sample, softly; at most a third of the others.
    components : int
        Principal components that replace wider samples first; the same samples in as many or fewer
        dimensions are taken as they are.
    seed : int
        Of everything random.
    advance : callable, optional
        Told the number of iterations done since it was last told; ``sum(ITERATIONS)`` in all.

    Returns
    -------
    Embedding
        The same for the same input, seed and number of threads.

    Raises
    ------
    UserError
        When there are fewer than 4 samples, an option is out of range, all samples are equal, or they span
        fewer dimensions than ``components``.
    """
    if len(X) < _FEWEST:
        raise UserError(f"t-SNE of {counted(len(X), 'video')}", f"It needs at least {_FEWEST}")
    require_settings(perplexity, components)
    if X.shape[1] < 2 or not np.ptp(X, axis=0).any():
        raise UserError(
            f"t-SNE: {len(X)} videos of {counted(X.shape[1], 'value')} span no plane", "Map another layer"
        )
    reduced = min(len(X) - 1, X.shape[1]) > components
    values = fit_pca(X, components).transform(X) if reduced else X - X.mean(axis=0)
    fitting = min(perplexity, (len(X) - 1) / _NEIGHBOURS)
    threads = torch.get_num_threads() if len(X) >= _MANY else 1
    affinities = PerplexityBasedNN(
        knn_index=_exact_neighbours(values, round(_NEIGHBOURS * fitting)), perplexity=fitting, n_jobs=threads
    )
    model = openTSNE.TSNE(
        early_exaggeration_iter=ITERATIONS[0],
        n_iter=ITERATIONS[1],
        n_jobs=threads,
        random_state=seed,
        callbacks=None if advance is None else [lambda *_: advance(_TOLD_EVERY)],
        callbacks_every_iters=_TOLD_EVERY,
    )
    start = initial_places(values, random_state=seed)
    found = model.fit(affinities=affinities, initialization=start)
    divergence = round(float(found.kl_divergence), _DIGITS)
    return Embedding(np.asarray(found, np.float64), components if reduced else None, fitting, divergence)


def require_settings(perplexity: float, components: int) -> None:
    """Refuse settings that are out of range.

    Raises
    ------
    UserError
        When the perplexity is less than 1 or infinite, or there are fewer than 2 components.
    """
    if not (math.isfinite(perplexity) and perplexity >= 1):
        raise UserError(f"perplexity: {perplexity} is not a number of at least 1")
    if components < 2:
        raise UserError(f"pca: {components} dimensions", "A map needs at least 2")


def _exact_neighbours(values: Array, count: int) -> PrecomputedNeighbors:
    """Find the nearest others of each sample: exactly, and at these sizes sooner than approximately."""
    distances, neighbours = NearestNeighbors(n_neighbors=count, algorithm="brute").fit(values).kneighbors()
    return PrecomputedNeighbors(neighbours, distances)
