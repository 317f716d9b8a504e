"""Every protocol at its real size on generated features: seconds and peak memory, each in a process of its own.

Run: python benchmarks/protocols.py [--only ucf101,activitynet] [--dimensions 2048] [--threads 2] [--small]
The features are made so that classes overlap and some videos are wrong. Writing the files (to --folder,
or a temporary one) is not timed. --small divides the numbers of videos by ten, to see that everything runs.
With --peer, UCF101's training is also done by scikit-learn's LinearSVC(dual=True) on the same features, and
the decision values are compared.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from protocol_data import ROWS

LIMIT_S, LIMIT_GIB = 120.0, 6.0
PEER_CLASSES, PEER_TEST_GROUPS = 5, 7


def peak_kib() -> int:
    """Largest resident memory of this program; ru_maxrss also holds that of the one that started it."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1])


def run_one(name: str, folder: Path, device: str) -> None:
    """Evaluate in this process and print one line of JSON."""
    from p3d_eval.protocols.evaluation import evaluate

    row = ROWS[name]
    os.chdir(folder / row.data)
    options = dict(row.options)
    if device != "cpu" and row.trains:
        options["device"] = device
    started, busy = time.perf_counter(), time.process_time()
    result = evaluate(row.protocol, "feats.h5", **options)
    print(
        json.dumps(
            {
                "protocol": row.protocol,
                "options": row.options,
                "videos": result.coverage.expected,
                "wall_s": round(time.perf_counter() - started, 2),
                "processor_s": round(time.process_time() - busy, 2),
                "peak_gib": round(peak_kib() / 2**20, 2),
                "phases_s": {phase: round(seconds, 2) for phase, seconds in result.seconds.items()},
                "metrics": {key: round(metric.value, 4) for key, metric in result.metrics.items()},
                "converged": result.converged,
            }
        )
    )


def run_peer(folder: Path) -> dict[str, object]:
    """Train split 1 of UCF101 with scikit-learn on a few classes: time scaled to all, and its own answers."""
    from sklearn.preprocessing import normalize
    from sklearn.svm import LinearSVC

    from p3d_eval.features import open_features
    from p3d_eval.protocols.evaluation import evaluate

    store = open_features(folder / "ucf101" / "feats.h5")
    ours = evaluate("ucf101", store, split="1").scores
    y = np.array([video.split("/")[0] for video in store.ids])
    train = np.array([int(video.split("_g")[1][:2]) > PEER_TEST_GROUPS for video in store.ids])
    X = normalize(np.asarray(store["pool5"], np.float64))
    classes = np.unique(y)
    chosen = classes[:: max(1, len(classes) // PEER_CLASSES)][:PEER_CLASSES]
    row = {video: place for place, video in enumerate(ours.ids.tolist())}
    order = [row[video] for video, trained in zip(store.ids, train, strict=True) if not trained]
    spent, furthest = 0.0, 0.0
    for action in chosen:
        started = time.process_time()
        model = LinearSVC(dual=True, tol=1e-6, max_iter=100_000).fit(X[train], y[train] == action)
        spent += time.process_time() - started
        own = ours.scores[order, ours.classes.tolist().index(action)]
        furthest = max(furthest, float(np.abs(model.decision_function(X[~train]) - own).max()))
    return {
        "protocol": "ucf101",
        "peer": "LinearSVC(dual=True, tol=1e-6), three splits, scaled from split 1",
        "processor_s": round(spent / len(chosen) * len(classes) * 3, 1),
        "classes_timed": len(chosen),
        "largest_difference": furthest,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default=",".join(ROWS), help="rows, with commas between")
    parser.add_argument("--dimensions", type=int, default=2048)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu", help="cpu, cuda or auto")
    parser.add_argument("--folder", type=Path, help="where feature files are kept and found again")
    parser.add_argument("--small", action="store_true", help="a tenth of the videos")
    parser.add_argument("--peer", action="store_true", help="time scikit-learn's training of UCF101, too")
    parser.add_argument("--run", help=argparse.SUPPRESS)  # in a process of its own: memory is the protocol's
    given = parser.parse_args()
    if given.run:
        run_one(given.run, given.folder, given.device)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = (given.folder or Path(temporary)).resolve()
        lines: list[dict[str, object]] = []
        for name in given.only.split(","):
            row = ROWS[name]
            if not (folder / row.data / "feats.h5").exists():
                row.make(folder, given.dimensions, given.small)
            environment = os.environ | {
                "OMP_NUM_THREADS": str(given.threads),
                "OPENBLAS_NUM_THREADS": str(given.threads),
                "P3D_EVAL_DATA": str(folder / "none"),
                "PYTHONPATH": os.pathsep.join(
                    [str(Path(__file__).resolve().parents[1]), os.environ.get("PYTHONPATH", "")]
                ),
            }
            command = [
                sys.executable,
                __file__,
                "--run",
                name,
                "--folder",
                str(folder),
                "--device",
                given.device,
            ]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
            if done.returncode:
                sys.exit(f"{name}:\n{done.stderr}")
            line = json.loads(done.stdout.splitlines()[-1])
            line["within"] = line["wall_s"] <= LIMIT_S and line["peak_gib"] <= LIMIT_GIB
            print(
                f"{name:18} {line['videos']:6} videos  {line['wall_s']:7.1f} s  "
                f"(processor {line['processor_s']:7.1f} s)  {line['peak_gib']:5.2f} GiB  {line['metrics']}",
                flush=True,
            )
            lines.append(line)
        if given.peer:
            lines.append(run_peer(folder))
            print(f"LinearSVC's training of ucf101: {lines[-1]}")
        print(json.dumps({"threads": given.threads, "dimensions": given.dimensions, "protocols": lines}))


if __name__ == "__main__":
    main()
