"""One command a protocol, made from its options dataclass; and how a result is printed."""

import inspect
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_type_hints

import typer

from p3d_eval.cli._shared import Json, Overwrite, Quiet, choice, console, default_result, print_json
from p3d_eval.errors import UserError

if TYPE_CHECKING:
    from p3d_eval.features import FeatureStore

_FEATURES = typer.Option("--features", help="Feature file made by extract or import.", show_default=False)

_COMMON: dict[str, tuple[Any, Any]] = {
    "features": (Annotated[list[Path], _FEATURES], inspect.Parameter.empty),
    "out": (
        Annotated[
            Path | None,
            typer.Option(
                "--out", help="Result file (default: results/PROTOCOL-LABEL.json).", show_default=False
            ),
        ],
        None,
    ),
    "label": (Annotated[str | None, typer.Option("--label", help="Name of the row in tables.")], None),
    "overwrite": (Overwrite, False),
    "quiet": (Quiet, False),
    "json_output": (Json, False),
}

_PREDICTIONS: dict[str, tuple[Any, Any]] = {
    "features": (Annotated[list[Path] | None, _FEATURES], None),
    "predictions": (
        Annotated[
            Path | None,
            typer.Option("--predictions", help="Judge this official file of predictions, without features."),
        ],
        None,
    ),
    "write_predictions": (
        Annotated[
            Path | None, typer.Option("--write-predictions", help="Write the official file of predictions.")
        ],
        None,
    ),
}
"""What a protocol with an official file of predictions has besides."""

_FUSION: dict[str, tuple[Any, Any]] = {
    "fusion": (
        Annotated[
            str | None,
            typer.Option(
                "--fusion", help="How several --features are fused: early (default), late, late-softmax."
            ),
        ],
        None,
    ),
    "weights": (
        Annotated[
            str | None,
            typer.Option("--weights", help="Weights of several --features: 0.7,0.3, or cv; equal by default."),
        ],
        None,
    ),
}
"""What a protocol has besides that takes several feature files."""


def protocol_command(name: str) -> Any:
    """Build the command that runs the protocol ``name``: its own options, then the common ones.

    Returns
    -------
    The command object that typer builds.
    """
    from p3d_eval.protocols import PROTOCOLS

    protocol = PROTOCOLS.load(name)
    app = typer.Typer(add_completion=False, rich_markup_mode="rich")
    source = protocol.annotation_option
    official = f" --{source.name} {source.example}" if source is not None and source.example else ""
    help_text = f"{protocol.summary}\n\nExample: p3d-eval {name} --features feats.h5{official}"
    app.command(name, help=help_text)(_function(name, protocol))
    return typer.main.get_command(app)


def _function(name: str, protocol: Any) -> Callable[..., None]:
    """Make a function whose signature holds the protocol's options."""
    shared = _COMMON | (_PREDICTIONS if protocol.predictions else {}) | (_FUSION if protocol.fuses else {})

    def command(**values: Any) -> None:
        common = {key: values.pop(key) for key in _COMMON}
        _run(name, common, values)

    parameters = [
        inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, annotation=hint, default=value)
        for key, (hint, value) in (shared | _own_options(protocol)).items()
    ]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return command


def _plain(text: str) -> str:
    """Keep rich from reading [brackets] as markup."""
    return text.replace("[", r"\[")


def _own_options(protocol: Any) -> dict[str, tuple[Any, Any]]:
    """Return the protocol's options as (annotation, default) by parameter name."""
    from p3d_eval.protocols.protocol import choices, default, flag

    hints = get_type_hints(protocol.options)
    own: dict[str, tuple[Any, Any]] = {}
    if protocol.annotation_option is not None:
        source = protocol.annotation_option
        own[source.name] = (
            Annotated[Path | None, typer.Option(f"--{source.name}", help=_plain(source.help))],
            None,
        )
    for field in fields(protocol.options):
        if field.name in _COMMON | _PREDICTIONS | _FUSION:
            raise TypeError(f"option {field.name!r} of {protocol.name} is a common option's name")
        option = typer.Option(f"--{flag(field)}", help=_plain(field.metadata["help"]))
        hint, value = hints[field.name], default(field)
        if names := choices(hint):
            option = choice(f"--{flag(field)}", map(str, names), _plain(field.metadata["help"]))
            hint = str if value is not None else str | None
        if {float, str} <= set(get_args(hint)):  # typer takes no unions; the options check the text
            hint, value = str, f"{value:g}"
        own[field.name] = (Annotated[hint, option], value)
    return own


def _told_apart(store: "FeatureStore") -> str:
    """Return the features' label, with the options of the network that it has not by default."""
    from p3d_eval.backbones.description import chosen_options

    chosen = chosen_options(store.provenance["backbone"], store.provenance["options"])
    return " ".join([store.label, *(f"{key} {value}" for key, value in chosen.items())])


def _run(name: str, common: dict[str, Any], options: dict[str, Any]) -> None:
    """Evaluate, save, and print the result as a table or as JSON."""
    from p3d_eval.features import open_features
    from p3d_eval.files import require_json
    from p3d_eval.protocols import PROTOCOLS
    from p3d_eval.protocols.evaluation import evaluate
    from p3d_eval.protocols.protocol import name_words

    if common["quiet"] and common["json_output"]:
        raise UserError("--quiet and --json contradict each other", "Choose one")
    if common["out"]:
        require_json(common["out"])
    stores = [open_features(path) for path in common["features"] or []]
    files = [store.path for store in stores] or [options.get("predictions") or Path("none")]
    source = " and ".join(map(str, files))
    label = common["label"] or " + ".join(map(_told_apart, stores)) or files[0].stem
    about = name_words(PROTOCOLS.load(name).options, options)
    out = common["out"] or default_result(name, *about, label)
    screen = console(stderr=True)
    show = screen.is_terminal and not common["quiet"]
    status = screen.status(f"{name} on {source} …") if show else None
    if status is not None:
        status.start()
    try:
        given = {"overwrite": common["overwrite"], "label": common["label"]}
        result = evaluate(name, stores or None, out, **given, **options)
    finally:
        if status is not None:
            status.stop()
    if common["json_output"]:
        import json

        print_json(json.loads(out.read_text(encoding="utf-8")))
    elif not common["quiet"]:
        from p3d_eval.cli._results import print_result

        print_result(result, out)
