"""The official P3D networks as Caffe layers, made from the rules that the authors' prototxt follows, and run.

This is the oracle of P3D: it shares no code with the package. A network is a list of Caffe layers on named
blobs; ReLU works in place; batch norm is written out; pooling pads the end and takes the maximum.
Source of the rules: the deploy prototxt files of ZhaofanQiu/pseudo-3d-residual-networks.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch.nn import functional

from tests.support import caffemodel

EPSILON = 1e-5
P3D199 = (
    ("2a", "2b", "2c"),
    ("3a", *(f"3b{n}" for n in range(1, 8))),
    ("4a", *(f"4b{n}" for n in range(1, 36))),
    ("5a", "5b", "5c"),
)


@dataclass
class Layer:
    """One Caffe layer; ``text`` is its parameters as the official list prints them."""

    name: str
    kind: str
    bottoms: list
    top: str
    text: str
    shape: list
    kernel: tuple = ()
    stride: tuple = ()
    pad: tuple = ()
    coefficients: tuple = (1.0, 1.0)
    weights: list = field(default_factory=list)

    def line(self) -> str:
        """Return the layer as a line of the official list."""
        return f"{self.name} {self.kind} <- {','.join(self.bottoms)} -> {self.top} {self.text} {self.shape}"


class Official:
    """A network under construction: every method appends a layer and returns the name of its top."""

    def __init__(self, blocks=P3D199, channels=3, size=160, variant="ABC", halved=True, classes=487):
        self.layers: list[Layer] = []
        self.shapes = {}
        self.index = 0
        self.variant, self.halved = variant, halved
        self.append("data", "Input", [], [channels, 16, size, size])
        top = self.conv_bn("conv1", "bn_conv1", "data", 64, (1, 7, 7), (1, 2, 2), (0, 3, 3), frozen="false")
        self.relu("conv1_relu", top)
        top = self.pool("pool1", top, (2, 3, 3), (2, 2, 2))
        for stage, names in enumerate(blocks, start=2):
            top = self.enter(stage, top)
            for name in names:
                stride = 2 if stage > 2 and name == names[0] else 1
                top = self.block(name, top, 32 * 2 ** (stage - 1), stride, flat=stage == 5)
        self.append("pool5", "Pooling", [top], [2048, 1, 1], "{'pool': 'AVE', 'global_pooling': 'true'}")
        self.append("pool5_drop", "Dropout", ["pool5"], [2048, 1, 1], "", top="pool5")
        self.append("fc_sports1m", "InnerProduct", ["pool5"], [classes], "")
        self.append("prob", "Softmax", ["fc_sports1m"], [classes], "")

    def append(self, name, kind, bottoms, shape, text="", top=None, **extra):
        self.layers.append(Layer(name, kind, bottoms, top or name, text, shape, **extra))
        self.shapes[top or name] = shape
        return top or name

    def enter(self, stage, top):
        """Halve time before res3, res4 and res5, and drop the axis before res5."""
        if stage == 2:
            return top
        top = self.pool(f"{'res5a' if stage == 5 else f'{stage}a'}_pool", top, (2, 1, 1), (2, 1, 1))
        if stage == 5:
            channels, _, height, width = self.shapes[top]
            text = f"[[('shape', [('dim', '0'), ('dim', '0'), ('dim', '{height}'), ('dim', '{width}')])]]"
            top = self.append("res5a_reshape", "Reshape", [top], [channels, height, width], text)
        return top

    def pool(self, name, bottom, kernel, stride):
        words = {"pool": "MAX", "pad": 0, "kernel_size": kernel[1], "stride": stride[1]}
        words |= {"pad_l": 0, "kernel_l": kernel[0], "stride_l": stride[0]}
        text = str({key: str(value) for key, value in words.items()})
        channels, *sizes = self.shapes[bottom]
        out = [-(-(n - k) // s) + 1 for n, k, s in zip(sizes, kernel, stride, strict=True)]
        return self.append(name, "Pooling3D", [bottom], [channels, *out], text, kernel=kernel, stride=stride)

    def conv_bn(self, name, bn, bottom, out, kernel, stride, pad, frozen="true"):
        sizes = self.shapes[bottom][1:]
        shape = [out] + [
            (n + 2 * p - k) // s + 1 for n, k, s, p in zip(sizes, kernel, stride, pad, strict=True)
        ]
        words = ["x".join(map(str, kernel)), ",".join(map(str, stride)), ",".join(map(str, pad))]
        text = f"k={words[0]} s={words[1]} p={words[2]} bias=['false']"
        self.append(name, "Convolution", [bottom], shape, text, kernel=kernel, stride=stride, pad=pad)
        return self.append(bn, "BN", [name], shape, f"frozen={frozen} ")

    def relu(self, name, blob):
        return self.append(name, "ReLU", [blob], self.shapes[blob], "", top=blob)

    def add(self, name, bottoms, coefficients=None):
        text = "[[('operation', 'SUM')"
        for value in coefficients or ():
            text += f", ('coeff', '{value:g}')"
        extra = {"coefficients": coefficients} if coefficients else {}
        return self.append(name, "Eltwise", bottoms, self.shapes[bottoms[0]], f"{text}]]", **extra)

    def block(self, name, bottom, width, stride, flat):
        def kernel(t, s):
            return (s, s) if flat else (t, s, s)

        def conv(branch, source, out, k, s, p):
            return self.conv_bn(f"res{name}_{branch}", f"bn{name}_{branch}", source, out, k, s, p)

        strides = (stride, stride) if flat else (1, stride, stride)
        none, one = kernel(0, 0), kernel(1, 1)
        shortcut = bottom
        if self.shapes[bottom][0] != 4 * width:
            shortcut = conv("branch1", bottom, 4 * width, one, strides, none)
        u = conv("branch2a", bottom, width, one, strides, none)
        self.relu(f"res{name}_branch2a_relu", u)
        v = conv("branch2b", u, width, kernel(1, 3), one, kernel(0, 1))
        self.relu(f"res{name}_branch2b_relu", v)
        if not flat:
            v = self.temporal(name, u, v, width)
        last = conv("branch2c", v, 4 * width, one, one, none)
        out = self.add(f"res{name}", [shortcut, last])
        return self.relu(f"res{name}_relu", out)

    def temporal(self, name, u, s, width):
        kind = self.variant[self.index % len(self.variant)]
        self.index += 1
        source = u if kind == "B" else s
        t = self.conv_bn(
            f"res{name}_branch2b_t", f"bn{name}_branch2b_t", source, width, (3, 1, 1), (1, 1, 1), (1, 0, 0)
        )
        if kind == "A":
            return self.relu(f"res{name}_branch2b_t_relu", t)
        half = 0.5 if kind == "C" and self.halved else 1.0
        total = self.add(f"res{name}_branch2b_st", [s, t], (half, half))
        return self.relu(f"res{name}_branch2b_st_relu", total)

    def run(self, clip, keep, seed=0):
        """Run the layers in order, drawing weights as they are met; return the blobs in ``keep``.

        Batch-norm statistics are the measured ones, disturbed, so that activations stay of order one.
        """
        draw = torch.Generator().manual_seed(seed)
        last_use = {bottom: n for n, layer in enumerate(self.layers) for bottom in layer.bottoms}
        blobs = {"data": clip}
        for n, layer in enumerate(self.layers[1:], start=1):
            blobs[layer.top] = _step(layer, [blobs[bottom] for bottom in layer.bottoms], draw)
            assert list(blobs[layer.top].shape[1:]) == layer.shape, layer.line()
            for bottom in layer.bottoms:
                if last_use[bottom] == n and bottom not in keep and bottom != layer.top:
                    del blobs[bottom]
        return {name: blobs[name] for name in keep}

    def caffemodel(self) -> bytes:
        """Return the network with its weights as a binary NetParameter; batch norm as 1 × C × 1 …."""
        encoded = []
        for layer in self.layers:
            blobs = []
            for w in layer.weights:
                shape = (1, *w.shape, *(1 for _ in layer.shape[1:])) if layer.kind == "BN" else None
                blobs.append(caffemodel.blob(w.numpy(), shape))
            encoded.append(caffemodel.layer(layer.name, layer.kind, blobs, layer.bottoms, layer.top))
        return caffemodel.net("P3D", encoded)


def _step(layer, bottoms, draw):
    x = bottoms[0]
    if layer.kind == "Convolution":
        fan_in = x.shape[1] * int(np.prod(layer.kernel))
        w = torch.randn(layer.shape[0], x.shape[1], *layer.kernel, generator=draw) * (2 / fan_in) ** 0.5
        layer.weights = [w]
        conv = functional.conv2d if x.ndim == 4 else functional.conv3d
        return conv(x, w, stride=layer.stride, padding=layer.pad)
    if layer.kind == "BN":
        return _batch_norm(layer, x, draw)
    if layer.kind == "ReLU":
        return x.clamp_(min=0)
    if layer.kind == "Eltwise":
        return layer.coefficients[0] * x + layer.coefficients[1] * bottoms[1]
    if layer.kind == "Pooling3D":
        return _pool(x, layer)
    if layer.kind == "Reshape":
        return x.reshape(len(x), *layer.shape)
    if layer.kind == "Pooling":
        return x.mean((2, 3), keepdim=True)
    if layer.kind == "InnerProduct":
        w = torch.randn(layer.shape[0], 2048, generator=draw) * 0.02
        b = torch.randn(layer.shape[0], generator=draw) * 0.1
        layer.weights = [w, b]
        return x.flatten(1) @ w.T + b
    if layer.kind == "Softmax":
        return (x - x.logsumexp(1, keepdim=True)).exp()
    assert layer.kind == "Dropout"
    return x


def _batch_norm(layer, x, draw):
    channels = x.shape[1]
    axes = [0, *range(2, x.ndim)]
    some = x if x.ndim == 4 else x[:, :, :1]  # one frame is enough to measure on
    noise = torch.rand(4, channels, generator=draw)
    last = layer.name.endswith("branch2c")  # a residual branch at full size would double the variance
    slope = (0.1 + 0.2 * noise[0]) if last else (0.5 + noise[0])
    bias = 0.4 * noise[1] - 0.2
    mean = some.mean(axes) * (0.8 + 0.4 * noise[2])
    # Small maps have channels of hardly any variance, which would amplify rounding: mix with the mean.
    measured = some.var(axes, correction=0)
    variance = (measured + measured.mean()) * (0.35 + 0.3 * noise[3])
    layer.weights = [slope, bias, mean, variance]
    view = (1, -1, *(1 for _ in x.shape[2:]))
    scaled = (x - mean.view(view)).div_(torch.sqrt(variance.view(view) + EPSILON))
    return scaled.mul_(slope.view(view)).add_(bias.view(view))


def _pool(x, layer):
    pads = []
    for n, k, s, out in zip(x.shape[2:], layer.kernel, layer.stride, layer.shape[1:], strict=True):
        pads = [0, max(0, (out - 1) * s + k - n), *pads]
    return functional.max_pool3d(functional.pad(x, pads, value=-torch.inf), layer.kernel, layer.stride)
