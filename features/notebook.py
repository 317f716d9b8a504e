"""A feature file as a notebook shows it."""

from typing import TYPE_CHECKING

from p3d_eval.features.description import describe
from p3d_eval.markup import facts, folded, fragment, grid, warnings

if TYPE_CHECKING:
    from p3d_eval.features.store import FeatureStore

_FAILED_SHOWN = 20


def store_html(store: "FeatureStore") -> str:
    """Show the layers of a feature file, what is missing, and where it comes from, folded."""
    found = describe(store)
    videos = found["videos"]
    lacking = [] if store.complete else [f"incomplete: {videos['done']} of {videos['expected']} videos"]
    if store.failed:
        lacking.append(f"{len(store.failed)} videos failed")
    if store.provenance["weights"].get("random"):
        lacking.append("the weights are random")
    layers = [
        (name, " × ".join(map(str, layer["shape"])), layer["axes"], layer["values"], layer["dtype"])
        for name, layer in found["layers"].items()
    ]
    failed = list(store.failed.items())[:_FAILED_SHOWN]
    return fragment(
        f"{found['file']}: {found['label']}, {videos['done']} videos, {found['clips']} clips",
        grid(("layer", "shape", "axes", "values", "stored as"), layers),
        warnings(lacking),
        folded("Failed videos", grid(("id", "reason"), failed) if failed else ""),
        folded("Sources", facts({**store.provenance, "identity": store.identity})),
    )
