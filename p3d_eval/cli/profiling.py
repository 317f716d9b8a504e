"""``p3d-eval profile``: size, arithmetic, speed and memory of networks."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from p3d_eval.cli._inputs import UNCHANGED, Compile, Device, InputChanges, takes_input
from p3d_eval.cli._shared import (
    SOME_FAILED,
    Json,
    Overwrite,
    Quiet,
    console,
    default_result,
    parse_options,
    print_json,
    print_table,
)
from p3d_eval.errors import UserError

if TYPE_CHECKING:
    from p3d_eval.protocols.result import Metric, Result, Variant

NAME = "profile"
command = typer.Typer(add_completion=False)

_MEBI, _GIGA = 2**20, 1e9  # bytes are told as in the reports and in the paper's Table 1
_DASH = "–"

Backbones = Annotated[
    list[str],
    typer.Option("--backbone", help="Network: p3d199, i3d, …, package.module:factory; repeatable."),
]
Layers = Annotated[
    str | None, typer.Option("--layers", help="How far to run it; default: the last layer that it lists.")
]
Precisions = Annotated[
    list[str] | None, typer.Option("--precision", help="fp32, tf32, bf16, fp16 or auto (default); repeatable.")
]
BatchSizes = Annotated[
    list[int] | None, typer.Option("--batch-size", help="Clips in a batch; default: 1 and 8; repeatable.")
]
Weights = Annotated[
    str | None, typer.Option("--weights", help="For a factory that needs a file; speed does not depend on it.")
]
Repeats = Annotated[int, typer.Option("--repeats", help="Batches timed for each precision and batch size.")]
Option = Annotated[
    list[str] | None,
    typer.Option("--option", help="The networks' own option, KEY=VALUE; may be repeated."),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", help="Result of one network; default: results/profile-NAME.json of each."),
]


@command.command(
    NAME, epilog="Example: p3d-eval profile --backbone p3d63 --backbone p3d199 --precision fp32 --batch-size 8"
)
@takes_input
def profile(
    backbone: Backbones,
    weights: Weights = None,
    layers: Layers = None,
    precision: Precisions = None,
    batch_size: BatchSizes = None,
    repeats: Repeats = 5,
    changed: InputChanges = UNCHANGED,
    device: Device = "auto",
    compiling: Compile = "auto",
    option: Option = None,
    out: Out = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Measure networks: parameters, model size, multiply-adds, clips and frames a second, peak memory.

    Each network gives a result file, which reports join with accuracies. Nothing else should run on the
    machine meanwhile. Where the memory holds no such batch, the others are measured and the exit status is 3.
    """
    own = parse_options(option)
    outputs = _outputs(list(dict.fromkeys(backbone)), own, out, overwrite)
    from p3d_eval.allocator import keep_freed_memory
    from p3d_eval.backbones import BACKBONES, load_backbone
    from p3d_eval.backbones.loading import is_listed_kind
    from p3d_eval.backbones.zoos.loading import without_weights
    from p3d_eval.protocols.network_profile import ProfileOptions, profile_network

    for name in outputs:
        if is_listed_kind(name):
            BACKBONES.load(name)  # a misspelt name costs no time then
    keep_freed_memory()
    options = ProfileOptions(
        layers, tuple(precision or ("auto",)), tuple(batch_size or (1, 8)), repeats, compiling
    )
    results = []
    for name, path in outputs.items():
        given = weights or without_weights(name)
        network = load_backbone(name, given, device, **changed, **own)
        result = profile_network(network, options)
        result.save(path, overwrite)
        results.append(result)
        if not quiet and not as_json:
            _print_profile(result, path)
    if as_json:
        print_json([result.to_json() for result in results])
    if any(result.warnings for result in results):
        raise typer.Exit(SOME_FAILED)


def _outputs(names: list[str], own: dict[str, str], out: Path | None, overwrite: bool) -> dict[str, Path]:
    """Network → file of its result, which can be written.

    Its name has a path's last part alone, and the network's options that are not as usual.
    """
    from p3d_eval.backbones.description import chosen_options
    from p3d_eval.files import require_json, require_new, require_writable

    if out is not None and len(names) > 1:
        raise UserError(f"--out {out} is one file for {len(names)} networks", "Leave --out out")
    words = {name: [f"{key} {value}" for key, value in chosen_options(name, own).items()] for name in names}
    paths = {name: out or default_result(NAME, Path(name).name, *words[name]) for name in names}
    for path in paths.values():
        if list(paths.values()).count(path) > 1:
            raise UserError(f"two networks would be written to {path}", "Profile them one by one, with --out")
        require_json(path)
        require_new(path, overwrite)
        require_writable(path)
    return paths


def _print_profile(result: "Result", path: Path) -> None:
    """Print what was counted, then a row for each precision and batch size."""
    features = result.features
    metrics = result.metrics
    where = features["device"]
    if where == "cpu":
        where += f" ({features['machine']['processor_name']}, threads: {features['threads']})"
    counted = [
        ("as far as", str(result.options["layers"])),
        ("parameters", _whole(metrics["parameters"])),
        ("model size", _number(metrics["model_bytes"], _MEBI, " MiB")),
        ("multiply-adds", _number(metrics["macs"], _GIGA, " G a clip")),
        ("FLOPs", _number(metrics["flops"], _GIGA, " G a clip")),
        ("device", where),
    ]
    print_table(result.label, ("", ""), counted)
    headings = ("precision", "batch", "clips/s", "slowest", "fastest", "frames/s", "peak MiB")
    print_table("\nSpeed", headings, [_row(variant) for variant in result.variants])
    screen = console()
    for how in dict.fromkeys(variant.options["how"] for variant in result.variants):
        screen.print(f"Run as: {how}", style="dim", markup=False)
    for line in dict.fromkeys(
        f"{_DASH} {metric.reason}"
        for metric in [*metrics.values(), *(m for one in result.variants for m in one.metrics.values())]
        if metric.value is None
    ):
        screen.print(line, style="bold red", markup=False)
    screen.print(f"Result: {path}", markup=False)


def _row(variant: "Variant") -> tuple[str, ...]:
    rate, frames = variant.metrics["clips_per_second"], variant.metrics["frames_per_second"]
    ends = [_DASH if end is None else _digits(end) for end in (rate.low, rate.high)]
    peak = _number(variant.metrics["peak_bytes"], _MEBI)
    setting = (variant.options["precision"], str(variant.options["batch_size"]))
    return (*setting, _number(rate), *ends, _number(frames), peak)


def _number(metric: "Metric", unit: float = 1.0, name: str = "") -> str:
    return _DASH if metric.value is None else f"{_digits(metric.value / unit)}{name}"


def _whole(metric: "Metric") -> str:
    return _DASH if metric.value is None else f"{metric.value:,.0f}"


def _digits(value: float) -> str:
    """Write four digits, and all of a larger number's before the point."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"
