"""Two scripts that a benchmark of extraction is held against: a competent one and the usual one."""

import argparse
import copy
import time
from pathlib import Path

import av
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from p3d_eval.backbones import Backbone
from p3d_eval.backbones.precision import low_type
from p3d_eval.features.sampling import Sampling

LAYER = "pool5"

Times = list[tuple[float, float]]  # seconds from the start, and of the processor, when each video was done
Found = tuple[NDArray[np.float64], Times]


def now(started: float) -> tuple[float, float]:
    return time.perf_counter() - started, time.process_time()


class Decoded(Dataset):
    """Peer (a)'s videos: all frames as bytes, and the starts of the clips."""

    def __init__(self, paths: list[Path], sampling: Sampling) -> None:
        self.paths, self.sampling = paths, sampling

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        torch.set_num_threads(1)
        with av.open(str(self.paths[index])) as file:
            frames = np.stack([frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)])
        return torch.from_numpy(frames), torch.from_numpy(self.sampling.starts(len(frames), ""))


class Eager:
    """Peer (a)'s network: in eager mode, converted as a whole for 16 bits, its layer taken with a hook."""

    def __init__(self, backbone: Backbone, precision: str) -> None:
        self.dtype = low_type(precision) or torch.float32
        self.tf32 = precision == "tf32"
        self.module = copy.deepcopy(backbone.module).to(self.dtype)
        self.module.get_submodule(LAYER).register_forward_hook(self._keep)

    def _keep(self, _module: object, _inputs: object, output: Tensor) -> None:
        self.kept = output

    def __call__(self, x: Tensor) -> Tensor:
        torch.backends.cuda.matmul.allow_tf32 = self.tf32
        with torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=self.tf32):
            self.module(x.to(self.dtype))
        return self.kept.float()


def competent(backbone: Backbone, paths: list[Path], given: argparse.Namespace) -> Found:
    plain, network = backbone.with_precision("fp32"), Eager(backbone, backbone.precision)
    sampling = Sampling(backbone.input_spec.clip_length, clips=given.clips)
    on_gpu = backbone.device.type == "cuda"
    loader = DataLoader(
        Decoded(paths, sampling), batch_size=None, num_workers=max(1, given.workers), pin_memory=on_gpu
    )
    started, times, means = time.perf_counter(), [], []
    for frames, starts in loader:
        with torch.inference_mode():
            prepared = plain.prepare_frames(frames.to(plain.device, non_blocking=True))
            numbers = starts[:, None] + torch.arange(sampling.clip_length)
            parts = [
                network(plain.finish_clips(prepared[part.to(plain.device)]))
                for part in numbers.split(given.batch)
            ]
            means.append(torch.cat(parts).double().mean(0).cpu().numpy())
        times.append(now(started))
    return np.stack(means), times


def _seek(path: Path, start: int, length: int) -> NDArray[np.uint8]:
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        tick = 1 / (stream.average_rate * stream.time_base)
        file.seek(int(start * tick), stream=stream)
        frames: list[NDArray[np.uint8]] = []
        for frame in file.decode(stream):
            if round(frame.pts / tick) >= start:
                frames.append(frame.to_ndarray(format="rgb24"))
            if len(frames) == length:
                break
    return np.stack(frames)


def usual(backbone: Backbone, paths: list[Path], given: argparse.Namespace) -> Found:
    plain = backbone.with_precision("fp32")
    sampling = Sampling(backbone.input_spec.clip_length, clips=given.clips)
    started, times, means = time.perf_counter(), [], []
    for path in paths:
        with av.open(str(path)) as file:
            count = file.streams.video[0].frames
        rows = []
        for start in sampling.starts(count, "").tolist():
            clip = torch.from_numpy(_seek(path, start, sampling.clip_length))[None]
            rows.append(plain(clip, LAYER)[LAYER][0].cpu())
        means.append(torch.stack(rows).double().mean(0).numpy())
        times.append(now(started))
    return np.stack(means), times
