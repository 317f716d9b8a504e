"""What a network costs whatever it runs on: parameters, bytes, multiply-adds of one clip."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch.utils.flop_counter import FlopCounterMode

from p3d_eval.backbones.backbone import Backbone, LayerTexts
from p3d_eval.backbones.capture import capture
from p3d_eval.backbones.imagining import CLIPS, imagine
from p3d_eval.backbones.layers import LayerRequest, parse_layers


@dataclass(frozen=True)
class Cost:
    """Size and arithmetic of a network.

    Parameters
    ----------
    parameters : int or None
        Trainable numbers (weights, biases, affine parts of batch norm); None where another library holds them.
    model_bytes : int
        Bytes of parameters and buffers (running statistics) as they lie in memory, or in the file.
    macs : int or None
        Multiply-adds of one clip, in convolutions and matrix products, as far as the last layer asked for; None
        where PyTorch sees none, as in a network that another library runs.
    """

    parameters: int | None
    model_bytes: int
    macs: int | None

    @property
    def flops(self) -> int | None:
        """Floating-point operations: a multiply-add is two."""
        return None if self.macs is None else 2 * self.macs


def measure_cost(backbone: Backbone, layers: LayerTexts) -> Cost:
    """Count parameters, bytes and the multiply-adds of one clip.

    The network runs on shapes alone where all its operators have a shape rule, else on zeros.

    Parameters
    ----------
    backbone : Backbone
        The network; its input specification says how large a clip is.
    layers : str or sequence of str
        ``[alias=]layer[:reduction]``; what comes after the last of them is not counted.

    Raises
    ------
    UserError
        When a layer is unknown or did not run.
    """
    module, held = backbone.module, backbone.network.held_bytes
    tensors = [*module.parameters(), *module.buffers()]
    return Cost(
        parameters=backbone.network.parameters,
        model_bytes=sum(tensor.nbytes for tensor in tensors) if held is None else held,
        macs=_count(backbone, parse_layers(layers)) // 2 or None,
    )


def _count(backbone: Backbone, requests: tuple[LayerRequest, ...]) -> int:
    """Floating-point operations of one clip."""
    shape = backbone.input_spec.input_shape
    modules = backbone.modules_of(requests)
    calls = backbone.count_calls(requests, shape)

    def look(run: Callable[[], Any]) -> int:
        with FlopCounterMode(display=False) as counter:
            capture(modules, requests, run, calls, backbone.batch(CLIPS, shape[1]))
        return int(counter.get_total_flops())

    return imagine(backbone, shape, look) // CLIPS
