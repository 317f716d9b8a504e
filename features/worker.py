"""A process that runs the network on groups of videos that another process hands to it."""

import os
import pickle
import socket
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from multiprocessing.connection import Connection
from typing import Any

from p3d_eval.backbones.backbone import Backbone
from p3d_eval.child_process import gather
from p3d_eval.errors import P3DEvalError, UserError
from p3d_eval.features.groups import Group
from p3d_eval.features.identity import field_difference
from p3d_eval.features.origin import plan_identity
from p3d_eval.features.planning import ExtractionPlan
from p3d_eval.features.results import Outcome


@dataclass(frozen=True)
class Want:
    """The worker would take one more group."""


@dataclass(frozen=True)
class Broken:
    """The worker met an error that no other worker would be spared; ``trace`` is for whoever mends it."""

    error: P3DEvalError | None
    what: str
    trace: str


Message = Outcome | Want | Broken


@dataclass(frozen=True)
class Orders:
    """An extraction as it travels to another process: the network as a recipe instead of itself.

    Parameters
    ----------
    plan : mapping
        The fields of the plan without the backbone.
    recipe : mapping
        Arguments of `load_backbone`.
    threads : int
        Threads of torch.
    """

    plan: Mapping[str, Any]
    recipe: Mapping[str, Any]
    threads: int

    @classmethod
    def of(cls, plan: ExtractionPlan, threads: int, workers: int) -> "Orders":
        """Pack a plan for processes of so many threads and decoders each.

        Raises
        ------
        UserError
            When nothing says how another process could load the network.
        """
        given = recipe_of(plan.backbone)
        found = {one.name: getattr(plan, one.name) for one in fields(plan) if one.name != "backbone"}
        found |= {"workers": workers, "store": replace(plan.store, annotations={})}
        # What auto means is decided where the extraction was planned.
        recipe = dict(given) | {"precision": plan.backbone.precision}
        return cls(found, recipe, threads)

    def unpack(self, device: str) -> ExtractionPlan:
        """Load the network and make the plan again.

        Raises
        ------
        UserError
            When the network or the decoder is not the same as where the plan was made.
        """
        import torch

        from p3d_eval.backbones import load_backbone

        torch.set_num_threads(self.threads)
        plan = ExtractionPlan(backbone=load_backbone(**self.recipe, device=device), **self.plan)
        clips = (plan.sampling, plan.views)
        here = plan_identity(plan.backbone, plan.layers, clips, plan.store.layers, plan.per_clip, plan.decoder)
        difference = field_difference({name: plan.store.identity[name] for name in here}, here)
        if difference is not None:
            name, there, found = difference
            raise UserError(
                f"{socket.gethostname()}: {name} is {found!r}, {there!r} where the extraction was planned",
                "Give every machine the same weights and packages",
            )
        _require_videos(plan)
        return plan


def recipe_of(backbone: Backbone) -> Mapping[str, Any]:
    """Return how other processes can load a network.

    Raises
    ------
    UserError
        When nothing says so.
    """
    if backbone.recipe is None:
        raise UserError(
            f"{backbone.name} was not made by load_backbone, and other processes cannot load it",
            "Load it with load_backbone, or extract in this process",
        )
    return backbone.recipe


def _require_videos(plan: ExtractionPlan) -> None:
    """Check that a video that was there when the extraction was planned is there where it is computed.

    Raises
    ------
    UserError
        When it is not: all of this machine's videos would be listed as failed.
    """
    there = (video for video, record in zip(plan.videos, plan.store.videos, strict=True) if record.size)
    video = next(there, None)
    if video is not None and not video.path.exists():
        raise UserError(
            f"{socket.gethostname()}: {video.path} is not there",
            "Every machine must see the videos under the same path",
        )


def work(orders: Orders, device: str, ask: Callable[[], Group | None], send: Callable[[Message], None]) -> None:
    """Compute groups for ever: ``ask`` for them (None: finish what is in hand first), ``send`` results.

    An error that is not of a single video is sent as `Broken`, and ends the work.
    """
    from p3d_eval.features.computing import compute_results

    try:
        plan = orders.unpack(device)
        while True:
            for outcome in compute_results(plan, _groups(ask, send)):
                send(outcome)
    except P3DEvalError as error:
        send(Broken(error, str(error), traceback.format_exc()))
    except Exception as error:  # noqa: BLE001  (raised again where the results are used)
        send(Broken(None, f"{type(error).__name__}: {error}", traceback.format_exc()))


def _groups(ask: Callable[[], Group | None], send: Callable[[Message], None]) -> Iterator[Group]:
    """Yield groups until there is none for now; each is asked for while the one before it is computed."""
    send(Want())
    while (group := ask()) is not None:
        send(Want())
        yield group


def main(connection: int, orders_file: int, device: str) -> None:
    """Work for the process at the other end of an inherited connection; end when it closes it, or dies."""
    link = Connection(connection)
    orders = pickle.loads(os.pread(orders_file, os.fstat(orders_file).st_size, 0))  # noqa: S301  (our own words)
    inbox = gather(link)
    sending = threading.Lock()

    def send(message: Message) -> None:
        with sending:
            link.send(message)

    work(orders, device, inbox.get, send)
