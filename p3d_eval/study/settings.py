"""The tables of a study file as dataclasses, every key checked by name and type."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from p3d_eval.errors import UnknownNameError, UserError

_LISTS = {str: "a list of names", int: "a list of whole numbers", float: "a list of numbers"}
_WORDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false", dict: "a table"}
_SAMPLES = {str: '"…"', int: "1", float: "0.5", bool: "true", dict: "{ … = … }"}

Table = TypeVar("Table")


@dataclass(frozen=True)
class ExtractSettings:
    """What ``p3d-eval extract`` takes besides the network, the videos and the output, under the same names.

    Sizes are pixels: one side, or ``[height, width]``. Fields marked as ``company`` change no number beyond
    rounding, and so no content key.
    """

    layers: str | None = None
    sampling: str = "uniform"
    clips: int | None = None
    clip_length: int | None = None
    frame_stride: int | None = None
    resize: int | list[int] | None = None
    crop_size: int | list[int] | None = None
    mean: float | list[float] | None = None
    std: float | list[float] | None = None
    value_range: list[float] | None = None
    channel_order: str | None = None
    interpolation: str | None = None
    antialias: bool | None = None
    clip_stride: int | None = None
    fps: float | None = None
    seed: int = 0
    per_clip: bool = False
    precision: str = "auto"
    crops: str = "centre"
    mirror: bool = False
    dtype: str = "float32"
    decoder: str = "pyav"
    device: str = field(default="auto", metadata={"company": True})
    processes: int | None = field(default=None, metadata={"company": True})
    batch_size: int = field(default=8, metadata={"company": True})
    workers: int | None = field(default=None, metadata={"company": True})
    video_timeout: float = field(default=60.0, metadata={"company": True})
    compile: str = field(default="auto", metadata={"company": True})


INPUT_KEYS = (
    *("clip_length", "frame_stride", "resize", "crop_size"),
    *("mean", "std", "value_range", "channel_order", "interpolation", "antialias"),
)
COMPANY = tuple(one.name for one in fields(ExtractSettings) if one.metadata.get("company"))
EXTRACT_KEYS = tuple(one.name for one in fields(ExtractSettings))


@dataclass(frozen=True)
class RowSettings:
    """A row of the tables: ``[backbones.NAME]``, with any key of ``[extract]`` besides.

    Parameters
    ----------
    backbone : str, optional
        As ``p3d-eval extract --backbone``; by default the row's name.
    weights : str, optional
        A file, ``random``, or ``fetched``: those of ``p3d-eval weights fetch``.
    label : str, optional
        What tables call the row; by default its name.
    options : mapping
        The network's own options.
    features : mapping of str to str
        Data set → feature file made elsewhere, instead of a network.
    fuse : tuple of str
        Other rows whose features are fused, instead of a network.
    fusion, fusion_weights : str, optional
        How (``early``, ``late``, ``late-softmax``), and with which weights (``0.7,0.3`` or ``cv``).
    """

    backbone: str | None = None
    weights: str | None = None
    label: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    features: dict[str, Any] = field(default_factory=dict)
    fuse: list[str] = field(default_factory=list)
    fusion: str | None = None
    fusion_weights: str | None = None


@dataclass(frozen=True)
class DataSettings:
    """Videos: ``[datasets.NAME]``, with any key of ``[extract]`` besides.

    Parameters
    ----------
    videos : str, optional
        Folder, or list with one video a line; none for rows of features alone.
    root : str, optional
        What a list's paths are relative to.
    annotations : mapping of str to str
        Protocol → its official annotation file or folder.
    """

    videos: str | None = None
    root: str | None = None
    annotations: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ProtocolSettings:
    """An evaluation: ``[protocols.NAME]``; all other keys are the protocol's own options.

    Parameters
    ----------
    protocol : str, optional
        Which one; by default the table's name.
    backbones, datasets : tuple of str
        Rows and data sets that it is run on; by default all.
    """

    protocol: str | None = None
    backbones: list[str] = field(default_factory=list)
    datasets: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class ReportSettings:
    """What is reported: ``[report]``.

    Parameters
    ----------
    title : str, optional
        Of the page; by default the study file's name.
    published : bool
        Set the published rows beside the measured ones.
    figures : bool
        Draw figures.
    tsne_videos : int
        Most videos of a map by t-SNE, drawn at random; 0 draws none.
    tsne_layer : str
        Layer that is mapped.
    tsne_thumbnails : int
        Pictures of videos in each map.
    """

    title: str | None = None
    published: bool = True
    figures: bool = True
    tsne_videos: int = 10_000
    tsne_layer: str = "pool5"
    tsne_thumbnails: int = 0

    def __post_init__(self) -> None:
        if self.tsne_videos < 0 or self.tsne_thumbnails < 0:
            name = "tsne_videos" if self.tsne_videos < 0 else "tsne_thumbnails"
            raise UserError(f"{name} = {getattr(self, name)} is negative", "0 is none")


@dataclass(frozen=True)
class ProfileSettings:
    """How networks are measured: ``[profile]``; without the table they are not.

    Parameters
    ----------
    precisions : list of str
        As ``p3d-eval profile --precision``.
    batch_sizes : list of int
        Clips in a batch.
    repeats : int
        Batches timed for each precision and batch size.
    """

    precisions: list[str] = field(default_factory=lambda: ["auto"])
    batch_sizes: list[int] = field(default_factory=lambda: [1, 8])
    repeats: int = 5

    def __post_init__(self) -> None:
        if min(*self.batch_sizes, self.repeats) < 1:
            raise UserError("batch_sizes and repeats must be 1 at least")


@dataclass(frozen=True)
class StudySettings:
    """The keys of the file that stand in no table.

    Parameters
    ----------
    out : str, optional
        Folder of everything that the study makes; by default the file's name without ``.toml``.
    """

    out: str | None = None


def read_table(where: str, given: Mapping[str, Any], kind: type[Table], also: tuple[str, ...] = ()) -> Table:
    """Make a settings object of a table, checking every key and type.

    Parameters
    ----------
    where : str
        Name of the table for messages, e.g. ``"[extract] in study.toml"``.
    given : mapping
        The table.
    kind : type
        A dataclass of this module.
    also : tuple of str
        Keys that belong to somebody else, for the message about an unknown one.

    Raises
    ------
    UserError
        When a key is unknown (the nearest ones are named) or a value has the wrong type.
    """
    hints = get_type_hints(kind)
    for key, value in given.items():
        if key not in hints:
            raise UnknownNameError(f"key of {where}:", key, (*hints, *also))
        require_type(where, key, value, hints[key])
    try:
        return kind(**given)
    except UserError as error:
        raise UserError(f"{where}: {error.message}", error.hint) from None


def require_type(where: str, key: str, value: Any, hint: Any) -> None:
    """Check a TOML value against a type hint; whole numbers are numbers.

    Raises
    ------
    UserError
        When it does not fit, or is an empty list.
    """
    if value == []:
        raise UserError(f"{where}: {key} = [] is empty", "Leave the line out, or name one at least")
    parts = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    if not any(_fits(value, part) for part in parts):
        wanted = " or ".join(_shown(part) for part in parts if part is not type(None))
        raise UserError(
            f"{where}: {key} = {value!r} is not {wanted}", f"Write it like {key} = {_sample(parts[0])}"
        )


def _fits(value: Any, hint: Any) -> bool:
    plain = get_origin(hint) or hint
    if plain is list:
        return isinstance(value, list) and all(_fits(item, get_args(hint)[0]) for item in value)
    if isinstance(value, bool):
        return plain is bool
    return isinstance(value, (int, float) if plain is float else plain)


def _shown(hint: Any) -> str:
    plain = get_origin(hint) or hint
    return _LISTS[get_args(hint)[0]] if plain is list else _WORDS[plain]


def _sample(hint: Any) -> str:
    plain = get_origin(hint) or hint
    return f"[{_SAMPLES[get_args(hint)[0]]}, …]" if plain is list else _SAMPLES[plain]
