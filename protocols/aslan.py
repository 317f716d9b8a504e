"""ASLAN: do two videos show the same action? Twelve similarities a layer, linear SVM, ten folds.

Protocol: Kliper-Gross, Hassner and Wolf, TPAMI 34(3) 2012, View 2. Features and pair vector: C3D (Tran et
al., ICCV 2015, section 5) and P3D (Qiu, Yao and Mei, ICCV 2017, section 5).
"""

from collections.abc import Mapping
from dataclasses import asdict, replace

import numpy as np

from p3d_eval.errors import UserError
from p3d_eval.features import FeatureStore
from p3d_eval.protocols.annotations import aslan as lists
from p3d_eval.protocols.annotations import aslan_view1 as view1
from p3d_eval.protocols.annotations.pairs import Pairs
from p3d_eval.protocols.aslan_description import VIEW_1_WARNING, describe_choices, describe_pairs
from p3d_eval.protocols.aslan_folds import VECTORS, FoldOutcome, Vector, chosen_in_folds, run_folds, summarise
from p3d_eval.protocols.aslan_options import Options
from p3d_eval.protocols.aslan_rows import baseline_variant, row_variants
from p3d_eval.protocols.aslan_vectors import copies_across_folds, find_layers, match_pairs, pair_vectors
from p3d_eval.protocols.description import certificate_warnings, describe_features, feature_warnings
from p3d_eval.protocols.leaks import training_leaks, unofficial_lists
from p3d_eval.protocols.protocol import AnnotationFiles, AnnotationOption, Protocol
from p3d_eval.protocols.result import Result, Scores, Variant
from p3d_eval.protocols.timing import Timer

VERSION = "1"


def run(store: FeatureStore, annotations: AnnotationFiles | None, options: Options) -> Result:
    """Train on all folds but one, test on that one, for each fold.

    Parameters
    ----------
    store : FeatureStore
        Features with the wanted layers.
    annotations : AnnotationFiles
        The pairs.
    options : Options

    Returns
    -------
    Result
        ``accuracy`` (mean of the folds ± standard error), ``auc`` (over all decision values together) and
        ``auc_mean_of_folds``; the variants show the other ways of scaling the pair vector, a threshold on the
        cosine, and with ``rows`` each similarity and layer alone.

    Raises
    ------
    UserError
        When the pairs are wrong, videos are missing without ``allow_missing``, a layer is unknown, or a
        value has no root.
    """
    if annotations is None:
        raise UserError("aslan: no pairs", "Give them with --pairs View2.mat")
    timer, classifier = Timer(), options.make_classifier()
    with timer.phase("annotations"):
        pairs = (lists if options.view == "2" else view1).parse(annotations.files)
        found, coverage = match_pairs(store, pairs, options.allow_missing)
    layers = find_layers(store, options.layers)
    options = options.with_layers(layers, store.aslan_layers)
    with timer.phase("similarities"):
        vectors, usable = pair_vectors(store, pairs, found, layers, options)
    kept = usable | (options.allow_missing == "wrong")
    with timer.phase("classify"):
        outcomes = {vector: run_folds(pairs, vectors, usable, kept, vector, classifier) for vector in VECTORS}
        variants = (*_variants(outcomes, options.vector), baseline_variant(pairs, vectors, usable, kept))
    certificates = tuple(one for folds in outcomes.values() for fold in folds for one in fold.certificates)
    if options.rows:
        with timer.phase("rows"):
            cells, proofs = row_variants(pairs, vectors, usable, kept, layers, classifier)
        variants, certificates = (*variants, *cells), (*certificates, *proofs)
    described = describe_pairs(annotations, pairs, coverage, options)
    with timer.phase("leaks"):
        leaks = (
            *_told_leaks(store, annotations, official=not described["deviations"]),
            *copies_across_folds(store, pairs, found, layers),
        )
    headline = outcomes[options.vector]
    return Result(
        protocol="aslan",
        version=VERSION,
        label=store.label,
        metrics=summarise(headline),
        options=asdict(options),
        choices=describe_choices(store, layers, pairs, options, headline),
        features=describe_features(store, layers),
        annotations=described,
        coverage=coverage,
        splits=tuple(outcome.split for outcome in headline),
        variants=variants,
        certificates=certificates,
        warnings=(
            *certificate_warnings(certificates),
            *leaks,
            *feature_warnings(store),
            *pairs.warnings(),
            *([VIEW_1_WARNING] if options.view == "1" else []),
        ),
        seconds=timer.seconds,
        scores=_scores(pairs, found, headline),
    )


def _told_leaks(store: FeatureStore, annotations: AnnotationFiles, *, official: bool) -> tuple[str, ...]:
    """Warn of leaks that show in what weights and lists say of themselves."""
    trained_on = store.provenance.get("trained_on") or ""
    return (*training_leaks("aslan", trained_on), *unofficial_lists("aslan", annotations, official))


def _variants(outcomes: Mapping[Vector, list[FoldOutcome]], headline: Vector) -> tuple[Variant, ...]:
    return tuple(
        Variant(vector, {"vector": vector} | chosen_in_folds(folds), summarise(folds), vector == headline)
        for vector, folds in outcomes.items()
    )


def _scores(pairs: Pairs, found: list[str | None], outcomes: list[FoldOutcome]) -> Scores:
    rows = np.concatenate([outcome.rows for outcome in outcomes])
    names = np.array([video or "" for video in found])
    return Scores(
        ids=np.column_stack([names[pairs.first[rows]], names[pairs.second[rows]]]),
        split=pairs.fold[rows],
        labels=pairs.same[rows].astype(np.int64),
        classes=np.array(["same"]),
        scores=np.concatenate([outcome.decision for outcome in outcomes]).astype(np.float32),
        # No action is in two folds, while pairs of one fold share videos.
        clusters=np.array(pairs.fold_names)[pairs.fold[rows]] if len(outcomes) > 1 else None,
        cluster_kind="folds" if len(outcomes) > 1 else "pairs",
    )


def _specialise(options: Options) -> Protocol:
    return replace(PROTOCOL, reader=view1.READER) if options.view == "1" else PROTOCOL


PROTOCOL: Protocol = Protocol(
    name="aslan",
    version=VERSION,
    summary="Action similarity on ASLAN: twelve similarities a layer, linear SVM, ten given folds.",
    options=Options,
    run=run,
    reader=lists.READER,
    annotation_option=AnnotationOption(
        "pairs", "View2.mat, or a CSV fold,id1,id2,same[,class1,class2]; for --view 1 the folder of its lists."
    ),
    needs_annotations=True,
    specialise=_specialise,
    other_readers=(view1.READER,),
)
