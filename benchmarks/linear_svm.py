"""One-vs-rest squared-hinge SVMs: this package against scikit-learn's LinearSVC at the same duality gap.

Data shaped like pooled video features: non-negative, of length 1, every third class close to its neighbour.
LinearSVC solves the dual with its tolerance lowered until each class's relative gap is at most 1e-6; the time
of the tolerance that reaches it counts, not that of the ones before.

Run: python benchmarks/linear_svm.py [--samples 9537] [--dims 2048] [--classes 101] [--C 1 100] [--device cuda]
"""

import argparse
import json
import os
import platform
import time
import warnings

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import LinearSVC

from p3d_eval.protocols.classifiers import OneVsRestLinearSVC
from p3d_eval.protocols.classifiers.certificate import relative_duality_gaps

GAP = 1e-6
TOLERANCES = (1e-4, 1e-5, 1e-6, 1e-7, 1e-8)
GROUPS = 25  # groups of alike clips a class, as UCF101 has


def make_features(n: int, d: int, classes: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Samples float32 (n, d), labels, groups: a class centre, a group's own part, and noise."""
    generator = np.random.default_rng(seed)
    labels, groups = np.arange(n) % classes, generator.integers(0, GROUPS, n)
    centres = generator.gamma(0.5, 1.0, (classes, d)).astype(np.float32)
    for hard in range(1, classes, 3):
        centres[hard] = 0.85 * centres[hard - 1] + 0.15 * centres[hard]
    own = generator.gamma(0.5, 1.0, (classes, GROUPS, d)).astype(np.float32)
    X = centres[labels] + 1.7 * own[labels, groups] + 1.7 * generator.gamma(0.5, 1.0, (n, d)).astype(np.float32)
    X = np.maximum(X - 0.3, 0)
    return X / np.linalg.norm(X, axis=1, keepdims=True), labels, groups


def now() -> np.ndarray:
    """Seconds on the wall and of this process on all cores: the second suffers less from other work."""
    return np.array([time.perf_counter(), time.process_time()])


def solve_peer(
    X: np.ndarray, targets: np.ndarray, C: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """LinearSVC of every class: weights, intercepts, gaps, seconds (see `now`) of the fits that were taken."""
    weights, intercepts, gaps, seconds = [], [], [], np.zeros(2)
    wide = X.astype(np.float64)  # as LIBLINEAR wants it, so that no class pays for the conversion
    for sign in targets.T:
        for tol in TOLERANCES:
            model = LinearSVC(C=C, dual=True, tol=tol, max_iter=1_000_000, random_state=0)
            started = now()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                model.fit(wide, sign)
            took = now() - started
            gap = relative_duality_gaps(wide, sign[:, None], model.coef_, model.intercept_, C)[0]
            if gap <= GAP:
                break
        seconds += took
        weights.append(model.coef_[0])
        intercepts.append(model.intercept_[0])
        gaps.append(gap)
    return np.array(weights), np.array(intercepts), np.array(gaps), seconds


def bounds(X: np.ndarray, targets: np.ndarray, fit: tuple[np.ndarray, ...], C: float) -> np.ndarray:
    """How far scores can be from the optimum's, (n, classes): |(x, 1)| √(2 · gap · P), P strongly convex."""
    weights, intercepts, gaps = fit
    slack = np.maximum(0, 1 - targets * (X @ weights.T + intercepts))
    objective = (np.square(weights).sum(1) + intercepts**2) / 2 + C * np.square(slack).sum(0)
    return np.sqrt(np.square(X).sum(1) + 1)[:, None] * np.sqrt(2 * gaps * objective)


def compare(train: tuple, test: np.ndarray, ours: tuple, theirs: tuple, C: float) -> dict[str, float | int]:
    """Count predictions that differ although the two best scores are farther apart than both fits' bounds."""
    X, targets = train
    first, second = (test @ fit[0].T + fit[1] for fit in (ours, theirs))
    length = np.sqrt(np.square(test).sum(1) + 1)[:, None] / np.sqrt(np.square(X[:1]).sum() + 1)
    room = sum(bounds(X, targets, fit, C)[:1] for fit in (ours, theirs)) * length
    best, runner = np.argsort(second, axis=1)[:, :-3:-1].T
    rows = np.arange(len(test))
    decided = second[rows, best] - second[rows, runner] > room[rows, best] + room.max(1)
    differ = first.argmax(1) != best
    return {"differ": int(differ.sum()), "differ_beyond_bounds": int((differ & decided).sum())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=9537)
    parser.add_argument("--dims", type=int, default=2048)
    parser.add_argument("--classes", type=int, default=101)
    parser.add_argument("--C", type=float, nargs="+", default=[1.0, 100.0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--peer-classes", type=int, help="solve only so many with LinearSVC; scale its time")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    X, labels, groups = make_features(options.samples * 25 // 18, options.dims, options.classes, options.seed)
    held = groups >= 18
    train, test = X[~held], X[held]
    targets = np.where(labels[~held][:, None] == np.arange(options.classes), 1.0, -1.0)
    if options.device != "cpu":  # CUDA's start-up is nobody's work
        OneVsRestLinearSVC(C=100.0, device=options.device).fit(train[:400], labels[~held][:400])
    peers = min(options.peer_classes or options.classes, options.classes)
    chosen = np.linspace(0, options.classes - 1, peers).astype(int)
    some = targets[:, chosen]
    rows = []
    for C in options.C:
        model, started = OneVsRestLinearSVC(C=C, device=options.device), now()
        model.fit(train, labels[~held])
        seconds, cpu = now() - started
        weights, intercepts, gaps, spent = solve_peer(train, some, C)
        peer, peer_cpu = spent * options.classes / peers
        ours = (model.coef_[chosen], model.intercept_[chosen], model.relative_gaps_[chosen])
        row = {
            "C": C, "ours_s": seconds, "peer_s": peer, "ratio": peer / seconds,
            "ours_cpu_s": cpu, "peer_cpu_s": peer_cpu, "cpu_ratio": peer_cpu / cpu,
            "largest_gap": float(model.relative_gaps_.max()), "peer_largest_gap": float(gaps.max()),
            "test_accuracy": float((model.predict(test) == labels[held]).mean()),
            "solvers": model.solvers_, "peer_classes": peers, "load": os.getloadavg()[0],
            **compare((train, some), test, ours, (weights, intercepts, gaps), C),
        }  # fmt: skip
        rows.append(row)
        print(f"C = {C:g}: {seconds:.2f} s, LinearSVC {peer:.1f} s, {row['ratio']:.1f}x", end="; ")
        print(f"processor time {cpu:.2f} and {peer_cpu:.1f} s, {row['cpu_ratio']:.1f}x", end="; ")
        print(f"gaps {row['largest_gap']:.1e} and {row['peer_largest_gap']:.1e}", end="; ")
        print(f"{row['differ_beyond_bounds']} predictions differ beyond the bounds", flush=True)
    machine = {"cpu": platform.processor() or platform.machine(), "threads": torch.get_num_threads()}
    shape = [len(train), options.dims, options.classes]
    print(
        json.dumps(
            {
                "benchmark": "linear_svm",
                "shape": shape,
                "device": options.device,
                "machine": machine,
                "rows": rows,
            }
        )
    )


if __name__ == "__main__":
    main()
