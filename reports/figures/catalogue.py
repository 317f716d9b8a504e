"""Every figure that a set of results allows, for pages and studies."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from p3d_eval.errors import UserError, shorten
from p3d_eval.reports.figures.confusion import confusion_figure
from p3d_eval.reports.figures.curves import precision_recall_figure, roc_figure
from p3d_eval.reports.figures.data import FigureData
from p3d_eval.reports.figures.labelled import Labelled, label_results
from p3d_eval.reports.figures.per_class import per_class_figure
from p3d_eval.reports.figures.sweep import has_sweep, sweep_figure
from p3d_eval.reports.figures.trade_off import PROFILE, trade_off_figure
from p3d_eval.reports.labels import changed_options
from p3d_eval.reports.loading import Loaded, alike

_CLASSES_COMPARED = 3  # results whose bars are drawn side by side; more are not told apart

Named = tuple[str, Callable[[], FigureData]]


def draw_everything(loaded: Iterable[Loaded]) -> tuple[dict[str, FigureData], tuple[str, ...]]:
    """Describe all figures that can be made of results.

    Parameters
    ----------
    loaded : iterable of Loaded
        Results as :func:`p3d_eval.reports.loading.load_results` gives them; figures that need scores are
        made where these are there.

    Returns
    -------
    dict of str to FigureData
        By a name that may be a file's, such as ``ucf101-confusion-i3d``.
    tuple of str
        What could not be made though its results call for it: one line for figures of the same reason.
    """
    loaded = list(loaded)
    results = label_results(loaded)
    profiles = [one for one in results if one.result.protocol == PROFILE]
    wanted: list[Named] = []
    for key in dict.fromkeys((r.result.protocol, r.result.version) for r in results):
        own = [one for one in results if (one.result.protocol, one.result.version) == key]
        if key[0] != PROFILE:
            wanted += _wanted(key[0], own)
            if profiles:
                wanted.append((f"{key[0]}-speed-accuracy", partial(trade_off_figure, [*own, *profiles])))
    figures: dict[str, FigureData] = {}
    problems = []
    for name, describe in wanted:
        try:
            figures[_unused(name, figures)] = describe()
        except UserError as error:
            problems.append((name, error.message))
    return figures, tuple(_folded(problems, loaded))


def _folded(problems: Sequence[tuple[str, str]], loaded: Sequence[Loaded]) -> Iterator[str]:
    """Write one line for figures that could not be made for the same reason."""
    for places in alike([message for _, message in problems], loaded):
        names = shorten((problems[place][0] for place in places), 3)
        others = ", and so with the others" if len(places) > 1 else ""
        yield f"{names}: {problems[places[0]][1]}{others}"


def _some_by_class(results: Sequence[Labelled]) -> FigureData:
    """Describe the first networks by class, or a single one's settings, and name what is left out."""
    networks: dict[str, list[Labelled]] = {}
    for one in results:
        networks.setdefault(one.result.label, []).append(one)
    several = [_usual(own) for own in networks.values()] if len(networks) > 1 else results
    compared = several[:_CLASSES_COMPARED]
    figure = per_class_figure(compared)
    rest = [one for one in results if one not in compared]
    told = (f"Not shown: {shorten(one.label for one in rest)}.",) if rest else ()
    return replace(figure, notes=(*figure.notes, *told))


def _usual(settings: Sequence[Labelled]) -> Labelled:
    """Choose the result of a network with the protocol's defaults; the first where there is none."""
    return next((one for one in settings if not changed_options(one.result)), settings[0])


def _wanted(protocol: str, results: Sequence[Labelled]) -> list[Named]:
    """Figures of one protocol's results."""
    wanted: list[Named] = []
    swept = [one for one in results if has_sweep(one)]
    if swept:
        wanted.append((f"{protocol}-sweep", partial(sweep_figure, swept)))
    by_class = [one for one in results if one.result.per_class]
    if by_class:
        wanted.append((f"{protocol}-per-class", partial(_some_by_class, by_class)))
    scored = [one for one in results if one.result.scores_file is not None or one.result.scores is not None]
    pairs = [one for one in scored if "auc" in one.result.metrics]
    if pairs:
        wanted.append((f"{protocol}-roc", partial(roc_figure, pairs)))
    ranked = [one for one in scored if "map" in one.result.metrics and "r1" not in one.result.metrics]
    if ranked:
        wanted.append((f"{protocol}-precision-recall", partial(precision_recall_figure, ranked)))
    single = [one for one in scored if one not in pairs and one not in ranked]
    wanted += [(f"{protocol}-confusion-{_slug(one.label)}", partial(confusion_figure, one)) for one in single]
    return wanted


def _slug(label: str) -> str:
    """Make a label a part of a file's name; a dot would begin a suffix."""
    kept = "".join(one if one.isalnum() or one in "-_" else "-" for one in label)
    return "-".join(part for part in kept.split("-") if part)[:80]


def _unused(name: str, taken: Iterable[str]) -> str:
    """Add a number to a name that is taken, as labels are that differ in punctuation alone."""
    names = set(taken)
    number = 1
    while (candidate := name if number == 1 else f"{name}-{number}") in names:
        number += 1
    return candidate
