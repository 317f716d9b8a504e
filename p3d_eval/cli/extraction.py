"""``p3d-eval extract``: videos through a network into one feature file."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from p3d_eval.cli._embedding import Annotations, Dataset, read_embedded
from p3d_eval.cli._extraction import as_plain, outcome, predict, require_profile, write_profile
from p3d_eval.cli._inputs import UNCHANGED, Compile, InputChanges, NetworkOption, takes_input
from p3d_eval.cli._shared import (
    SOME_FAILED,
    Json,
    Overwrite,
    Quiet,
    Seed,
    console,
    parse_options,
    print_json,
)
from p3d_eval.errors import UserError, counted

if TYPE_CHECKING:
    from p3d_eval.features.engines import Engine
    from p3d_eval.features.extractor import ExtractSummary
    from p3d_eval.features.planning import ExtractionPlan

NAME = "extract"
command = typer.Typer(add_completion=False)

BackboneName = Annotated[
    str,
    typer.Option(
        "--backbone",
        help="Network: p3d199, i3d, …; torchvision:, timm:, hf:, torchhub: and a name; model.onnx, model.pt2; "
        "package.module:factory, file.py:factory.",
    ),
]
Weights = Annotated[
    str | None,
    typer.Option(
        "--weights", help="Weights file, or the word random; a collection's own by default or by their name."
    ),
]
Videos = Annotated[Path, typer.Option("--videos", help="Folder of videos, or text file with one path a line.")]
Root = Annotated[Path | None, typer.Option("--root", help="What a list's paths and ids are relative to.")]
Out = Annotated[Path, typer.Option("--out", help="Feature file to make or to continue.")]
Layers = Annotated[
    str | None,
    typer.Option(
        "--layers", help="\\[alias=]layer[:flat|avg|spatial|cls|mean], …; default: the network's for ASLAN."
    ),
]
SamplingKind = Annotated[str, typer.Option("--sampling", help="uniform, random or sliding.")]
Clips = Annotated[int | None, typer.Option("--clips", help="Clips of a video (uniform, random); default: 20.")]
ClipStride = Annotated[
    int | None, typer.Option("--clip-stride", help="Video frames between starts (sliding); default: 8.")
]
Fps = Annotated[
    float | None,
    typer.Option("--fps", help="Frames per second to bring videos to first; default: as they are."),
]
PerClip = Annotated[bool, typer.Option("--per-clip", help="Store every clip's activations too.")]
Device = Annotated[
    str, typer.Option("--device", help="auto, cpu, cuda, cuda:1, …, or cuda:all for every GPU here.")
]
Processes = Annotated[
    int | None, typer.Option("--processes", help="Processes that run the network, each on a device or the CPU.")
]
EngineName = Annotated[str, typer.Option("--engine", help="local, or ray for a cluster of machines.")]
Address = Annotated[
    str | None, typer.Option("--address", help="Ray cluster, host:port, or auto on one of its nodes.")
]
BatchSize = Annotated[int, typer.Option("--batch-size", help="Clips in a batch.")]
Workers = Annotated[
    int | None,
    typer.Option("--workers", help="Decoding processes; 0: a thread of this one; default: 2, more for a GPU."),
]
VideoTimeout = Annotated[
    float, typer.Option("--video-timeout", help="Seconds without a frame until a video is given up; 0: never.")
]
Decoder = Annotated[str, typer.Option("--decoder", help="pyav, torchcodec or torchcodec:cuda.")]
Profile = Annotated[
    Path | None,
    typer.Option("--profile", help="Add what each stage took, and what to change, to this file; - prints it."),
]
Precision = Annotated[
    str, typer.Option("--precision", help="fp32, tf32, bf16, fp16; auto: fp32 on CPUs, tf32 on GPUs with it.")
]
Crops = Annotated[
    str, typer.Option("--crops", help="centre; 3 (along the longer side); 5 (and corners); 10 (and mirrored).")
]
Mirror = Annotated[bool, typer.Option("--mirror", help="Average every clip with its mirror image.")]
Dtype = Annotated[str, typer.Option("--dtype", help="Stored type: float32 or float16 (prob stays float32).")]
ShardText = Annotated[
    str | None, typer.Option("--shard", help="i/n: part i (from 1) of n, for job arrays; p3d-eval merge joins.")
]


def _require_weights(backbone: str, weights: str | None) -> None:
    """Refuse to fall back on random weights where nobody asked for them."""
    from p3d_eval.backbones import BACKBONES, Architecture
    from p3d_eval.backbones.download import SOURCES

    if weights is None and backbone in BACKBONES and isinstance(BACKBONES.load(backbone), Architecture):
        where = f"p3d-eval weights {f'fetch {backbone}' if backbone in SOURCES else 'list'}"
        raise UserError(
            f"{backbone} needs --weights",
            f"Give a weights file (`{where}` says where one is), or the word random to do without",
        )


@command.command(
    NAME,
    epilog="Example: p3d-eval extract --backbone p3d199 --weights w.caffemodel --videos videos --out feats.h5",
)
@takes_input
def extract(
    backbone: BackboneName,
    videos: Videos,
    out: Out,
    weights: Weights = None,
    layers: Layers = None,
    root: Root = None,
    sampling: SamplingKind = "uniform",
    clips: Clips = None,
    changed: InputChanges = UNCHANGED,
    clip_stride: ClipStride = None,
    fps: Fps = None,
    per_clip: PerClip = False,
    device: Device = "auto",
    processes: Processes = None,
    engine: EngineName = "local",
    address: Address = None,
    batch_size: BatchSize = 8,
    workers: Workers = None,
    video_timeout: VideoTimeout = 60.0,
    decoder: Decoder = "pyav",
    precision: Precision = "auto",
    compiling: Compile = "auto",
    crops: Crops = "centre",
    mirror: Mirror = False,
    dtype: Dtype = "float32",
    option: NetworkOption = None,
    dataset: Dataset = None,
    annotations: Annotations = None,
    shard: ShardText = None,
    profile: Profile = None,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Run a network over videos and store the mean activations of named layers.

    The same command goes on where an interrupted one stopped. Videos that cannot be decoded are listed
    with their reason and the run goes on; then the exit status is 3.
    """
    from p3d_eval.features.sampling import choose_sampling
    from p3d_eval.files import require_writable

    require_writable(out)
    require_profile(profile)
    embedded = read_embedded(dataset, annotations)
    from p3d_eval.allocator import keep_freed_memory
    from p3d_eval.backbones import load_backbone, views_of
    from p3d_eval.features.engines import choose_engine
    from p3d_eval.features.planning import plan_extraction

    keep_freed_memory()
    _require_weights(backbone, weights)
    chosen_engine = choose_engine(engine, device, processes, address)
    own = {**changed, **parse_options(option)}
    network = load_backbone(backbone, weights, chosen_engine.device, seed=seed, precision=precision, **own)
    spec = network.input_spec
    chosen = choose_sampling(
        spec.clip_length, spec.frame_stride, sampling, clips, clip_stride, seed=seed, fps=fps
    )
    plan = plan_extraction(
        network,
        videos,
        layers,
        out,
        sampling=chosen,
        per_clip=per_clip,
        dtype=dtype,
        batch_size=batch_size,
        workers=workers,
        video_timeout=video_timeout,
        decoder=decoder,
        root=root,
        annotations=embedded,
        overwrite=overwrite,
        views=views_of(crops, mirror),
        compiling=compiling,
        shard=shard,
    )
    summary = _run(plan, chosen_engine, quiet)
    if profile is not None:
        write_profile(profile, summary)
    if as_json:
        print_json(as_plain(summary))
    _print_outcome(summary, quiet)
    if summary.failed:
        raise typer.Exit(SOME_FAILED)


def _run(plan: "ExtractionPlan", engine: "Engine", quiet: bool) -> "ExtractSummary":
    """Say what will be done, and do it with bars of progress."""
    from p3d_eval.features.extractor import run_extraction
    from p3d_eval.progress import Progress

    if not quiet:
        for line in filter(None, (predict(plan), engine.notice)):
            console(stderr=True).print(line, markup=False)

    def shown(description: str) -> Callable[[int, int], Progress]:
        return lambda total, done: Progress(description, total=total, unit="videos", quiet=quiet, done=done)

    return run_extraction(plan, shown("extract"), shown("count frames"), engine)


def _print_outcome(summary: "ExtractSummary", quiet: bool) -> None:
    """Say what was done; of a quiet run only that videos failed, which is an error."""
    screen = console(stderr=True)
    if not quiet:
        for line in outcome(summary):
            screen.print(line, markup=False)
    elif summary.failed:
        counts = f"{len(summary.failed)} of {counted(summary.expected, 'video')} failed"
        screen.print(f"{counts}: p3d-eval inspect {summary.path} lists them", markup=False)
