"""Plan a study: find what its cells depend on, name their files, refuse what is the same."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path

from p3d_eval.errors import UserError
from p3d_eval.features import open_features
from p3d_eval.files import file_name
from p3d_eval.protocols import PROTOCOLS
from p3d_eval.study.checking import check_extraction, check_out
from p3d_eval.study.content import Judged, extraction_key, find_judged, find_videos, shown
from p3d_eval.study.grid import Evaluation, Extraction, Study
from p3d_eval.study.keys import told_in_keys
from p3d_eval.study.layers import check_layers, find_takers, layer_problems, taken_layers
from p3d_eval.study.networks import find_network
from p3d_eval.study.plan import (
    FEATURES,
    Features,
    GivenFeatures,
    Plan,
    PlannedEvaluation,
    PlannedExtraction,
    Source,
)
from p3d_eval.study.rows import parts
from p3d_eval.study.tasks import ExtractTask

_ALLOW_MISSING = "allow_missing"


@told_in_keys()
def plan_study(study: Study, limit: int | None = None) -> Plan:
    """Find what the study's cells depend on, and name their files.

    Parameters
    ----------
    study : Study
    limit : int, optional
        Take so many videos of each data set, into a folder beside the study's own.

    Raises
    ------
    UserError
        When a file is absent, a name unknown, or two rows or evaluations are the same.
    """
    if limit is not None and limit < 1:
        raise UserError(f"--limit {limit}: must be 1 at least")
    folder = study.folder if limit is None else study.folder.with_name(f"{study.folder.name}-limit-{limit}")
    for cell in study.extractions:
        check_extraction(study.name, cell)
    networks = {
        row: find_network(study, row, study.rows[row])
        for row in dict.fromkeys(e.row for e in study.extractions)
    }
    videos = {
        dataset: find_videos(study, dataset, limit)
        for dataset in dict.fromkeys(e.dataset for e in study.extractions)
    }
    check_out(study, folder, videos)
    extractions: dict[tuple[str, str], PlannedExtraction] = {}
    for cell in study.extractions:
        network, files = networks[cell.row], videos[cell.dataset]
        key = extraction_key(cell, network, files)
        same = next((one.cell for one in extractions.values() if one.key == key), None)
        if same is not None:
            raise UserError(f"{study.name}: {_what_is_same(same, cell)}", "Leave one of them out")
        out = folder / FEATURES / f"{file_name(cell.dataset, cell.row, shown(key))}.h5"
        takers = find_takers(study, cell)
        check_layers(study.name, cell, network.backbone, takers)
        options = cell.settings.options
        task = ExtractTask(network.backbone, network.weights, options, cell.extract, files, out, takers)
        extractions[cell.row, cell.dataset] = PlannedExtraction(cell, key, task)
    cells = study.evaluations if limit is None else tuple(map(_lenient, study.evaluations))
    evaluations = tuple(_evaluations(study, cells, extractions, folder))
    return Plan(study, folder, tuple(extractions.values()), evaluations, limit)


def _what_is_same(one: Extraction, other: Extraction) -> str:
    if one.row == other.row:
        return f"[datasets.{one.dataset}] and [datasets.{other.dataset}] are the same videos"
    return f"[backbones.{one.row}] and [backbones.{other.row}] are the same network and options"


def _lenient(cell: Evaluation) -> Evaluation:
    """Let a trial leave out the videos that it does not take."""
    known = {one.name for one in fields(PROTOCOLS.load(cell.protocol).options)}
    if _ALLOW_MISSING not in known or _ALLOW_MISSING in cell.options:
        return cell
    return replace(cell, options={**cell.options, _ALLOW_MISSING: "excluded"})


def _evaluations(
    study: Study,
    cells: Sequence[Evaluation],
    extractions: Mapping[tuple[str, str], PlannedExtraction],
    folder: Path,
) -> list[PlannedEvaluation]:
    found: dict[str, PlannedEvaluation] = {}
    judged: dict[tuple[str, str, str], Judged] = {}  # annotations are read once, not once a row
    datasets: dict[str, set[str]] = {}
    for cell in cells:
        datasets.setdefault(cell.run, set()).add(cell.dataset)
    for cell in cells:
        settings = study.rows[cell.row]
        sources = tuple(_source(study, row, cell.dataset, extractions) for row in parts(study.rows, cell.row))
        _check_given(study.name, cell, sources)
        where = (cell.run, cell.point, cell.dataset)
        given = [one for one in sources if isinstance(one, GivenFeatures)]
        if given:  # annotations may be embedded there, or lie beside the file
            own = find_judged(study, cell, open_features(given[0].path))
        elif where in judged:
            own = judged[where]
        else:
            own = judged[where] = find_judged(study, cell, folder / FEATURES / "features.h5")
        label = settings.label or cell.row
        label = f"{label}, {cell.dataset}" if len(datasets[cell.run]) > 1 else label
        planned = PlannedEvaluation(cell, own, sources, label, settings.fusion, settings.fusion_weights)
        features = [Features(_source_key(one), 0, {}, {}) for one in sources]
        first = found.setdefault(planned.key(features), planned)
        if first is not planned:
            raise UserError(
                f"{study.name}: {first.cell.name} and {cell.name} are the same", "Leave one of them out"
            )
    return list(found.values())


def _check_given(name: str, cell: Evaluation, sources: Sequence[Source]) -> None:
    """Check that feature files made elsewhere have the layers that an evaluation takes of them."""
    for source, taken in zip(sources, taken_layers(name, cell, len(sources)), strict=True):
        if isinstance(source, GivenFeatures):
            store = open_features(source.path)
            for problem in layer_problems({cell.name: taken}, store.layers, store.aslan_layers).values():
                raise UserError(f"{name}: {problem.message}", problem.hint)


def _source(
    study: Study, row: str, dataset: str, extractions: Mapping[tuple[str, str], PlannedExtraction]
) -> Source:
    given = study.rows[row].features
    if not given:
        return extractions[row, dataset]
    path = study.base / Path(str(given[dataset])).expanduser()
    if not path.exists():
        raise UserError(
            f"[backbones.{row}] in {study.name}: features.{dataset}: {path} does not exist",
            "Paths are relative to the study file",
        )
    return GivenFeatures(path)


def _source_key(source: Source) -> str:
    return source.key if isinstance(source, PlannedExtraction) else source.features().key
