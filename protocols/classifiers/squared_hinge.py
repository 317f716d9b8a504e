"""Many L2-regularised squared-hinge linear SVMs over one matrix: LIBLINEAR's objective, solved together."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from p3d_eval.backbones.precision import REFERENCE, arithmetic
from p3d_eval.devices import find_device
from p3d_eval.errors import UserError
from p3d_eval.protocols.classifiers.certificate import duality_gaps
from p3d_eval.protocols.classifiers.dual_space import Space, find_space
from p3d_eval.protocols.classifiers.liblinear import solve_with_liblinear
from p3d_eval.protocols.classifiers.newton import Columns, minimise
from p3d_eval.protocols.classifiers.problem import checked_problem
from p3d_eval.protocols.classifiers.samples import Samples, as_matrix
from p3d_eval.protocols.threads import in_streams

Array = NDArray[np.float64]
NEWTON, NEWTON_64, LIBLINEAR = "Newton, float32", "Newton, float64", "LIBLINEAR"

_BLOCK_BYTES = (256 << 20, 64 << 20, 16 << 20, 4 << 20)  # of temporaries; the next where memory runs out
_SMALL = 2e8  # n · D · k below which float64 costs nothing that one would notice
_ONE_THREAD = 1e7  # n · D · k up to which one thread is faster than several
_EXACT = 1e-12  # factor on the tolerance of such problems
_CHUNK = 8  # times a block: room for the arrays (n, k) of the columns in work
_COPY_BYTES = 1 << 30  # of X in the precision of the steps, where it comes in another
_ARRAYS = 12  # of shape (n, k) alive at once
_PATH_GAP = 0.1  # relative gap at which a smaller C has served its purpose as a start
_PATH_STEP = 10.0
_LIBLINEAR_VALUES = 3e7  # n · D up to which LIBLINEAR's own copy in float64 is affordable


@dataclass(frozen=True)
class Solution:
    """Fits of k problems, each with its proof.

    Attributes
    ----------
    weights : ndarray of float64, shape (k, D)
    intercepts : ndarray of float64, shape (k,)
        Weight of the constant feature times that feature: what is added to x·w.
    relative_gaps : ndarray of float64, shape (k,)
        (P − D) / P of each problem, computed in float64.
    converged : ndarray of bool, shape (k,)
        Whether the gap is at most the tolerance.
    solvers : tuple of str, length k
        The method whose fit was taken.
    iterations : ndarray of int, shape (k,)
        Newton steps, those of every stage together.
    """

    weights: Array
    intercepts: Array
    relative_gaps: Array
    converged: NDArray[np.bool_]
    solvers: tuple[str, ...]
    iterations: NDArray[np.int64]


def solve_squared_hinge(
    X: NDArray[np.floating] | torch.Tensor,
    signs: NDArray[Any] | torch.Tensor,
    C: float | NDArray[np.floating] | torch.Tensor,
    *,
    sample_cost: NDArray[np.floating] | torch.Tensor | None = None,
    tol: float = 1e-6,
    device: str | torch.device | None = None,
    dtype: torch.dtype | None = None,
    warm_start: Solution | None = None,
    intercept_scaling: float = 1.0,
    seed: int = 0,
) -> Solution:
    """Minimise ``(|w|² + u²)/2 + C Σ cost ξ²``, ``ξ = max(0, 1 − t (w·x + s u))``, for every column of signs.

    Classes, folds, splits and values of C are all columns of one call. Newton's method runs in float32, along
    rising C; each fit is then judged in float64, and what misses ``tol`` goes on in float64, then to LIBLINEAR
    where the data are small enough. What misses it even so is returned with ``converged`` false.

    Parameters
    ----------
    X : array or tensor of float, shape (n, D)
        Samples; read in blocks, never copied whole (other types than float32 and float64 are converted).
    signs : array of −1, 0, +1, shape (n, k)
        Side of each sample; 0 leaves it out of that problem.
    C : float or array, shape (k,)
        Weight of the loss.
    sample_cost : array, shape (n,) or (n, k), optional
        Factor on C of each sample; 0 leaves it out.
    tol : float
        Largest relative duality gap accepted.
    device : str or torch.device, optional
        ``cpu`` (as None), ``cuda``, ``cuda:1`` or ``auto``.
    dtype : torch.dtype, optional
        Precision of the first stage; None takes float64 for small problems and float32 for others.
    warm_start : Solution, optional
        Fits to start from, of the same shape.
    intercept_scaling : float
        The constant feature s; its weight u is penalised. 0 fits no intercept.
    seed : int
        Of LIBLINEAR's order, should a problem fall back to it.

    Returns
    -------
    Solution

    Raises
    ------
    UserError
        When a shape or value makes no sense, a value is NaN or infinite, the device is not there, or memory
        runs out even with the smallest blocks.
    """
    matrix, where = as_matrix(X), find_device(device)
    sides, cost = checked_problem(matrix, signs, C, sample_cost, tol, intercept_scaling)
    n, d, k = *matrix.shape, sides.shape[1]
    if dtype is None:
        dtype = torch.float64 if float(n) * d * k <= _SMALL else torch.float32
    start = torch.zeros((d + 1, k), dtype=torch.float64)
    if warm_start is not None:
        scaled = warm_start.intercepts / intercept_scaling if intercept_scaling else 0 * warm_start.intercepts
        start = torch.from_numpy(np.vstack([warm_start.weights.T, scaled]))
    job = _Job(matrix, sides, cost, start, intercept_scaling, tol, where, dtype, warm_start is not None, seed)
    with arithmetic(REFERENCE, where):
        weights, gaps, solvers, steps = _within_memory(job.run)
    weights[-1] *= intercept_scaling
    found = weights.T.numpy()
    return Solution(
        weights=np.ascontiguousarray(found[:, :-1]),
        intercepts=np.ascontiguousarray(found[:, -1]),
        relative_gaps=gaps.numpy(),
        converged=gaps.numpy() <= tol,
        solvers=tuple(solvers),
        iterations=steps.numpy(),
    )


_Fits = tuple[torch.Tensor, torch.Tensor, list[str], torch.Tensor]


def _within_memory(run: Callable[[int, bool], _Fits]) -> _Fits:
    """Run with blocks small enough for the memory at hand; from the second attempt on X stays where it is."""
    for attempt, size in enumerate(_BLOCK_BYTES):
        try:
            return run(size, attempt == 0)
        except torch.OutOfMemoryError:
            torch.cuda.empty_cache()
        except (MemoryError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and "can't allocate memory" not in str(error):
                raise
    raise UserError("not enough memory for the SVMs", "Solve fewer classes or folds in one call")


@dataclass(frozen=True)
class _Job:
    X: torch.Tensor
    signs: torch.Tensor
    cost: torch.Tensor
    start: torch.Tensor
    scale: float
    tol: float
    device: torch.device
    dtype: torch.dtype
    warm: bool
    seed: int

    def run(self, block_bytes: int, resident: bool) -> _Fits:
        """Solve all columns, in chunks whose arrays fit; everything that comes back is on the CPU."""
        X = self.X.to(self.device) if resident else self.X
        samples = Samples(X, self.scale, self.dtype, self.device, block_bytes)
        if resident and X.numel() * samples.itemsize <= _COPY_BYTES:
            samples = samples.converted()
        n, k = self.signs.shape
        space = find_space(samples, k, float(self.cost.max()) if self.cost.numel() else 0.0)
        parallel = self.device.type == "cpu" and float(X.numel()) * k > _ONE_THREAD
        threads = torch.get_num_threads() if parallel else 1
        column_bytes = max(n, 1) * samples.itemsize * _ARRAYS
        chunk = max(1, _CHUNK * block_bytes // (column_bytes * threads))
        found = in_streams(partial(self._chunk, space), k, self.device, threads, chunk)
        weights, gaps, solvers, steps = zip(*found, strict=True)
        return (
            torch.cat(weights, 1),
            torch.cat(gaps),
            [name for part in solvers for name in part],
            torch.cat(steps),
        )

    def _chunk(self, space: Space, part: slice) -> _Fits:
        signs = self.signs[:, part].to(self.device)
        cost = self.cost[:, part].to(self.device)
        weights = self.start[:, part].to(self.device)
        first = NEWTON_64 if self.dtype == torch.float64 else NEWTON
        weights, steps = _newton(space, signs, cost, weights, self.tol, not self.warm)
        gaps = duality_gaps(space.samples, signs, cost, weights)
        solvers = [first] * len(gaps)
        missed = (gaps > self.tol).nonzero()[:, 0]
        if len(missed) and self.dtype != torch.float64:
            wide = find_space(space.samples.widened(torch.float64), len(missed), float(cost.max()), again=True)
            some = cost[:, missed]
            stepper = space.samples if wide.inner is wide.samples else None
            tried, more = _newton(wide, signs[:, missed], some, weights[:, missed], self.tol, False, stepper)
            steps[missed] += more
            fresh = duality_gaps(space.samples, signs[:, missed], some, tried)
            _take_better(missed, fresh, tried, NEWTON_64, (gaps, weights, solvers))
        for column in (gaps > self.tol).nonzero()[:, 0].tolist():
            if self.X.numel() > _LIBLINEAR_VALUES:
                break
            at = torch.tensor([column], device=self.device)
            some = cost[:, at]
            tried = solve_with_liblinear(
                self.X, signs[:, column], some[:, 0], self.scale, self.tol, seed=self.seed
            )
            tried = tried.to(self.device)[:, None]
            fresh = duality_gaps(space.samples, signs[:, at], some, tried)
            _take_better(at, fresh, tried, LIBLINEAR, (gaps, weights, solvers))
        return weights.cpu(), gaps.cpu(), solvers, steps.cpu()


def _take_better(
    at: torch.Tensor, gaps: torch.Tensor, weights: torch.Tensor, name: str, kept: tuple[Any, Any, list[str]]
) -> None:
    """Replace fits by those with smaller gaps."""
    better = gaps < kept[0][at]
    kept[0][at[better]] = gaps[better]
    kept[1][:, at[better]] = weights[:, better]
    for column in at[better].tolist():
        kept[2][column] = name


def _newton(
    space: Space,
    signs: torch.Tensor,
    cost: torch.Tensor,
    weights: torch.Tensor,
    tol: float,
    path: bool,
    stepper: Samples | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Minimise in the space at hand, along rising C from a cold start; weights come back in float64."""
    dtype = space.inner.dtype
    signs, inner = signs.to(dtype), space.costs(cost.double()).to(dtype)
    start = space.enter(weights.to(dtype))
    steps = torch.zeros(signs.shape[1], dtype=torch.int64, device=signs.device)
    if path:
        level, largest = space.soft_cost(), inner.amax(0)
        while len(hard := (largest > 3 * level).nonzero()[:, 0]):
            soft = Columns(signs[:, hard], inner[:, hard].clamp(max=level), start[:, hard])
            minimise(space.inner, soft, _PATH_GAP)
            start[:, hard] = soft.weights
            steps[hard] += soft.steps
            level *= _PATH_STEP
    columns = Columns(signs, inner, start)
    # Newton's method ends at the optimum itself; where a step costs nothing, go there.
    small = float(space.samples.X.numel()) * signs.shape[1] <= _ONE_THREAD and dtype == torch.float64
    minimise(space.inner, columns, tol * (_EXACT if small else 0.5), stepper)
    return space.leave(columns.weights), steps + columns.steps
