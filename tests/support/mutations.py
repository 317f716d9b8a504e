"""Damaged copies of videos, the same ones for the same seed."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.videos import make_video

_HEADER_BYTES = 200  # enough to be recognised as AVI, MP4 or WebM, and holding no frame


@dataclass(frozen=True)
class Mutation:
    """A file of the corpus: what was done to it, and to which good video."""

    path: Path
    kind: str
    source: Path

    @property
    def intact(self) -> bool:
        """Whether every byte of the video is still there, unchanged."""
        return self.kind in ("untouched", "renamed", "garbage appended")


def _flip(content: bytes, rng: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice((1, 10, 100, 1000))):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _blank(content: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(content))
    return content[:start] + bytes(min(4096, len(content) - start)) + content[start + 4096 :]


_KINDS: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "untouched": lambda content, rng: content,
    "bits flipped": _flip,
    "truncated": lambda content, rng: content[: rng.randrange(1, len(content))],
    "renamed": lambda content, rng: content,
    "zero length": lambda content, rng: b"",
    "header only": lambda content, rng: content[:_HEADER_BYTES],
    "garbage appended": lambda content, rng: content + rng.randbytes(rng.randrange(1, 10_000)),
    "zeros inside": _blank,
    "beginning lost": lambda content, rng: content[rng.randrange(1, len(content) // 2) :],
    "not a video": lambda content, rng: b"plain text, named like a video\n" * rng.randrange(1, 50),
}
_OTHER_EXTENSION = {".avi": ".mp4", ".mp4": ".avi", ".webm": ".mkv", ".mkv": ".webm", ".gif": ".mov"}


def good_videos(folder: Path) -> list[Path]:
    """A few small videos of the usual kinds, made here."""
    return [
        make_video(folder / "asp.avi", 40),
        make_video(folder / "asp_b.avi", 30, bf="2"),
        make_video(folder / "avc.mp4", 40, "libx264", g="8"),
        make_video(folder / "avc.mkv", 30, "libx264", g="8"),
        make_video(folder / "vp9.webm", 20, "libvpx-vp9", **{"cpu-used": "8", "g": "8"}),
    ]


def mutated_corpus(folder: Path, sources: Sequence[Path], count: int, seed: int) -> list[Mutation]:
    """Write ``count`` files below ``folder``: every kind of damage in turn, to the sources in turn.

    Parameters
    ----------
    folder : Path
        Where to.
    sources : sequence of Path
        Good videos.
    count : int
        Files to write.
    seed : int
        Decides where damage is done.
    """
    found = []
    for number in range(count):
        rng = random.Random(f"{seed} {number}")
        kind = list(_KINDS)[number % len(_KINDS)]
        source = sources[number // len(_KINDS) % len(sources)]
        suffix = _OTHER_EXTENSION.get(source.suffix, ".mp4") if kind == "renamed" else source.suffix
        path = folder / f"{number:04d}_{kind.replace(' ', '_')}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_KINDS[kind](source.read_bytes(), rng))
        found.append(Mutation(path, kind, source))
    return found
