"""What is wrong with a run's inputs, found without reading a feature: a protocol as far as its first number."""

from contextlib import suppress
from copy import copy
from typing import Any, NoReturn

from p3d_eval.features import FeatureStore
from p3d_eval.features.layer import Layer
from p3d_eval.protocols.fused_store import FusedStore
from p3d_eval.protocols.protocol import AnnotationFiles, Protocol


class _Reached(Exception):  # noqa: N818 (no error: the end of the rehearsal)
    """The first feature is wanted."""


class _UnreadLayer(Layer):
    def _read(self, *_: Any, **__: Any) -> NoReturn:
        raise _Reached


class _UnreadStore(FeatureStore):
    """A feature file that tells everything but features."""

    def __getitem__(self, layer: str) -> Layer:
        return _UnreadLayer(self, self.extent(layer))

    def clip_features(self, video: str, layer: str) -> NoReturn:
        self.clip_starts(video)
        self.extent(layer)
        raise _Reached


def rehearse(
    protocol: Protocol, store: FeatureStore | FusedStore, annotations: AnnotationFiles | None, options: Any
) -> None:
    """Run a protocol until it wants features: by then lists are read, videos matched, and settings checked.

    Raises
    ------
    UserError
        What the run would raise until there.
    """
    with suppress(_Reached):
        protocol.run(_unread(store), annotations, options)


def _unread(store: Any) -> Any:
    if isinstance(store, FusedStore):
        unread = copy(store)
        unread.parts = tuple(_unread(part) for part in store.parts)
        return unread
    return _UnreadStore(store.path)
