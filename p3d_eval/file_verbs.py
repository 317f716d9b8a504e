"""The Python interface to files: videos and annotations before extraction, and feature files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from p3d_eval.arguments import explained

if TYPE_CHECKING:
    from p3d_eval.api import StrPath
    from p3d_eval.features import FeatureStore
    from p3d_eval.features.checking import VideoCheck
    from p3d_eval.protocols.preparation import Prepared


@explained
def check_videos(
    videos: "StrPath",
    root: "StrPath | None" = None,
    *,
    clip_length: int = 16,
    workers: int = 2,
    time_limit: float = 600.0,
    quiet: bool = False,
) -> "list[VideoCheck]":
    """Decode all videos; each check has a ``status`` (good, noted, bad), a ``reason`` and ``notes``.

    Parameters
    ----------
    videos, root : path
        A folder, or a list of paths relative to ``root``.
    clip_length : int
        Frames of a clip; shorter videos are noted.
    workers : int
        Processes.
    time_limit : float
        Seconds after which a video counts as bad.
    quiet : bool
        Show no progress.

    Raises
    ------
    UserError
        When there are no videos.
    """
    from p3d_eval.features.checking import check_all
    from p3d_eval.features.ids import list_videos
    from p3d_eval.progress import Progress

    found = list_videos(Path(videos), None if root is None else Path(root))
    with Progress("check", total=len(found), unit="videos", quiet=quiet) as bar:
        return check_all(found, clip_length, workers, time_limit, bar.advance)


@explained
def prepare(
    dataset: str,
    annotations: "StrPath | None" = None,
    videos: "StrPath | None" = None,
    out: "StrPath | None" = None,
    *,
    overwrite: bool = False,
) -> "Prepared":
    """Check a data set's official annotations, keep them, and count the videos on disk against them.

    Parameters
    ----------
    dataset : str
        ``"ucf101"``, ``"aslan"``, …
    annotations : path, optional
        Official file or folder; by default what was kept before.
    videos : path, optional
        Folder, or list, of videos.
    out : path, optional
        List of the found videos to write, for :func:`extract`.
    overwrite : bool
        Whether kept annotations, and ``out``, may be replaced.

    Raises
    ------
    UserError
        When annotations are absent or not valid, or ``out`` is to be written without ``videos``.
    """
    from p3d_eval.errors import UserError
    from p3d_eval.files import require_new
    from p3d_eval.protocols.preparation import prepare as run
    from p3d_eval.protocols.preparation import write_manifest

    if out is not None:
        if videos is None:
            raise UserError(f"{out}: the list is of videos", "Say where these are: videos=")
        require_new(Path(out), overwrite)
    found = run(dataset, _path(annotations), _path(videos), overwrite=overwrite)
    if out is not None and videos is not None:
        write_manifest(Path(out), found, Path(videos), overwrite)
    return found


@explained
def import_features(
    source: "StrPath",
    out: "StrPath",
    *,
    name: str,
    layer: str = "features",
    ids: "StrPath | None" = None,
    classes: "StrPath | None" = None,
    dtype: str = "float32",
    annotations: "Mapping[str, StrPath] | None" = None,
    overwrite: bool = False,
) -> "FeatureStore":
    """Turn features made elsewhere into a feature file.

    Parameters
    ----------
    source : path
        Folder of .npy or .npz files, one .npy with ``ids``, or a .csv.
    out : path
        The feature file.
    name, layer : str
        What made them, and what they are called.
    ids, classes : path, optional
        Ids of an array's rows, and names of the entries of ``prob``, one a line.
    dtype : {"float32", "float16"}
        Stored type.
    annotations : mapping of str to path, optional
        Data set → official file or folder to embed.
    overwrite : bool
        Whether ``out`` may be replaced.

    Raises
    ------
    UserError
        When a file is absent, not valid, or has other shapes than the rest.
    """
    from p3d_eval.features import importers

    importers.import_features(
        Path(source),
        Path(out),
        name=name,
        layer=layer,
        ids=_path(ids),
        classes=_path(classes),
        dtype=dtype,
        annotations=read_annotations(annotations),
        overwrite=overwrite,
    )
    return open_features(out)


def read_annotations(paths: "Mapping[str, StrPath] | None") -> dict[str, dict[str, bytes]]:
    """Read official annotation files: data set → path, to data set → file name → content."""
    from p3d_eval.protocols.annotations import read_official

    return {dataset: dict(read_official(dataset, Path(path))) for dataset, path in (paths or {}).items()}


@explained
def merge_features(
    shards: "Sequence[StrPath]", out: "StrPath", *, overwrite: bool = False, quiet: bool = False
) -> "FeatureStore":
    """Put the shards of an extraction together into what one undivided run would have made.

    Raises
    ------
    UserError
        When they do not belong together, or one is absent or incomplete.
    """
    from p3d_eval.features.merging import merge_shards
    from p3d_eval.progress import Progress

    def shown(total: int, done: int) -> Progress:
        return Progress("merge", total, "videos", quiet, done)

    merge_shards([Path(shard) for shard in shards], Path(out), overwrite=overwrite, progress=shown)
    return open_features(out)


@explained
def annotate(features: "StrPath", dataset: str, annotations: "StrPath", *, overwrite: bool = False) -> None:
    """Embed a data set's official annotation files in a feature file, so that protocols find them.

    Raises
    ------
    UserError
        When a file is absent or not valid, or other annotations are there and ``overwrite`` is false.
    """
    from p3d_eval.features import embed_annotations
    from p3d_eval.protocols.annotations import read_official

    embed_annotations(Path(features), dataset, read_official(dataset, Path(annotations)), overwrite)


@explained
def open_features(path: "StrPath", *, allow_incomplete: bool = False) -> "FeatureStore":
    """Open a feature file for reading.

    Parameters
    ----------
    path : path
        What ``extract`` or ``p3d-eval import`` wrote.
    allow_incomplete : bool
        Open a file whose extraction has not finished.

    Returns
    -------
    FeatureStore
        ``store["pool5"]`` is a lazy (videos, D) array in the order of ``store.ids``.

    Raises
    ------
    UserError
        When the file is absent, damaged, not a feature file, or incomplete.
    """
    from p3d_eval.features import open_features as open_store

    return open_store(path, allow_incomplete=allow_incomplete)


@explained
def describe_features(path: "StrPath") -> dict[str, Any]:
    """Say everything that a feature file, complete or not, says about itself, as plain values.

    Raises
    ------
    UserError
        When the file is absent or damaged.
    """
    from p3d_eval.features.description import describe

    return describe(open_features(path, allow_incomplete=True))


def _path(path: "StrPath | None") -> Path | None:
    return None if path is None else Path(path)
