"""A sweep of principal components on one UCF101-sized split, against scikit-learn's PCA and LinearSVC.

Run: python benchmarks/pca_sweep.py [--train 9537] [--test 3783] [--dimensions 2048] [--classes 101] [--full]
The peer runs PCA(svd_solver="covariance_eigh") and LinearSVC(dual=True) for every number of dimensions, with
its tolerance lowered (not timed) until the relative duality gap is at most 1e-6. Its LinearSVC is timed on
--peer-classes of the classes, spread evenly, and scaled up; --full runs all of them.
"""

import argparse
import json
import os
import time
import warnings

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits

from p3d_eval.protocols.classifiers.certificate import relative_duality_gaps
from p3d_eval.protocols.pca_svm import fit_sweep
from p3d_eval.protocols.pca_sweep import FIGURE_6, project

GAP = 1e-6
TOLERANCES = (1e-3, 1e-4, 1e-5, 1e-6)


def features(rows: int, dimensions: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Non-negative, L2-normalised, one centre a class, every third class close to another, a slow spectrum."""
    generator = np.random.default_rng(0)
    y = generator.permutation(np.arange(rows) % classes)
    centres = generator.gamma(0.5, 1.0, (classes, dimensions))
    for label in range(0, classes - 1, 3):
        centres[label + 1] = 0.7 * centres[label] + 0.3 * centres[label + 1]
    factors = generator.normal(size=(400, dimensions)) / np.sqrt(np.arange(1, 401))[:, None]
    X = (
        centres[y]
        + generator.normal(size=(rows, 400)) @ factors * 0.15
        + generator.normal(size=(rows, dimensions))
    )
    X = np.maximum(0, X)
    return X / np.linalg.norm(X, axis=1, keepdims=True), y


def now() -> np.ndarray:
    """Seconds on the wall and of this process on all cores: the second suffers less from other work."""
    return np.array([time.perf_counter(), time.process_time()])


def peer_svm(train: np.ndarray, sign: np.ndarray, C: float) -> tuple[LinearSVC, np.ndarray, float]:
    """One class, at the largest tolerance that reaches the gap; its seconds (of that fit alone) and gap."""
    for tolerance in TOLERANCES:
        started = now()
        model = LinearSVC(C=C, dual=True, tol=tolerance, max_iter=100_000).fit(train, sign)
        seconds = now() - started
        gap = float(relative_duality_gaps(train, sign[:, None], model.coef_, model.intercept_, C)[0])
        if gap <= GAP:
            break
    return model, seconds, gap


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", type=int, default=9537)
    parser.add_argument("--test", type=int, default=3783)
    parser.add_argument("--dimensions", type=int, default=2048)
    parser.add_argument("--classes", type=int, default=101)
    parser.add_argument("--C", type=float, default=1.0)
    parser.add_argument("--points", default=",".join(map(str, FIGURE_6)))
    parser.add_argument("--peer-classes", type=int, default=4, help="classes of the peer's SVMs that are timed")
    parser.add_argument("--full", action="store_true", help="time the peer on every class")
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--threads", type=int, default=os.cpu_count(), help="of both, for a machine with other work"
    )
    given = parser.parse_args()
    threadpool_limits(given.threads)
    torch.set_num_threads(given.threads)
    warnings.simplefilter("ignore")
    points = tuple(int(point) for point in given.points.split(","))
    X, y = features(given.train + given.test, given.dimensions, given.classes)
    train, test, labels = X[: given.train], X[given.train :], y[: given.train]
    small = project(X[:300], np.arange(300), (10,), device=given.device)  # start-up is not counted
    fit_sweep(small, np.arange(300) % 3, (10,), device=given.device)

    started = now()
    projected = project(X, np.arange(given.train), points, device=given.device)
    decomposed = (now() - started)[0]
    fits = fit_sweep(projected[: given.train], labels, points, C=given.C, device=given.device)
    ours = {point: fit.scores(projected[given.train :]) for point, fit in fits.items()}
    worst = max(float(fit.relative_gaps.max()) for fit in fits.values())
    seconds, cpu = now() - started

    count = given.classes if given.full else min(given.peer_classes, given.classes)
    tried = np.linspace(0, given.classes - 1, count).astype(int)
    pca_both, svm_both, peer_gap, difference = np.zeros(2), np.zeros(2), 0.0, 0.0
    for point in points:
        started = now()
        pca = PCA(point, svd_solver="covariance_eigh").fit(train)
        reduced, held_out = pca.transform(train), pca.transform(test)
        pca_both += now() - started
        for label in tried:
            model, spent, gap = peer_svm(reduced, np.where(labels == label, 1.0, -1.0), given.C)
            svm_both += spent * given.classes / count
            peer_gap = max(peer_gap, gap)
            values = model.decision_function(held_out)
            difference = max(difference, float(np.abs(values - ours[point][:, label]).max()))
    pca_seconds, svm_seconds = pca_both[0], svm_both[0]
    peer, peer_cpu = pca_both + svm_both
    truth = y[given.train :]
    accuracy = {point: float((values.argmax(1) == truth).mean()) for point, values in ours.items()}
    print(f"accuracy {', '.join(f'{point}: {value:.3f}' for point, value in accuracy.items())}")
    print(f"p3d-eval {seconds:.2f} s (PCA {decomposed:.2f} s), largest gap {worst:.1e}, on {given.device}")
    print(
        f"PCA + LinearSVC for each {peer:.1f} s (PCA {pca_seconds:.1f} s, SVMs {svm_seconds:.1f} s from "
        f"{count} of {given.classes} classes), gap {peer_gap:.1e}; largest difference of a decision value "
        f"{difference:.1e}"
    )
    print(
        f"{peer / seconds:.1f}x on the wall, {peer_cpu / cpu:.1f}x in processor time, "
        f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    )
    print(
        json.dumps(
            {
                "benchmark": "pca_sweep",
                "shape": [given.train, given.dimensions],
                "classes": given.classes,
                "points": list(points),
                "C": given.C,
                "device": given.device,
                "threads": given.threads,
                "ours_s": seconds,
                "ours_pca_s": decomposed,
                "peer_s": peer,
                "peer_pca_s": pca_seconds,
                "peer_classes": count,
                "ratio": peer / seconds,
                "ours_cpu_s": cpu,
                "peer_cpu_s": peer_cpu,
                "cpu_ratio": peer_cpu / cpu,
                "gap": worst,
                "peer_gap": peer_gap,
                "largest_difference": difference,
                "load": os.getloadavg()[0],
            }
        )
    )


if __name__ == "__main__":
    main()
