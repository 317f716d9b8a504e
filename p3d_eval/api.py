"""The Python interface: the command line's verbs as functions that compute and return."""

from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from p3d_eval.arguments import explained, explained_with

if TYPE_CHECKING:
    import torch

    from p3d_eval.backbones import Backbone
    from p3d_eval.features import FeatureStore
    from p3d_eval.protocols.result import Result
    from p3d_eval.protocols.significance import ComparisonReport
    from p3d_eval.reports import Report

StrPath = str | PathLike[str]


@explained_with("p3d_eval.backbones:load_backbone")
def load_backbone(
    name: str, weights: StrPath | None = None, device: "str | torch.device" = "cpu", **options: Any
) -> "Backbone":
    """Build a network and fill it with weights.

    Parameters
    ----------
    name : str
        A registered name (``"p3d199"``, …), ``"timm:resnet152"`` and its like, ``"model.onnx"``,
        ``"model.pt2"``, ``"package.module:factory"`` or ``"path/to/file.py:factory"``.
    weights : path, optional
        Weights file; without one those of a collection, else random, and all that is made says so.
    device : str or torch.device
        ``"cpu"``, ``"cuda"`` or ``"auto"``.
    **options
        See :func:`p3d_eval.backbones.load_backbone`: ``seed``, ``classes``, another input
        (``clip_length``, ``mean``, …), ``precision`` and the network's own options.

    Returns
    -------
    Backbone
        Call it on uint8 clips N × T × H × W × 3, or its ``features`` on prepared input.

    Raises
    ------
    UserError
        When the name is unknown or the weights do not fit.

    Examples
    --------
    >>> backbone = load_backbone("p3d63")
    >>> backbone.layers["pool5"]
    (2048,)
    """
    from p3d_eval.backbones import load_backbone as load

    return load(name, None if weights is None else str(weights), device, **options)


@explained_with("p3d_eval.features.planning:plan_extraction")
def extract(
    backbone: "Backbone",
    videos: StrPath,
    out: StrPath,
    layers: str | Sequence[str] | None = None,
    *,
    sampling: str = "uniform",
    clips: int | None = None,
    clip_stride: int | None = None,
    seed: int = 0,
    fps: float | None = None,
    processes: int | None = None,
    engine: str = "local",
    address: str | None = None,
    crops: str = "centre",
    mirror: bool = False,
    annotations: "Mapping[str, StrPath] | None" = None,
    profile: StrPath | None = None,
    quiet: bool = False,
    **options: Any,
) -> "FeatureStore":
    """Run a network over videos and write its layers to one feature file, or finish an interrupted run.

    Parameters
    ----------
    backbone : Backbone
        From :func:`load_backbone`; its input spec says clip length and frame stride.
    videos : path
        A folder, or a text file with one video a line.
    out : path
        The feature file. A complete one of the same extraction is opened as it is.
    layers : str or sequence of str, optional
        ``[alias=]layer[:flat|avg|spatial|cls|mean]``; by default the backbone's ASLAN layers.
    sampling : {"uniform", "random", "sliding"}
        How clips are chosen.
    clips, clip_stride, seed : int, optional
        Clips of a video (20), frames between starts of ``sliding`` clips (8), seed of ``random`` ones.
    fps : float, optional
        Constant rate in frames per second to bring videos to first.
    processes, engine, address : optional
        As ``--processes``, ``--engine`` and ``--address`` of ``p3d-eval extract``: several processes, or a
        Ray cluster, on devices of the backbone's kind.
    crops, mirror : optional
        Views of each clip that are averaged: ``"centre"``, ``"3"``, ``"5"``, ``"10"``, and their mirror images.
    annotations : mapping of str to path, optional
        Data set → official annotation file or folder to embed.
    profile : path, optional
        Text file to add what each stage took to, and what to change.
    quiet : bool
        Show no progress.
    **options
        ``per_clip``, ``dtype``, ``batch_size``, ``workers``, ``compiling``, ``video_timeout``, ``decoder``,
        ``root``, ``overwrite``, ``shard``: see
        :func:`p3d_eval.features.planning.plan_extraction`.

    Returns
    -------
    FeatureStore
        ``store.failed`` lists videos that could not be read, with reasons.

    Raises
    ------
    UserError
        When ``backbone`` is only a name, a layer is unknown, there are no videos, or ``out`` belongs to
        another extraction.
    """
    from p3d_eval.backbones import views_of
    from p3d_eval.backbones.backbone import require_backbone
    from p3d_eval.features import open_features as open_store
    from p3d_eval.features.engines import choose_engine
    from p3d_eval.features.extractor import extract as run
    from p3d_eval.features.sampling import choose_sampling
    from p3d_eval.features.stage_file import add_stages, require_stage_file
    from p3d_eval.file_verbs import read_annotations
    from p3d_eval.progress import Progress

    require_backbone(backbone)
    if profile is not None:
        require_stage_file(Path(profile))
    spec = backbone.input_spec
    chosen = choose_sampling(
        spec.clip_length, spec.frame_stride, sampling, clips, clip_stride, seed=seed, fps=fps
    )

    def progress(total: int, done: int) -> Progress:
        return Progress("extract", total, "videos", quiet, done)

    def counting(total: int, done: int) -> Progress:
        return Progress("count frames", total, "videos", quiet, done)

    kind = backbone.device.type if processes or engine != "local" else str(backbone.device)
    chosen_engine = choose_engine(engine, kind, processes, address)
    if options.get("root") is not None:
        options["root"] = Path(options["root"])
    summary = run(
        backbone,
        Path(videos),
        layers,
        Path(out),
        progress=progress,
        counting=counting,
        engine=chosen_engine,
        sampling=chosen,
        **{"views": views_of(crops, mirror), "annotations": read_annotations(annotations)} | options,
    )
    if profile is not None:
        add_stages(Path(profile), summary)
    return open_store(out, allow_incomplete=options.get("shard") is not None)


