"""Small networks as files of torch.export and ONNX."""

import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

INPUT = {
    "input_spec": {
        "mean": [0.4, 0.5, 0.6],
        "std": [0.2, 0.3, 0.4],
        "value_range": [0, 1],
        "resize": [18, 34],
        "frame_stride": 2,
    },
    "classes": ["run", "jump", "wave"],
    "trained_on": "nothing",
}


class Clips(nn.Module):
    """A map, its mean and probabilities, as a dictionary."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.fc = nn.Conv3d(3, 6, 3, stride=2), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        maps = self.conv(x).relu()
        pooled = maps.mean((2, 3, 4))
        return {"maps": maps, "pooled": pooled, "prob": self.fc(pooled).softmax(1)}


def export_program(
    path: Path, module: nn.Module, shape: tuple[int, ...], dynamic: bool = True, said: dict | None = INPUT
) -> Path:
    """Export with a batch of any size, or of ``shape``'s."""
    sizes = ({0: torch.export.Dim("batch", min=1, max=1024)},) if dynamic else None
    program = torch.export.export(module.eval(), (torch.zeros(shape),), dynamic_shapes=sizes)
    extra = None if said is None else {"p3d_eval.json": json.dumps(said)}
    torch.export.save(program, path, extra_files=extra)
    return path


def write_onnx(path: Path, shape: list[int | str], said: dict | None = INPUT, external: bool = False) -> Path:
    """Write the layers and weights of `Clips`, with the outputs ``block/maps`` and ``prob``."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    module = Clips()
    axes = len(shape) - 2
    kernel = module.conv.weight.detach().numpy()
    kernel = kernel if axes == 3 else np.ascontiguousarray(kernel[:, :, 1])
    tensors = {
        "w": kernel,
        "b": module.conv.bias.detach().numpy(),
        "fc.w": module.fc.weight.detach().numpy(),
        "fc.b": module.fc.bias.detach().numpy(),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"], strides=[2] * axes),
        helper.make_node("Relu", ["c"], ["block/maps"]),
        helper.make_node("GlobalAveragePool", ["block/maps"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "fc.w", "fc.b"], ["g"], transB=1),
        helper.make_node("Softmax", ["g"], ["prob"], axis=1),
    ]
    floats = TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", floats, shape)],
        [helper.make_tensor_value_info(name, floats, None) for name in ("block/maps", "prob")],
        [numpy_helper.from_array(values, name) for name, values in tensors.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    if said is not None:
        helper.set_model_props(model, {"p3d_eval.json": json.dumps(said)})
    onnx.save_model(
        model, str(path), save_as_external_data=external, location=f"{path.stem}.data", size_threshold=0
    )
    return path
