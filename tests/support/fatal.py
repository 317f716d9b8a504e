"""The tiny network, which kills its process when it sees a bright clip: ``tests/support/fatal.py:factory``.

``FATAL`` names a file in which every such death is noted; where it is not set, nothing happens. With
``FATAL_ONCE`` the first death is the only one.
"""

import os
import signal
from pathlib import Path

from torch import Tensor

from p3d_eval.backbones import Network
from tests.support import tiny

BRIGHT = 1.5  # mean of a normalised clip of white frames; numbered ones stay below


class Fatal(tiny.Tiny):
    """Tiny, with a fear of light."""

    def forward(self, x: Tensor) -> Tensor:
        bright = bool((x.mean(dim=(1, 2, 3, 4)) > BRIGHT).any())  # so it runs as written, never as a graph
        deaths = os.environ.get("FATAL")
        if bright and deaths is not None:
            with Path(deaths).open("ab") as file:
                first = file.tell() == 0
                if first or "FATAL_ONCE" not in os.environ:
                    file.write(b"!")
                    file.flush()
                    os.kill(os.getpid(), signal.SIGKILL)
        return super().forward(x)


def factory() -> Network:
    """Build the network."""
    made = tiny.factory()
    fatal = Fatal()
    fatal.load_state_dict(made.module.state_dict())
    return Network(
        module=fatal,
        input_spec=tiny.SPEC,
        layers=made.layers,
        classes=made.classes,
        aslan_layers=made.aslan_layers,
        random=True,
    )
