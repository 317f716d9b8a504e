"""The demo's study as a list of commands, run as a user would type them."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from p3d_eval.demo.annotations import samples, write_aslan, write_ucf101
from p3d_eval.demo.videos import encode, render, video_path
from p3d_eval.errors import P3DEvalError, UserError
from p3d_eval.files import write_text
from p3d_eval.progress import Progress

SEED = 0
CLIPS = 2  # a video, to keep the demo short; the paper takes 20
I3D_CLIP_LENGTH = 16  # frames, P3D's length; I3D was trained on 64
PROTOCOLS = ("ucf101", "aslan")
RESULTS = "results/*.json"
_MARK = ".p3d-eval-demo"
_RENDERED = "videos/.rendered"


@dataclass(frozen=True)
class Network:
    """One row of the demo's tables: a backbone, its weights and what extraction is told beside them."""

    backbone: str
    weights: str
    extra: tuple[str, ...] = ()

    @property
    def store(self) -> str:
        """Name of the feature file."""
        return f"{self.backbone}.h5"


def write_inputs(folder: Path, quiet: bool = False) -> None:
    """Render the videos and write splits and pairs into ``folder``; what an earlier run made is kept.

    Raises
    ------
    UserError
        When the folder cannot be written, or holds something that no demo made.
    """
    _claim(folder)
    write_ucf101(folder / "ucfTrainTestlist")
    write_aslan(folder / "View2.mat", SEED)
    stamp, wanted = folder / _RENDERED, f"seed {SEED}, {len(samples())} videos\n"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return
    with Progress("render", total=len(samples()), unit="videos", quiet=quiet) as progress:
        for action, group, number in samples():
            encode(video_path(folder / "videos", action, group, number), render(action, group, SEED))
            progress.advance()
    write_text(stamp, wanted, overwrite=True)


def _claim(folder: Path) -> None:
    """Mark the folder as the demo's: its files have the official names that a data folder of a user has."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / _MARK).is_file():
        raise UserError(f"{folder} holds files that the demo did not make", "Give a new folder: --out demo")
    write_text(folder / _MARK, "made by p3d-eval demo\n", overwrite=True)


def commands(networks: list[Network]) -> list[list[str]]:
    """Return every command of the study, without ``p3d-eval``, to be run inside the demo's folder."""
    study: list[list[str]] = []
    for network in networks:
        study += [
            [
                "extract",
                *("--backbone", network.backbone, "--weights", network.weights, *network.extra),
                *("--videos", "videos", "--clips", str(CLIPS), "--out", network.store),
                *("--dataset", "aslan", "--annotations", "View2.mat"),
            ],
            ["annotate", network.store, "ucf101", "ucfTrainTestlist"],
        ]
    for protocol in PROTOCOLS:
        study += [[protocol, "--features", network.store] for network in networks]
    return [*study, ["report", RESULTS]]


def study_file(networks: list[Network]) -> str:
    """Return the same study as one file for ``p3d-eval run``, with retrieval besides."""
    rows = []
    for network in networks:
        options = zip(network.extra[::2], network.extra[1::2], strict=True)
        rows += [
            f"[backbones.{network.backbone}]",
            f"weights = {json.dumps(network.weights)}",
            *(f"{flag.removeprefix('--').replace('-', '_')} = {value}" for flag, value in options),
            "",
        ]
    return "\n".join(
        [
            "# p3d-eval run study.toml",
            "[extract]",
            f"clips = {CLIPS}",
            "",
            *rows,
            "[datasets.motions]",
            'videos = "videos"',
            'annotations = { ucf101 = "ucfTrainTestlist", aslan = "View2.mat" }',
            "",
            *("[protocols.ucf101]", "[protocols.aslan]", "[protocols.retrieval]"),
            "",
        ]
    )


def write_study(folder: Path, networks: list[Network]) -> Path:
    """Write ``study.toml`` beside the inputs; one that is there is the user's by now, and kept."""
    path = folder / "study.toml"
    if not path.exists():
        write_text(path, study_file(networks))
    return path


def _expand(folder: Path, command: list[str]) -> list[str]:
    """Put file names where the command has the pattern of the results, as a shell would."""
    files = [path.relative_to(folder).as_posix() for path in sorted(folder.glob(RESULTS))]
    return [word for item in command for word in (files if item == RESULTS else [item])]


def run(folder: Path, networks: list[Network], announce: Callable[[str], None]) -> None:
    """Run the study's commands one after the other inside ``folder``.

    Parameters
    ----------
    folder : Path
        Where inputs were written and outputs go.
    networks : list of Network
        The rows.
    announce : callable
        Told each command line before it runs.

    Raises
    ------
    P3DEvalError
        When a command fails; its own message has been printed.
    """
    for protocol in PROTOCOLS:
        for stale in (folder / "results").glob(f"{protocol}-*"):
            stale.unlink()
    # A checkout that is not installed must stay importable from inside the folder.
    root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    for command in commands(networks):
        announce(" ".join(["p3d-eval", *command]))
        done = subprocess.run(  # noqa: S603 (our own commands, no shell)
            [sys.executable, "-m", "p3d_eval", *_expand(folder, command)],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": path},
            check=False,
        )
        if done.returncode:
            raise P3DEvalError(f"demo: p3d-eval {command[0]} ended with exit code {done.returncode}")