@explained
def evaluate(
    name: str,
    features: "StrPath | FeatureStore | Sequence[StrPath | FeatureStore] | None" = None,
    out: StrPath | None = None,
    *,
    overwrite: bool = False,
    label: str | None = None,
    predictions: StrPath | None = None,
    write_predictions: StrPath | None = None,
    **options: Any,
) -> "Result":
    """Run a protocol on a feature file.

    Parameters
    ----------
    name : str
        ``"ucf101"``, ``"aslan"``, or a plug-in's.
    features : path or FeatureStore, or a sequence of these
        What to evaluate; several files of the same videos are fused (``fusion``, ``weights``).
    out : path, optional
        JSON file for the result; its scores go beside it.
    overwrite : bool
        Whether existing outputs may be replaced.
    label : str, optional
        What the row is called in a table.
    predictions : path, optional
        Official file of predictions to judge in place of features (``activitynet``).
    write_predictions : path, optional
        Official file of predictions to write.
    **options
        The protocol's options, as on the command line (``splits``, ``pairs``, ``layer``, ``C``, …).

    Returns
    -------
    Result

    Raises
    ------
    UserError
        When an option, the file, an annotation or the output is wrong.
    """
    from p3d_eval.protocols.evaluation import evaluate as run

    return run(
        name,
        features,
        out,
        overwrite=overwrite,
        label=label,
        predictions=predictions,
        write_predictions=write_predictions,
        **options,
    )


@explained_with("p3d_eval.reports.table_options:TableOptions")
def report(
    results: "Result | StrPath | Iterable[Result | StrPath]" = (),
    *,
    published: bool | str | Sequence[str] = True,
    **options: Any,
) -> "Report":
    """Build one table for each protocol from results, with the published rows beside them.

    Parameters
    ----------
    results : Result or path, or an iterable of these
        Results, their JSON files, or folders of these.
    published : bool, str or sequence of str
        Whether to set the published rows beside the measured ones; or the published tables to show
        (``["table3"]``), with the results of their protocols beside.
    **options
        ``delta``, ``intervals``, ``significance``, ``against``, ``columns``, ``seed``: see
        :class:`p3d_eval.reports.table_options.TableOptions`.

    Returns
    -------
    Report
        ``to_text``, ``to_markdown``, ``to_latex``, ``to_csv``, ``to_html``, ``to_json``, ``to_frame`` (pandas),
        ``to_page`` (one HTML file); shown as a table in a notebook.

    Raises
    ------
    UserError
        When there is nothing to report, or a file is no result.
    """
    from p3d_eval.reports import Report

    return Report.of(results, published, **options)


@explained
def compare(
    results: "Iterable[Result | StrPath]",
    *,
    metric: str | None = None,
    test: str = "auto",
    common: bool = False,
    seed: int = 0,
    level: float = 0.95,
) -> "ComparisonReport":
    """Test the difference between every two results on the same trials.

    Parameters
    ----------
    results : iterable of Result or path
        Two or more, of one protocol, version and set of annotations, with their scores.
    metric : str, optional
        ``accuracy``, ``top3``, ``map``, ``auc_mean_of_folds``, …
    test : {"auto", "sign-flip", "mcnemar", "bootstrap", "student"}
        ``auto`` flips the signs of clusters or folds, and bootstraps ``map``.
    common : bool
        Compare on the trials that all have, where some lack some.
    seed : int
        Seed of random flips and resamples.
    level : float
        Confidence level.

    Returns
    -------
    ComparisonReport
        ``comparisons`` holds differences with intervals, p-values and a sentence for each.

    Raises
    ------
    UserError
        When results are not comparable, lack scores, or the test does not fit the metric.
    """
    from p3d_eval.protocols.significance import compare as run

    return run(results, metric=metric, test=test, common=common, seed=seed, level=level)  # type: ignore[arg-type]  # compare refuses other words
