"""``p3d-eval backbones``: what networks there are, what each takes and gives."""

from typing import Annotated

import typer

from p3d_eval.cli._shared import CommandGroup, Json, Quiet, parse_options, print_json, print_table

NAME = "backbones"
command = typer.Typer(
    help="List the backbones, or show one.",
    epilog="Example: p3d-eval backbones show p3d199",
    add_completion=False,
    cls=CommandGroup,
)


@command.callback(invoke_without_command=True)
def list_backbones(ctx: typer.Context, json: Json = False, quiet: Quiet = False) -> None:
    """List the backbones, or show one with its layers.

    Example: p3d-eval backbones
    """
    if ctx.invoked_subcommand is not None:
        return
    from p3d_eval.backbones import BACKBONES

    summaries = {name: BACKBONES.summary(name) for name in BACKBONES.names()}
    if json:
        print_json([{"name": name, "summary": summary} for name, summary in summaries.items()])
    elif not quiet:
        print_table("Backbones", ("name", "summary"), summaries.items())


@command.command()
def show(
    name: Annotated[
        str,
        typer.Argument(
            help="Backbone: a listed name, torchvision:NAME, timm:NAME, hf:NAME, torchhub:REPOSITORY:NAME, "
            "model.onnx, model.pt2, package.module:factory or file.py:factory."
        ),
    ],
    layers: Annotated[
        str | None,
        typer.Option("--layers", help="List the layers whose module path matches: '*', 'layer4.*', …"),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option("--weights", help="For a factory that needs a file: layers do not depend on it."),
    ] = None,
    option: Annotated[
        list[str] | None, typer.Option("--option", help="The network's option, key=value; repeatable.")
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Show a backbone's input, options and layers with their shapes.

    Example: p3d-eval backbones show p3d199
    """
    from p3d_eval.backbones.description import describe_backbone

    described = describe_backbone(name, parse_options(option or []), weights, layers)
    if json:
        print_json(described.to_json())
        return
    if quiet:
        return
    rows = [
        (key.replace("_", " "), "not stated" if value is None else value)
        for key, value in described.input_spec.items()
    ]
    rows += [(f"option {key}", ", ".join(values)) for key, values in described.options.items()]
    rows += [
        ("ASLAN layers", ", ".join(described.aslan_layers) or "not stated"),
        ("parameters", "not known" if described.parameters is None else f"{described.parameters:,}"),
    ]
    print_table(name, ("", ""), rows)
    listed = [(k, " × ".join(map(str, shape)), axes) for k, (shape, axes) in described.layers.items()]
    print_table("\nLayers", ("layer", "shape", "axes"), listed)
