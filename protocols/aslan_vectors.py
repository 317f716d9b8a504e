"""From pairs to vectors: samples matched to the store, layers, similarities, and copies across folds."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from p3d_eval.errors import UserError
from p3d_eval.features import FeatureStore
from p3d_eval.protocols.annotations import aslan as lists
from p3d_eval.protocols.annotations.pairs import Pairs
from p3d_eval.protocols.aslan_options import Options
from p3d_eval.protocols.description import AllowMissing, make_coverage
from p3d_eval.protocols.layer_view import LayerView
from p3d_eval.protocols.leaks import describe_copies
from p3d_eval.protocols.near_duplicates import CopySearch, NearCopies, closest
from p3d_eval.protocols.pair_vectors import layer_similarities
from p3d_eval.protocols.result import Coverage
from p3d_eval.protocols.similarities import SIMILARITIES

_TELLING = 512  # values of a layer that tells videos apart; shorter ones are mostly class probabilities
_MANY_VALUES = 1 << 14
_READ_VALUES = 1 << 24  # of a layer at once


def match_pairs(
    store: FeatureStore, pairs: Pairs, allow_missing: AllowMissing
) -> tuple[list[str | None], Coverage]:
    """Find the store's id of each sample, None where it has no features.

    Raises
    ------
    UserError
        When samples are missing without ``allow_missing``.
    """
    matched = lists.match_samples(pairs, store.expected_ids)
    stored = set(store.ids)
    found = [video if (video := matched[name]) in stored else None for name in pairs.names]
    missing = [name for name, video in zip(pairs.names, found, strict=True) if video is None]
    return found, make_coverage(store, len(found), missing, allow_missing, "the pairs")


def find_layers(store: FeatureStore, wanted: str | None) -> tuple[str, ...]:
    """Names of the layers to use, in order, each stored.

    Raises
    ------
    UserError
        When a name is empty, unknown or given twice, or none is registered and none given.
    """
    names = store.aslan_layers if wanted is None else tuple(name.strip() for name in wanted.split(","))
    if not names or not all(names):
        raise UserError(
            f"{store.path}: the backbone {store.provenance['backbone']!r} registers no layers for ASLAN"
            if wanted is None
            else f"layers: {wanted!r} holds an empty name",
            f"Name them: --layers {','.join(store.layers)}",
        )
    if len(set(names)) < len(names):
        raise UserError(f"layers: {wanted!r} names a layer twice")
    absent = [name for name in names if name not in store.layers]
    if wanted is None and absent:
        kept = ",".join(name for name in names if name in store.layers) or ",".join(store.layers)
        raise UserError(
            f"{store.path}: holds no {', '.join(absent)} of the network's layers for ASLAN",
            f"Extract without --layers, which stores them all; or name what is there: --layers {kept}",
        )
    for name in names:
        store.shape(name)  # an unknown one is an error before any work
    return names


def pair_vectors(
    store: FeatureStore,
    pairs: Pairs,
    found: Sequence[str | None],
    layers: Sequence[str],
    options: Options,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Twelve values a layer of every pair, and which pairs have features of both videos (others hold 0)."""
    position = {video: row for row, video in enumerate(video for video in found if video is not None)}
    rows = np.array([position[video] if video is not None else -1 for video in found], np.intp)
    first, second = rows[pairs.first], rows[pairs.second]
    usable = (first >= 0) & (second >= 0)
    vectors = np.zeros((len(first), len(SIMILARITIES) * len(layers)))
    for number, layer in enumerate(layers):
        columns = slice(number * len(SIMILARITIES), (number + 1) * len(SIMILARITIES))
        vectors[usable, columns] = layer_similarities(
            store,
            layer,
            list(position),
            first[usable],
            second[usable],
            normalise=options.video_normalisation,
            negatives=options.negatives,
            eps=options.eps,
            device=options.device,
            pooling=options.pooling,
            last_rows=options.last_rows,
        )
    return vectors, usable


def copies_across_folds(
    store: FeatureStore, pairs: Pairs, found: Sequence[str | None], layers: Sequence[str]
) -> list[str]:
    """Warn of tested videos that training holds under another name, by one layer that tells videos apart.

    Of a layer of many values the channels' means are compared.
    """
    rows = np.flatnonzero([video is not None for video in found])
    videos = [video for video in found if video is not None]
    views = [
        LayerView(store, layer, "avg" if store[layer].shape[1] > _MANY_VALUES else "flatten")
        for layer in layers
    ]
    telling = [view for view in views if view.shape[1] >= _TELLING]
    view = min(telling or views, key=lambda one: one.stored_width if telling else -one.shape[1])
    step = max(1, _READ_VALUES // view.stored_width)
    parts = [view.rows(videos[start : start + step]) for start in range(0, len(videos), step)]
    search = CopySearch(np.concatenate(parts))
    place = np.full(len(found), -1, np.intp)
    place[rows] = np.arange(len(rows))
    found_in: list[NearCopies] = []
    for fold in pairs.tested_folds:
        tested = np.unique(np.concatenate([pairs.first[pairs.fold == fold], pairs.second[pairs.fold == fold]]))
        trained = np.unique(np.concatenate([pairs.first[pairs.fold != fold], pairs.second[pairs.fold != fold]]))
        there = [part[place[part] >= 0] for part in (tested, np.setdiff1d(trained, tested))]
        found_in.append(search.find(place[there[1]], place[there[0]]))
    names = {number: pairs.names[row] for number, row in enumerate(rows.tolist())}
    return describe_copies(closest(found_in), names, "folds", len(rows))
