"""What is at hand of a data set: its annotations checked and kept, its videos counted against them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from p3d_eval.errors import UserError
from p3d_eval.features.ids import VideoFile, list_videos
from p3d_eval.features.matching import near_misses
from p3d_eval.files import atomic_output, require_new
from p3d_eval.protocols.annotations.official import get_reader, has_official, read_official
from p3d_eval.protocols.annotations.sources import user_data_folder
from p3d_eval.protocols.protocol import AnnotationReader
from p3d_eval.provenance import sha256_bytes


@dataclass(frozen=True)
class Prepared:
    """What is there of a data set.

    Parameters
    ----------
    dataset : str
    folder : Path
        Where its annotations are kept.
    files : mapping of str to str
        Annotation file → SHA-256.
    official : bool
        Whether they are the published ones, as far as that can be told.
    expected : int
        Videos that they name.
    found : tuple of VideoFile
        Those of them that are at hand, in the annotations' order.
    missing : tuple of str
        The others.
    unlisted : tuple of str
        Ids of videos at hand that no annotation names.
    near : mapping of str to str
        Missing name → id at hand that differs in case or extension only.
    """

    dataset: str
    folder: Path
    files: Mapping[str, str]
    official: bool
    expected: int
    found: tuple[VideoFile, ...] = ()
    missing: tuple[str, ...] = ()
    unlisted: tuple[str, ...] = ()
    near: Mapping[str, str] = field(default_factory=dict)


def prepare(
    dataset: str, annotations: Path | None, videos: Path | None, *, overwrite: bool = False
) -> Prepared:
    """Check a data set's annotations, keep them where protocols find them, and count its videos.

    Nothing is downloaded. Annotations go to ``<user data folder>/<dataset>/``; those that are there already
    are taken where none are given.

    Parameters
    ----------
    dataset : str
        Name of a protocol that reads annotations, e.g. ``"ucf101"``.
    annotations : Path, optional
        Official file, or folder of them.
    videos : Path, optional
        Folder of the videos, or list; without it only the annotations are looked at.
    overwrite : bool
        Whether other annotations that are kept may be replaced.

    Raises
    ------
    UserError
        When the data set is unknown, its annotations are nowhere, wrong, or others than those that are kept,
        or the folder has no videos.
    """
    reader = get_reader(dataset)
    folder = user_data_folder() / reader.dataset
    if annotations is None and not has_official(reader, folder):
        raise UserError(
            f"{dataset}: no annotations given, and no {', '.join(reader.files)} in {folder}",
            f"Give them with --annotations; official: {reader.where}",
        )
    files = read_official(reader, annotations or folder)
    if annotations is not None:
        files = {_official_name(reader, name): content for name, content in files.items()}
        _keep(folder, files, overwrite)
    at_hand = list_videos(videos) if videos is not None else ()
    parsed = reader.parse(files)
    ids = [video.id for video in at_hand]
    if reader.listed is None:
        raise UserError(f"{dataset}: its protocol does not say which videos it needs")
    listed = reader.listed(parsed, ids)
    path = {video.id: video for video in at_hand}
    used = [video for video in listed.found.values() if video is not None]
    missing = tuple(name for name, video in listed.found.items() if video is None) if videos else ()
    known = set(used)
    return Prepared(
        dataset=reader.dataset,
        folder=folder,
        files={name: sha256_bytes(data) for name, data in files.items()},
        official=listed.official,
        expected=len(listed.found),
        found=tuple(path[video] for video in used),
        missing=missing,
        unlisted=tuple(video for video in ids if video not in known),
        near=near_misses(missing, ids),
    )


def _official_name(reader: AnnotationReader, name: str) -> str:
    """Name that a file is kept under, so that protocols find it; a single file may come under any name."""
    if any(fnmatchcase(name, pattern) for pattern in (*reader.files, *reader.optional)):
        return name
    if any(sign in reader.files[0] for sign in "*?["):
        raise UserError(f"{name}: the file of {reader.dataset} is called {reader.files[0]}", "Rename it")
    return reader.files[0]


def _keep(folder: Path, files: Mapping[str, bytes], overwrite: bool) -> None:
    """Write annotation files into the user data folder, unless they are there already."""
    for name, data in files.items():
        there = folder / name
        if there.exists() and there.read_bytes() == data:
            continue
        require_new(there, overwrite)
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_output(there, overwrite) as temporary:
            temporary.write_bytes(data)


def write_manifest(path: Path, prepared: Prepared, root: Path, overwrite: bool = False) -> None:
    """Write the list that ``extract --videos`` reads: the found videos, relative to ``root``.

    Raises
    ------
    UserError
        When there is nothing to list, the file exists, or a video lies outside of ``root``.
    """
    if not prepared.found:
        raise UserError(f"{prepared.dataset}: no video found, so there is nothing to extract", "See --videos")
    base = root if root.is_dir() else root.parent
    lines = [f"# {prepared.dataset}: {len(prepared.found)} of {prepared.expected} videos"]
    for video in prepared.found:
        try:
            lines.append(video.path.relative_to(base).as_posix())
        except ValueError:
            raise UserError(
                f"{video.path} is not below {base}", "Give the folder that holds all videos"
            ) from None
    with atomic_output(path, overwrite) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
