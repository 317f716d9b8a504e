"""What a cell's output depends on, as one hash: the same hash is the same output, and is not made again."""

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path, PurePosixPath
from typing import Any

from p3d_eval.backbones.precision import resolve_precision
from p3d_eval.devices import find_device
from p3d_eval.errors import UserError
from p3d_eval.features import FeatureStore
from p3d_eval.features.decode import decoder_versions
from p3d_eval.features.frame_names import stat_video
from p3d_eval.features.ids import VideoFile, list_videos
from p3d_eval.protocols import PROTOCOLS, Protocol
from p3d_eval.protocols.annotations.sources import find_annotations
from p3d_eval.provenance import sha256_bytes, sha256_json
from p3d_eval.study.grid import Evaluation, Extraction, Study
from p3d_eval.study.networks import Network, there
from p3d_eval.study.settings import COMPANY, DataSettings, ExtractSettings

_TRIAL_VIDEOS = 4  # of a class, at least, in a trial: enough to train on some and test on others
_KEY_SHOWN = 10  # digits in a file's name


def find_videos(study: Study, dataset: str, limit: int | None) -> tuple[VideoFile, ...]:
    """List a data set's videos, or some of them for a trial.

    Raises
    ------
    UserError
        When there are none, or none are named and a network wants some.
    """
    settings: DataSettings = study.datasets[dataset]
    where = f"[datasets.{dataset}] in {study.name}"
    if settings.videos is None:
        raise UserError(f"{where}: no videos", 'Give videos = "FOLDER", or features of every row')
    source = there(study.base, settings.videos, f"{where}: videos")
    root = None if settings.root is None else there(study.base, settings.root, f"{where}: root")
    videos = list_videos(source, root)
    return videos if limit is None or limit >= len(videos) else _some(videos, limit)


def _some(videos: Sequence[VideoFile], limit: int) -> tuple[VideoFile, ...]:
    """Choose videos for a trial: several of each of a few folders (classes), the same ones every time."""
    generator = random.Random(0)  # noqa: S311  (a choice, no secret)
    folders: dict[str, list[VideoFile]] = defaultdict(list)
    for video in videos:
        folders[str(PurePosixPath(video.id).parent)].append(video)
    names = sorted(folders)
    generator.shuffle(names)
    chosen: list[VideoFile] = []
    wide = max(2, limit // _TRIAL_VIDEOS)
    for name in [*names[:wide]]:
        generator.shuffle(folders[name])
    while len(chosen) < limit:
        taken = [folders[name].pop() for name in names[:wide] if folders[name]]
        chosen += taken
        wide = wide if taken else len(names)
    kept = set(chosen[:limit])
    return tuple(video for video in videos if video in kept)


def extraction_key(extraction: Extraction, network: Network, videos: Sequence[VideoFile]) -> str:
    """Hash everything that the features depend on.

    Raises
    ------
    UserError
        When the device or the decoder is not there.
    """
    settings = extract_content(extraction.extract)
    rows = [[video.id, *_stat(video)] for video in videos]
    return sha256_json({**network.content, "extract": settings, "videos": rows})


def extract_content(settings: ExtractSettings) -> dict[str, Any]:
    """Return the settings that features depend on, with what ``auto`` means here.

    What has its default is left out: a release with more options keeps what an earlier one made.
    """
    kept = [name for name in changed(settings) if name not in COMPANY]
    device = find_device(settings.device.removesuffix(":all"))
    return {name: getattr(settings, name) for name in kept} | {
        "precision": resolve_precision(settings.precision, device),
        "decoder": decoder_versions(settings.decoder),
    }


def changed(options: Any) -> dict[str, Any]:
    """Return the fields of an options dataclass that do not have their default."""
    found = {one.name: getattr(options, one.name) for one in fields(options)}
    defaults = {one.name: one.default for one in fields(options)}
    return {name: value for name, value in found.items() if value != defaults[name]}


def _stat(video: VideoFile) -> tuple[int, int]:
    try:
        return stat_video(video.path)
    except OSError:  # extraction lists it with its reason
        return 0, 0


@dataclass(frozen=True)
class Judged:
    """What an evaluation judges with, found and hashed.

    Parameters
    ----------
    annotation : str or None
        Path of the annotations where the study file names one, absolute.
    content : mapping
        Protocol, version, options and annotations.
    """

    annotation: str | None
    content: Mapping[str, Any]


def find_judged(study: Study, evaluation: Evaluation, store: FeatureStore | Path) -> Judged:
    """Find a protocol's annotations and what else its numbers depend on, besides the features in ``store``.

    Raises
    ------
    UserError
        When annotations are absent or not in the official format.
    """
    protocol: Protocol = PROTOCOLS.load(evaluation.protocol)
    options = protocol.parse_options(evaluation.options)
    chosen = protocol.specialise(options) if protocol.specialise else protocol
    where = f"{study.name}: {evaluation.protocol} on {evaluation.dataset}"
    given = None
    if evaluation.annotation is not None:
        given = str(there(study.base, evaluation.annotation, f"{where}: annotations"))
    try:
        found = find_annotations(chosen, store, given)
    except UserError as error:
        hint = f"Give annotations = {{ {evaluation.protocol} = … }} in [datasets.{evaluation.dataset}]"
        raise UserError(error.message, hint if given is None else error.hint) from error
    files = {name: sha256_bytes(content) for name, content in sorted(found.files.items())} if found else None
    content = {
        "protocol": evaluation.protocol,
        "version": protocol.version,
        "options": changed(options),
        "annotations": files,
    }
    return Judged(given, content)


def evaluation_key(
    judged: Judged, features: Sequence[tuple[str, Sequence[str]]], fusion: str | None, weights: str | None
) -> str:
    """Hash everything that a result depends on.

    Parameters
    ----------
    judged : Judged
        Protocol, options, annotations.
    features : sequence of (str, sequence of str)
        Key of each feature file and its failed videos.
    fusion, weights : str, optional
        How several are fused.
    """
    files = [[key, sorted(failed)] for key, failed in features]
    return sha256_json({**judged.content, "features": files, "fusion": fusion, "weights": weights})


def shown(key: str) -> str:
    """Shorten a key for a file's name."""
    return key[:_KEY_SHOWN]
