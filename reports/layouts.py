"""The tables of the known protocols, and which published table stands beside each."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from p3d_eval.errors import UnknownNameError, UserError
from p3d_eval.protocols.result import Result
from p3d_eval.reports.layout import Layout, Shown

# Backbone → method of the published tables. Other depths and other networks have no published row of their own.
METHODS: Mapping[str, str] = {"p3d199": "P3D ResNet", "c3d": "C3D", "resnet152": "ResNet-152"}

# Options with which a network's published rows were made, where they are not the protocol's defaults.
OWN_OPTIONS: Mapping[str, Mapping[str, str]] = {"c3d": {"layer": "fc6", "recipe": "c3d"}}

_MILLION, _GIGA, _MIB, _GIB = 1e-6, 1e-9, 2.0**-20, 2.0**-30
_RANKS = (1, 5, 10, 20, 50)  # of retrieval


def _profiled(key: str, heading: str, scale: float, decimals: int = 1, published: str | None = None) -> Shown:
    return Shown(key, heading, published, scale=scale, decimals=decimals, keeps_digits=True)


_COSTS = (
    _profiled("parameters", "Parameters (M)", _MILLION),
    _profiled("model_bytes", "Size (MiB)", _MIB, 0, "model_size_mb"),
    _profiled("macs", "GMAC a clip", _GIGA),
)
_SPEEDS = (
    replace(_profiled("clips_per_second", "Clips/s", 1.0, 1, "clips_per_second"), ranked=True),
    _profiled("frames_per_second", "Frames/s", 1.0, 0, "frames_per_second"),
    _profiled("peak_bytes", "Peak memory (GiB)", _GIB, 2),
)


def _accuracy(published: str | None = None, member: str = "") -> Shown:
    return Shown(
        "accuracy", "Accuracy (%)", published, True, "Δ accuracy" if published else None, member=member
    )


def _of_splits(count: int) -> tuple[Shown, ...]:
    return tuple(
        Shown(f"accuracy_split{n}", f"split {n} (%)", metric="accuracy", split=str(n))
        for n in range(1, count + 1)
    )


def _scene(key: str, member: str, name: str) -> Shown:
    return Shown(key, f"{name} (%)", key, True, f"Δ {name}", metric="accuracy", member=member)


def _retrieval(name: str, title: str) -> Layout:
    hits = tuple(Shown(f"r{k}", f"R@{k} (%)", ranked=True) for k in _RANKS)
    return Layout(name, title, (*hits, Shown("map", "mAP (%)", ranked=True)))


def _recognition(name: str, title: str) -> Layout:
    shown = [
        Shown(f"{unit}_top{k}", f"{unit} top-{k} (%)".capitalize(), ranked=True)
        for unit in ("clip", "video")
        for k in (1, 5)
    ]
    return Layout(name, title, tuple(shown), trials="annotations")


_PAIRS = (
    Shown("accuracy", "Accuracy (%)", "accuracy", ranked=True, difference="Δ accuracy"),
    Shown("auc", "AUC (%)", "auc", ranked=True, difference="Δ AUC"),
    Shown("auc_mean_of_folds", "AUC, mean of folds (%)"),
)

_ALL = (
    Layout(
        name="table1",
        title="P3D variants: accuracy on split 1 of UCF101, model size and speed",
        shown=(
            Shown("accuracy", "Accuracy (%)", "accuracy", member="ucf101", split="1"),
            *(replace(one, member="profile", ranked=False) for one in (*_COSTS[1:2], *_SPEEDS[:2])),
        ),
        published="table1_ucf101_variants",
        members=("ucf101", "profile"),
        reference="networks fine-tuned on UCF101, timed on one K40",
    ),
    Layout(
        name="sports1m",
        title="Sports-1M: test videos, any of a video's labels",
        shown=(
            Shown("clip_length", "Clip length", "clip_length", scale=1.0, decimals=0),
            Shown("clip_hit1", "Clip hit@1 (%)", "clip_hit1", ranked=True),
            Shown("video_hit1", "Video hit@1 (%)", "video_hit1", ranked=True),
            Shown("video_hit5", "Video hit@5 (%)", "video_hit5", ranked=True),
        ),
        published="table2_sports1m",
        trials="partition",
        words={"pretrain_data": ""},
        word_headings={"pretrain_data": "Pre-training"},
    ),
    Layout(
        name="ucf101",
        title="UCF101: linear SVM on frozen features, mean of three splits",
        shown=(_accuracy("accuracy"), Shown("accuracy_with_flow", "with flow (%)", "accuracy_with_flow")),
        published="table3_ucf101",
        peers="representation + linear SVM",
        splits=3,
    ),
    Layout(
        name="activitynet",
        title="ActivityNet v1.3: linear SVM on frozen features, validation subset",
        shown=(
            Shown("top1", "Top-1 (%)", "top1", ranked=True, difference="Δ top-1", decimals=2),
            Shown("top3", "Top-3 (%)", "top3", ranked=True, difference="Δ top-3", decimals=2),
            Shown("map", "mAP (%)", "map", ranked=True, difference="Δ mAP", decimals=2),
        ),
        published="table4_activitynet",
        trials="annotations",
        sensitivity=True,
    ),
    Layout(
        name="aslan",
        title="ASLAN: action similarity labeling, View 2, ten folds",
        shown=_PAIRS,
        published="table5_aslan",
        splits=10,
        trials="pairs",
        words={"model": "linear"},
        word_headings={"model": "Model"},
        sensitivity=True,
    ),
    Layout(
        name="table6",
        title="Scene recognition: linear SVM on frozen features, one video left out at a time",
        shown=(
            _scene("dynamic_scene", "dynamic-scenes", "Dynamic Scene"),
            _scene("yupenn", "yupenn", "YUPENN"),
        ),
        published="table6_scenes",
        trials="videos",
        members=("dynamic-scenes", "yupenn"),
    ),
    Layout(
        name="aslan-view1",
        title="ASLAN: action similarity labeling, View 1 (for development)",
        shown=tuple(replace(one, published=None, difference=None) for one in _PAIRS[:2]),
        trials="pairs",
    ),
    Layout(
        name="hmdb51",
        title="HMDB51: linear SVM on frozen features, mean of three splits",
        shown=(_accuracy(), *_of_splits(3)),
        splits=3,
    ),
    Layout(
        name="scenes",
        title="Scene recognition: linear SVM on frozen features, one video left out at a time",
        shown=(_accuracy(),),
        trials="videos",
    ),
    _retrieval("retrieval-ucf101", "Retrieval on UCF101: test videos query training videos by cosine"),
    _retrieval("retrieval-hmdb51", "Retrieval on HMDB51: test videos query training videos by cosine"),
    _retrieval("custom-retrieval", "Retrieval by cosine on own data"),
    _recognition("kinetics400", "Kinetics-400: validation videos"),
    _recognition("ssv2", "Something-Something v2: validation videos"),
    Layout("custom", "Classification of own data", (_accuracy(),)),
    Layout(
        name="custom-pairs",
        title="Pairs of own data: same class or not",
        shown=tuple(replace(one, published=None, difference=None) for one in _PAIRS),
        trials="pairs",
    ),
    Layout(
        name="profile",
        title="Size, arithmetic, speed and memory",
        shown=(*_COSTS, *_SPEEDS),
        published="table1_ucf101_variants",
        trials="machines",
        words={"precision": "", "batch_size": ""},
        word_headings={"precision": "Precision", "batch_size": "Batch"},
        reference="ResNet-50 and its P3D variants, timed on one K40",
        by_variant=True,
    ),
)
_LAYOUTS = {layout.name: layout for layout in _ALL}
# Option of a protocol whose values make tables of their own, and the values of the protocol's usual table.
_PARTED: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "retrieval": ("dataset", {"ucf101": "retrieval-ucf101", "hmdb51": "retrieval-hmdb51"}),
    "custom": ("task", {"retrieval": "custom-retrieval", "pairs": "custom-pairs"}),
    "aslan": ("view", {"1": "aslan-view1"}),
}


def kind_of(result: Result) -> str:
    """Name what a result is shown with: its protocol, or one of the tables that a protocol has several of."""
    option, kinds = _PARTED.get(result.protocol, ("", {}))
    return kinds.get(str(result.options.get(option)), result.protocol)


def layout_of(kind: str, results: Sequence[Result]) -> Layout:
    """Return the layout that shows a kind of results.

    One that is not known here (a plug-in's) shows every headline metric, none ranked.
    """
    joined = next((one for one in _ALL if kind in one.members and one.name != "table1"), None)
    if joined is not None:
        return joined
    if kind in _LAYOUTS:
        return _LAYOUTS[kind]
    keys = dict.fromkeys(key for result in results for key in result.metrics)
    shown = tuple(Shown(key, f"{key.replace('_', ' ')} (%)") for key in keys)
    return Layout(name=kind, title=kind, shown=shown)


def published_layout(name: str) -> Layout:
    """Return the layout of a published table, by ``"table3"``, ``"table3_ucf101"`` or its protocol's name.

    Raises
    ------
    UserError
        When there is no such table, with the closest name.
    """
    tables = {one.published: one for one in _ALL if one.published and one.name != "profile"}
    for published, layout in tables.items():
        if name.lower() in (published, str(published).partition("_")[0], layout.name):
            return layout
    raise UnknownNameError("published table", name, [str(one).partition("_")[0] for one in tables])


def free_layout(columns: Sequence[str], results: Mapping[str, Sequence[Result]]) -> Layout:
    """Lay out a table of columns of one's own, a row for each network.

    Parameters
    ----------
    columns : sequence of str
        Each ``KIND:METRIC``, e.g. ``"ucf101:accuracy"``, ``"profile:clips_per_second"``.
    results : mapping of str to sequence of Result
        The results of each kind.

    Raises
    ------
    UserError
        When a column is not written so, or no result has it.
    """
    shown = [_free_column(column, results) for column in dict.fromkeys(columns)]
    members = tuple(dict.fromkeys(one.member for one in shown))
    return Layout(
        name="free", title=f"Frozen features: {', '.join(members)}", shown=tuple(shown), members=members
    )


def _free_column(column: str, results: Mapping[str, Sequence[Result]]) -> Shown:
    kind, colon, metric = column.partition(":")
    if not (kind and colon and metric):
        raise UserError(f"column {column!r} is not PROTOCOL:METRIC", "Write for example ucf101:accuracy")
    if kind not in results:
        raise UnknownNameError(f"protocol of column {column!r}:", kind, results)
    known = dict.fromkeys(name for result in results[kind] for name in result.metrics)
    if metric not in known:
        raise UnknownNameError(f"metric of {kind}", metric, known)
    layout = layout_of(kind, results[kind])
    usual = usual_column(layout, kind, metric) or Shown(metric, f"{metric.replace('_', ' ')} (%)")
    return replace(
        usual,
        key=column,
        heading=usual.heading if layout.members else f"{kind}: {usual.heading}",
        published=column if usual.published else None,
        difference=f"Δ {kind} {metric}" if usual.difference else None,
        member=kind,
        metric=metric,
    )


def usual_column(layout: Layout, kind: str, metric: str) -> Shown | None:
    """Find the column of a layout that shows a metric of a kind of results; None where there is none."""
    return next(
        (one for one in layout.shown if one.measured == metric and layout.kind(one) == kind and not one.split),
        None,
    )
