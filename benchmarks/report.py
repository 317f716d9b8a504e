"""A report over many results: the command in a process of its own, against pandas on the same files.

Run: python benchmarks/report.py [--results 200] [--repeats 3]

The results are of four protocols, with per-class values, certificates and splits as the protocols write them,
each about 25 kB of JSON. The peer reads the same files with json, and writes the headline metrics with
``pandas.DataFrame.to_latex``: no published rows, no remarks, no marks. Each is a fresh process, so imports
count; times are the best of the repeats, and of the processor, since the wall's depend on what else runs. The
values of both are compared. Ends with a line of JSON.
"""

import argparse
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

from p3d_eval.protocols.result import Certificate, Coverage, Metric, Result, Split

GOAL_S = 5.0
CLASSES = 101
PROTOCOLS = ("ucf101", "hmdb51", "yupenn", "dynamic-scenes")
PEER = """
import json, sys
from pathlib import Path
import pandas as pd
rows = []
for path in sorted(Path(sys.argv[1]).glob("*.json")):
    document = json.loads(path.read_text(encoding="utf-8"))
    values = {name: 100 * metric["value"] for name, metric in document["metrics"].items()}
    rows.append({"protocol": document["protocol"], "method": document["label"], **values})
frame = pd.DataFrame(rows)
if sys.argv[2] == "csv":
    print(frame.to_csv(index=False))
else:
    for _, part in frame.groupby("protocol"):
        print(part.to_latex(index=False))
"""


def make_result(number: int, protocol: str) -> Result:
    """Make a result of the size that protocols write."""
    label, value = f"network-{number:03}", 0.3 + (number * 37 % 100) / 200
    metric = Metric(value, value - 0.01, value + 0.01, 0.95, "bootstrap over 2525 clusters", 3783, "videos")
    splits = tuple(Split(str(n), {"accuracy": metric}, 9537, 3783, {"C": 1.0}) for n in (1, 2, 3))
    return Result(
        protocol=protocol,
        version="1",
        label=label,
        metrics={"accuracy": metric},
        options={"layer": "pool5", "C": 1.0, "normalise": "l2", "seed": 0},
        default_options={"layer": "pool5", "C": 1.0, "normalise": "l2", "seed": 0},
        choices=("classifier: one-vs-rest squared hinge", "feature: pool5"),
        features={
            "identity": f"{label}-{protocol}",
            "backbone": f"network{number}",
            "weights": {"sha256": f"{number:064x}", "random": False},
            "layers": ["pool5"],
        },
        annotations={"source": "ids", "sha256": "a" * 64, "official": True},
        coverage=Coverage(13320, 13320),
        splits=splits,
        per_class={f"Class{n:03}": metric for n in range(CLASSES)},
        certificates=tuple(Certificate(f"split {n}", "Newton", 1e-9, 1e-6, CLASSES) for n in (1, 2, 3)),
    )


def processor_time(command: list[str]) -> tuple[float, float, str]:
    """Run a command; return seconds of the processor and of the wall, and what it printed."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, wall, done.stdout


def check_values(ours: str, theirs: str) -> None:
    """Compare the values of both CSV files, by protocol and method."""
    keys = ["protocol", "method"]
    mine = pd.read_csv(io.StringIO(ours))
    peer = pd.read_csv(io.StringIO(theirs)).set_index(keys)["accuracy"]
    mine = mine[mine["kind"] == "measured"].melt(
        ["protocol", "method"], ["accuracy", "dynamic_scene", "yupenn"], "column"
    )
    names = {"dynamic_scene": "dynamic-scenes", "yupenn": "yupenn"}
    mine["protocol"] = mine["column"].map(names).fillna(mine["protocol"])
    found = mine.dropna(subset=["value"]).set_index(keys)["value"]
    if len(found) != len(peer) or (found.sort_index() - peer.sort_index()).abs().max() > 1e-6:
        raise SystemExit("the tables do not agree with the results")


def main() -> None:
    """Make the results, run both, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(given.results):
            protocol = PROTOCOLS[number % len(PROTOCOLS)]
            make_result(number // len(PROTOCOLS), protocol).save(folder / f"{number:04}.json")
        size = sum(path.stat().st_size for path in folder.iterdir())
        report = [sys.executable, "-m", "p3d_eval", "report", name, "--format"]
        board = [sys.executable, "-m", "p3d_eval", "leaderboard", name, "--format", "latex"]
        peer = [sys.executable, "-c", PEER, name]
        check_values(processor_time([*report, "csv"])[2], processor_time([*peer, "csv"])[2])
        commands = {"report": [*report, "latex"], "leaderboard": board, "pandas": [*peer, "latex"]}
        best: dict[str, tuple[float, float]] = {}
        for _ in range(given.repeats):
            for what, command in commands.items():
                cpu, wall, _ = processor_time(command)
                old = best.get(what, (cpu, wall))
                best[what] = (min(cpu, old[0]), min(wall, old[1]))
    print(f"{given.results} results, {size / 1e6:.1f} MB of JSON; seconds of the processor (wall)")
    for what, (cpu, wall) in best.items():
        print(f"{what:12} {cpu:6.2f} ({wall:.2f})")
    ratio = best["report"][0] / best["pandas"][0]
    print(f"report / pandas: {ratio:.2f}; goal: the report in {GOAL_S:g} s")
    print(
        json.dumps(
            {"results": given.results, "report_over_pandas": ratio, **{k: v[0] for k, v in best.items()}}
        )
    )


if __name__ == "__main__":
    main()
