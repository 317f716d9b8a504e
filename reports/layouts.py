"""What each protocol's table shows, and which published table stands beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from p3d_eval.protocols.result import Result

# Backbone → method of the published tables. Other depths and other networks have no published row of their own.
METHODS: Mapping[str, str] = {"p3d199": "P3D ResNet", "c3d": "C3D", "resnet152": "ResNet-152"}

# Options with which a network's published rows were made, where they are not the protocol's defaults.
OWN_OPTIONS: Mapping[str, Mapping[str, str]] = {"c3d": {"layer": "fc6", "recipe": "c3d"}}


@dataclass(frozen=True)
class Shown:
    """One column of a layout.

    Parameters
    ----------
    key : str
        Name of the metric in results, or of the word.
    heading : str
        What a reader sees.
    published : str or None
        Column of the published table that holds the same quantity.
    ranked : bool
        Whether the largest value is marked best.
    difference : str or None
        Heading of the column with the difference to the paper; None for no such column.
    """

    key: str
    heading: str
    published: str | None = None
    ranked: bool = False
    difference: str | None = None


@dataclass(frozen=True)
class Layout:
    """The table of one protocol.

    Parameters
    ----------
    protocol, title : str
        Name of the protocol and caption of its table.
    shown : tuple of Shown
        Columns of numbers, in order.
    published : str or None
        Name of the published table.
    peers : str
        Group of published rows that were made as ours are; empty where the table has no groups.
    splits : int or None
        Splits or folds that the published numbers are the mean of.
    trials : str
        What the official annotations define, for remarks: ``"splits"`` or ``"pairs"``.
    words : mapping of str to str
        Columns of words, with the word of measured rows.
    word_headings : mapping of str to str
        Their headings.
    sensitivity : bool
        Whether the variants of a result are listed below the table.
    """

    protocol: str
    title: str
    shown: tuple[Shown, ...]
    published: str | None = None
    peers: str = ""
    splits: int | None = None
    trials: str = "splits"
    words: Mapping[str, str] = field(default_factory=dict)
    word_headings: Mapping[str, str] = field(default_factory=dict)
    sensitivity: bool = False


_LAYOUTS = {
    "ucf101": Layout(
        protocol="ucf101",
        title="UCF101: linear SVM on frozen features, mean of three splits",
        shown=(
            Shown("accuracy", "Accuracy (%)", "accuracy", ranked=True, difference="Δ accuracy"),
            Shown("accuracy_with_flow", "with flow (%)", "accuracy_with_flow"),
        ),
        published="table3_ucf101",
        peers="representation + linear SVM",
        splits=3,
    ),
    "activitynet": Layout(
        protocol="activitynet",
        title="ActivityNet v1.3: linear SVM on frozen features, validation subset",
        shown=(
            Shown("top1", "Top-1 (%)", "top1", ranked=True, difference="Δ top-1"),
            Shown("top3", "Top-3 (%)", "top3", ranked=True, difference="Δ top-3"),
            Shown("map", "mAP (%)", "map", ranked=True, difference="Δ mAP"),
        ),
        published="table4_activitynet",
        trials="annotations",
        sensitivity=True,
    ),
    "sports1m": Layout(
        protocol="sports1m",
        title="Sports-1M: test videos, any of a video's labels",
        shown=(
            Shown("clip_hit1", "Clip hit@1 (%)", "clip_hit1", ranked=True),
            Shown("video_hit1", "Video hit@1 (%)", "video_hit1", ranked=True),
            Shown("video_hit5", "Video hit@5 (%)", "video_hit5", ranked=True),
        ),
        published="table2_sports1m",
        trials="partition",
        words={"pretrain_data": ""},
        word_headings={"pretrain_data": "Pre-training"},
    ),
    "aslan": Layout(
        protocol="aslan",
        title="ASLAN: action similarity labeling, View 2, ten folds",
        shown=(
            Shown("accuracy", "Accuracy (%)", "accuracy", ranked=True, difference="Δ accuracy"),
            Shown("auc", "AUC (%)", "auc", ranked=True, difference="Δ AUC"),
            Shown("auc_mean_of_folds", "AUC, mean of folds (%)"),
        ),
        published="table5_aslan",
        splits=10,
        trials="pairs",
        words={"model": "linear"},
        word_headings={"model": "Model"},
        sensitivity=True,
    ),
}


def layout_of(protocol: str, results: Sequence[Result]) -> Layout:
    """Return the layout of a protocol; one without published rows shows every headline metric, none ranked."""
    if protocol in _LAYOUTS:
        return _LAYOUTS[protocol]
    keys = dict.fromkeys(key for result in results for key in result.metrics)
    shown = tuple(Shown(key, f"{key.replace('_', ' ')} (%)") for key in keys)
    return Layout(protocol=protocol, title=protocol, shown=shown)
