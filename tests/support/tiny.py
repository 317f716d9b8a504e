"""A network small enough for tests, loaded as ``tests/support/tiny.py:factory``."""

import os
import time

import torch
from torch import Tensor, nn

from p3d_eval.backbones import InputSpec, Network

SPEC = InputSpec(
    clip_length=4, resize=(18, 34), crop=(16, 32), mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4), value_range=(0, 1)
)
CLASSES = ("run", "jump", "wave", "clap", "sit")


class Tiny(nn.Module):
    """Convolution, ReLU, global pool, softmax.

    With TINY_DELAY seconds of sleep a batch, and then as written: a graph would not sleep.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(3, 6, (3, 5, 5), stride=(1, 4, 4), padding=(1, 2, 2))
        self.res = nn.ReLU()
        self.pool5 = nn.AdaptiveAvgPool3d(1)
        self.flat = nn.Flatten()
        self.fc = nn.Linear(6, len(CLASSES))
        self.prob = nn.Softmax(1)

    def forward(self, x: Tensor) -> Tensor:
        delay = float(os.environ.get("TINY_DELAY", "0"))
        if delay and bool(x.isfinite().all()):  # what depends on values cannot be traced
            time.sleep(delay)
        return self.prob(self.fc(self.flat(self.pool5(self.res(self.conv(x))))))


def factory(gain: str = "1") -> Network:
    """Build the network; ``gain`` scales the convolution (1e39 gives infinities)."""
    module = Tiny()
    with torch.no_grad():
        module.conv.weight.mul_(float(gain))
    return Network(
        module=module,
        input_spec=SPEC,
        layers=("res", "flat", "prob"),
        classes=CLASSES,
        trained_on="nothing",
        aslan_layers=("prob", "flat", "res"),
        random=True,
    )
