"""A part of an extraction for one task of a job array: which videos, and what ties the parts together."""

from dataclasses import dataclass
from typing import Any, Self

from p3d_eval.errors import UserError

_HINT = "Write --shard i/n with i from 1 to n, for example --shard 2/16"


@dataclass(frozen=True)
class Shard:
    """Part ``index`` (from 1) of ``count``.

    Parts are stretches of the videos' order, cut between groups of videos that share batches, so that a
    part's bits are those of an undivided run.
    """

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``i/n``.

        Raises
        ------
        UserError
            When it is not two numbers with 1 ≤ i ≤ n.
        """
        index, slash, count = text.partition("/")
        if not (slash and index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count)):
            raise UserError(f"unusable shard {text!r}", _HINT)
        return cls(int(index), int(count))

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    def rows(self, videos: int, group: int) -> range:
        """Return the rows of ``videos`` videos that are this part's, where ``group`` neighbours share batches.

        Raises
        ------
        UserError
            When there are fewer groups than parts, so that a part would be empty.
        """
        groups = -(-videos // group)
        if groups < self.count:
            raise UserError(
                f"{videos} videos in groups of {group} (the batch size) make {groups} shards at most, "
                f"{self.count} were asked for",
                "Ask for fewer shards, or a smaller --batch-size",
            )
        first, last = (number * groups // self.count for number in (self.index - 1, self.index))
        return range(first * group, min(last * group, videos))

    def identity(self, rows: range, videos: int, whole: str) -> dict[str, Any]:
        """Return what a part's file says of its place; ``whole`` is the undivided file's identity."""
        return {
            "index": self.index,
            "of": self.count,
            "first_video": rows.start,
            "all_videos": videos,
            "whole": whole,
        }
