"""Names of annotation lists matched to the ids of videos."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from p3d_eval.errors import UserError, shorten
from p3d_eval.features.ids import without_video_extension

_FOUR_DIGITS = re.compile(r"(?<!\d)\d{4}(?!\d)")
_YOUTUBE_PREFIX = "v_"
_EXTENSION = re.compile(r"\.\w{1,5}$")


def _stem(name: str) -> str:
    return name.rsplit("/", 1)[-1]


def _by_stem(ids: Iterable[str]) -> dict[str, list[str]]:
    """Stem → ids that have it, with and without YouTube's ``v_``."""
    stems: dict[str, list[str]] = defaultdict(list)
    for video in ids:
        stem = _stem(video)
        stems[stem].append(video)
        if stem.startswith(_YOUTUBE_PREFIX):
            stems[stem.removeprefix(_YOUTUBE_PREFIX)].append(video)
    return stems


def match_ids(names: Sequence[str], ids: Sequence[str]) -> dict[str, str | None]:
    """Match the names of an annotation list to ids.

    A name matches by its path without extension, perhaps below further folders, else by a stem that only one
    id has; a bare YouTube id also matches ``v_`` + itself, and vice versa.

    Parameters
    ----------
    names : sequence of str
        Paths or stems, with or without a video's extension.
    ids : sequence of str
        Ids of a store.

    Returns
    -------
    dict of str to (str or None)
        Name → id; None where no id matches.

    Raises
    ------
    UserError
        When a name has no id of its path and several of its stem, or two names mean one id.
    """
    known, stems, ends = set(ids), _by_stem(ids), _by_end({video: video for video in ids})
    matched: dict[str, str | None] = {name: _match_path(name, known, ends) for name in names}
    owners: dict[str, str] = {}
    for name, video in matched.items():
        _claim(owners, name, video)
    by_path = set(owners)
    for name in [name for name, video in matched.items() if video is None]:
        found = _namesakes(name, stems)
        # Folders hold files of equal names (beach/01, city/01): where each is another name's path, this one's
        # video is missing.
        if "/" in _plain(name) and by_path.issuperset(found):
            continue
        if len(found) > 1:
            near = near_misses([name], found).get(name)
            raise UserError(
                f"{name!r} of the list matches several videos by name: {shorten(found)}",
                near and f"Is {near!r} meant? Case and extension must agree",
            )
        matched[name] = found[0] if found else None
        _claim(owners, name, matched[name])
    return matched


def _claim(owners: dict[str, str], name: str, video: str | None) -> None:
    if video is not None and owners.setdefault(video, name) != name:
        raise UserError(f"{owners[video]!r} and {name!r} of the list both mean the video {video!r}")


def _plain(name: str) -> str:
    return without_video_extension(name.replace("\\", "/"))


def _match_path(name: str, known: set[str], ends: Mapping[str, list[str]]) -> str | None:
    # Any known extension is dropped, but an id may itself end like one: the full name is tried first.
    plain = _plain(name)
    for candidate in (name, plain):
        if candidate in known:
            return candidate
    found = [*ends.get(plain, []), *(end for end in _path_ends(plain) if end in known)]
    return found[0] if len(found) == 1 else None


def _path_ends(path: str) -> list[str]:
    """Give a path without its first folder, without its first two, …, down to its stem."""
    parts = path.split("/")
    return ["/".join(parts[start:]) for start in range(1, len(parts))]


def _by_end(paths: Mapping[str, str]) -> dict[str, list[str]]:
    """Path below any of its folders → ids with it; ``paths`` maps ids to paths."""
    ends: dict[str, list[str]] = defaultdict(list)
    for video, path in paths.items():
        for end in _path_ends(path):
            ends[end].append(video)
    return ends


def _namesakes(name: str, stems: Mapping[str, list[str]]) -> list[str]:
    stem = _stem(_plain(name))
    return stems.get(stem, []) or stems.get(stem.removeprefix(_YOUTUBE_PREFIX), [])


def match_numbers(numbers: Iterable[int], ids: Sequence[str]) -> dict[int, str | None]:
    """Match ASLAN's sample numbers to ids by the last group of exactly four digits in the stem.

    Parameters
    ----------
    numbers : iterable of int
        Sample numbers (1 to 3697 in the official lists).
    ids : sequence of str
        Ids of a store.

    Returns
    -------
    dict of int to (str or None)
        Number → id; None where no id has the number.

    Raises
    ------
    UserError
        When two ids have a wanted number.
    """
    owners: dict[int, list[str]] = defaultdict(list)
    for video in ids:
        groups = _FOUR_DIGITS.findall(_stem(video))
        if groups:
            owners[int(groups[-1])].append(video)
    matched: dict[int, str | None] = {}
    for number in numbers:
        found = owners.get(number, [])
        if len(found) > 1:
            raise UserError(f"sample {number:04d} matches several videos: {shorten(found)}")
        matched[number] = found[0] if found else None
    return matched


def near_misses(names: Iterable[str], ids: Iterable[str]) -> dict[str, str]:
    """Find ids that differ from names in letter case or in their extension only.

    Folders above may differ, too. Such names are not matched, since YouTube's ids differ in case and ids may
    hold dots; but a list that lacks many videos is often one that was written for other file names.

    Parameters
    ----------
    names : iterable of str
        Names that no id matches.
    ids : iterable of str

    Returns
    -------
    dict of str to str
        Name → the first such id.
    """
    loose = {video: _loosely(video) for video in ids}
    whole = {path: video for video, path in reversed(loose.items())}  # the first of equals
    ends = _by_end(loose)
    found = {}
    for name in names:
        own = _loosely(name)
        near = [whole[path] for path in (own, *_path_ends(own)) if path in whole] + ends.get(own, [])
        if near:
            found[name] = near[0]
    return found


def _loosely(name: str) -> str:
    return _EXTENSION.sub("", _plain(name)).casefold()
