"""Exact leave-one-out against scikit-learn's LinearSVC in a loop over the folds, on the same features.

Run: python benchmarks/leave_one_out.py [--videos 420] [--dimensions 2048] [--classes 14] [--C 1] [--full]
The loop is timed on --folds of its folds, spread evenly, and scaled up; --full runs all of them.
"""

import argparse
import json
import os
import time
import warnings

import numpy as np
import torch
from sklearn.svm import LinearSVC

from p3d_eval.protocols.classifiers.certificate import relative_duality_gaps
from p3d_eval.protocols.leave_one_out import leave_one_out

GAP = 1e-6  # relative duality gap that the loop's tolerance is lowered for
TOLERANCES = (1e-4, 1e-5, 1e-6, 1e-7, 1e-8)


def features(videos: int, dimensions: int, classes: int, hard: float) -> tuple[np.ndarray, np.ndarray]:
    """Non-negative, L2-normalised, one centre a class, every third class close to another one."""
    generator = np.random.default_rng(0)
    y = np.arange(videos) % classes
    centres = generator.gamma(0.5, 1.0, (classes, dimensions))
    for label in range(0, classes - 1, 3):
        centres[label + 1] = 0.85 * centres[label] + 0.15 * centres[label + 1]
    X = np.maximum(0, centres[y] + hard * generator.normal(size=(videos, dimensions)))
    return X / np.linalg.norm(X, axis=1, keepdims=True), y


def gap(model: LinearSVC, X: np.ndarray, y: np.ndarray, C: float) -> float:
    signs = np.where(y[:, None] == model.classes_, 1.0, -1.0)
    return float(relative_duality_gaps(X, signs, model.coef_, model.intercept_, C).max())


def tolerance_for(X: np.ndarray, y: np.ndarray, C: float) -> float:
    """Find the largest tolerance with which a fold's LinearSVC reaches half the gap (not timed)."""
    for tolerance in TOLERANCES:
        model = LinearSVC(C=C, dual=True, tol=tolerance, max_iter=100_000, random_state=0).fit(X[1:], y[1:])
        if gap(model, X[1:], y[1:], C) <= GAP / 2:
            return tolerance
    return TOLERANCES[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--videos", type=int, default=420)
    parser.add_argument("--dimensions", type=int, default=2048)
    parser.add_argument("--classes", type=int, default=14)
    parser.add_argument("--C", type=float, default=1.0)
    parser.add_argument("--hard", type=float, default=2.0, help="standard deviation of the noise")
    parser.add_argument("--folds", type=int, default=12, help="folds of the loop that are timed")
    parser.add_argument("--full", action="store_true", help="time the whole loop")
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    X, y = features(given.videos, given.dimensions, given.classes, given.hard)
    torch.empty(1, device=given.device)  # start-up of CUDA is not counted
    leave_one_out(X[:50], y[:50], C=given.C, device=given.device)

    runs = []
    for _ in range(3):
        started = time.perf_counter()
        found = leave_one_out(X, y, C=given.C, device=given.device)
        runs.append(time.perf_counter() - started)
    ours = float(np.median(runs))

    tolerance = tolerance_for(X, y, given.C)
    count = given.videos if given.full else min(given.folds, given.videos)
    tried = np.linspace(0, given.videos - 1, count).astype(int)
    difference, worst, peer = 0.0, 0.0, 0.0
    for left_out in tried:
        kept = np.arange(given.videos) != left_out
        started = time.perf_counter()
        model = LinearSVC(C=given.C, dual=True, tol=tolerance, max_iter=100_000, random_state=0).fit(
            X[kept], y[kept]
        )
        values = model.decision_function(X[[left_out]])
        peer += time.perf_counter() - started
        difference = max(difference, float(np.abs(values - found.values[left_out]).max()))
        worst = max(worst, gap(model, X[kept], y[kept], given.C))
    peer *= given.videos / count
    print(found.statement)
    print(f"accuracy {np.mean(found.predicted == y):.4f}, KKT residual {found.residual:.1e}")
    print(f"p3d-eval {ours:.2f} s ({', '.join(f'{run:.2f}' for run in runs)}) on {given.device}")
    print(
        f"LinearSVC in a loop {peer:.1f} s from {count} of {given.videos} folds, tol {tolerance:g}, "
        f"gap {worst:.1e}; largest difference of a decision value {difference:.1e}"
    )
    print(f"{peer / ours:.0f}x, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(
        json.dumps(
            {
                "benchmark": "leave_one_out",
                "videos": given.videos,
                "dimensions": given.dimensions,
                "classes": given.classes,
                "C": given.C,
                "device": given.device,
                "ours_s": ours,
                "peer_s": peer,
                "peer_folds": count,
                "ratio": peer / ours,
                "refits": found.refits,
                "problems": found.problems,
                "kkt_residual": found.residual,
                "peer_gap": worst,
                "largest_difference": difference,
                "load": os.getloadavg()[0],
            }
        )
    )


if __name__ == "__main__":
    main()
