"""Convolutions as they run fastest: those of one frame, or of one pixel through time, are two-dimensional."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

# frames: 1 × k × k, time goes into the batch; times: k × 1 × 1, on images of T × (H · W);
# volumes and images: as they are.
Kind = Literal["frames", "times", "volumes", "images"]


def kind_of(weight: Tensor, stride: list[int], padding: list[int]) -> Kind:
    """Choose how to run a convolution."""
    if weight.ndim == 4:
        return "images"
    kernel = list(weight.shape[2:])
    if kernel[0] == stride[0] == 1 and padding[0] == 0:
        return "frames"
    if kernel[1:] == stride[1:] == [1, 1] and padding[1:] == [0, 0]:
        return "times"
    return "volumes"


class Convolution(nn.Module):
    """A convolution with what follows it: bias, sum with another tensor, ReLU. Channels lie together in memory.

    Parameters
    ----------
    weight : Tensor
        out × in × [k ×] k × k.
    bias : Tensor or None
        One number a channel.
    stride, padding, dilation : list of int
        Per axis, as many as the kernel has.
    groups : int
        Groups of channels.
    """

    weight: Tensor
    bias: Tensor | None
    # Whether the sum may be written into ``other``, which nothing reads afterwards.
    other_is_free = False

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor | None,
        stride: list[int],
        padding: list[int],
        dilation: list[int],
        groups: int,
    ) -> None:
        super().__init__()
        self.kind = kind_of(weight, stride, padding)
        if self.kind == "frames":
            weight, stride, padding, dilation = weight.squeeze(2), stride[1:], padding[1:], dilation[1:]
        elif self.kind == "times":
            weight, stride, padding, dilation = (
                weight.squeeze(-1),
                [stride[0], 1],
                [padding[0], 0],
                [dilation[0], 1],
            )
        self.layout = torch.channels_last_3d if weight.ndim == 5 else torch.channels_last
        self.register_buffer("weight", weight.contiguous(memory_format=self.layout))
        self.register_buffer("bias", bias)
        self.stride, self.padding, self.dilation, self.groups = stride, padding, dilation, groups
        self.relu = False

    def forward(self, x: Tensor, other: Tensor | None = None) -> Tensor:
        """[ReLU](convolution(x) [+ other])."""
        flat = self._flatten(x)
        y = self._convolve(flat, None if other is None else self._flatten(other))
        if self.kind == "frames":
            return y.unflatten(0, (x.shape[0], x.shape[2])).transpose(1, 2)
        if self.kind == "times":
            return y.unflatten(3, x.shape[3:])
        return y

    def _flatten(self, x: Tensor) -> Tensor:
        if x.ndim == 4:
            return x.contiguous(memory_format=torch.channels_last)
        x = x.contiguous(memory_format=torch.channels_last_3d)
        if self.kind == "frames":
            return x.transpose(1, 2).flatten(0, 1)
        return x.flatten(3) if self.kind == "times" else x

    def _convolve(self, x: Tensor, other: Tensor | None) -> Tensor:
        run = functional.conv3d if self.kind == "volumes" else functional.conv2d
        y = run(x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)
        if other is not None:
            y.add_(other)
        return y.relu_() if self.relu else y


class OneDnnConvolution(Convolution):
    """The same through oneDNN's fused kernels, with weights laid out once: for one input shape on CPUs.

    oneDNN's ReLU makes 0 of NaN: whoever uses it checks that the network gives finite numbers.
    """

    packed: Tensor | None = None

    def _convolve(self, x: Tensor, other: Tensor | None) -> Tensor:
        place = (self.padding, self.stride, self.dilation, self.groups)
        if self.packed is None:
            self.packed = torch.ops.mkldnn._reorder_convolution_weight(self.weight, *place, list(x.shape))
            del self.weight
        after = "relu" if self.relu else "none"
        if other is None:
            return torch.ops.mkldnn._convolution_pointwise(x, self.packed, self.bias, *place, after, [], "")
        if self.other_is_free:
            return torch.ops.mkldnn._convolution_pointwise_.binary(
                other, x, self.packed, self.bias, *place, "add", 1.0, after if self.relu else None, [], ""
            )
        return torch.ops.mkldnn._convolution_pointwise.binary(
            x, other, self.packed, self.bias, *place, "add", 1.0, after if self.relu else None, [], ""
        )


def has_onednn() -> bool:
    """Whether this build of torch has oneDNN's fused convolutions."""
    names = ("_convolution_pointwise", "_convolution_pointwise_", "_reorder_convolution_weight")
    return bool(torch.backends.mkldnn.is_available()) and all(hasattr(torch.ops.mkldnn, name) for name in names)
