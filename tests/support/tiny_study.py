"""A study small enough for tests: six videos of two classes, a tiny network with two seeds, two protocols."""

import threading
from multiprocessing import Pipe
from pathlib import Path
from typing import ClassVar

from p3d_eval.study import workers
from p3d_eval.study.grid import Study, build_study
from p3d_eval.study.reading import read_study
from tests.support.videos import make_video

NETWORK = Path(__file__).with_name("tiny.py")
FRAMES = {"Run": 20, "Wave": 90}  # first number of a video's frames: classes look different

DOCUMENT = f"""
[extract]
clips = 2
layers = "flat"

[backbones.one]
backbone = "{NETWORK}:factory"

[backbones.two]
backbone = "{NETWORK}:factory"
seed = 1

[datasets.tiny]
videos = "videos"

[protocols.ucf101]
layer = "flat"
C = [1, 10]

[protocols.retrieval]
layer = "flat"

[report]
figures = false
"""


def make_study(folder: Path, document: str = DOCUMENT) -> Path:
    """Write six videos with UCF101's names, two in each range of test groups, and ``study.toml``."""
    for action in FRAMES:
        for group in (1, 8, 15):
            name = f"v_{action}_g{group:02}_c01.avi"
            make_video(folder / "videos" / action / name, 6)
    path = folder / "study.toml"
    path.write_text(document, encoding="utf-8")
    return path


def study_of(path: Path) -> Study:
    """Read a study file and list its cells."""
    return build_study(read_study(path), path.name, path.parent, path.stem)


def change(path: Path, old: str, new: str) -> None:
    """Replace a text that a file has."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


class ThreadWorker:
    """A worker in a thread of the test: no process to start, and patches reach it.

    ``given`` holds the kind of every task and the threads of the worker that it was given to.
    """

    given: ClassVar[list[tuple[str, int | None]]] = []

    def __init__(self, threads: int | None = None) -> None:
        self.threads = threads
        self.connection, theirs = Pipe()
        threading.Thread(target=self._serve, args=(theirs,), daemon=True).start()

    @staticmethod
    def _serve(link) -> None:
        try:
            while True:
                workers.perform(link.recv(), link.send)
        except (EOFError, OSError):
            return

    def give(self, task) -> None:
        self.given.append((type(task).__name__, self.threads))
        self.connection.send(task)

    hear = workers.TaskWorker.hear

    def close(self) -> None:
        self.connection.close()
