"""Options of the ASLAN protocol, and the recipes that bundle some of them by name."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from p3d_eval.devices import find_device
from p3d_eval.features import FeatureStore
from p3d_eval.protocols.aslan_folds import Vector
from p3d_eval.protocols.c_path import parse_c
from p3d_eval.protocols.classifiers.choice import Classifier, ClassifierName
from p3d_eval.protocols.description import AllowMissing
from p3d_eval.protocols.layer_view import Pooling
from p3d_eval.protocols.pair_vectors import Negatives, UnitNorm, VideoNormalisation
from p3d_eval.protocols.similarities import DEFAULT_EPS, require_eps


@dataclass(frozen=True)
class Recipe:
    """What a paper, or its author, did to videos and pairs.

    Parameters
    ----------
    vector : {"zscore+l2", "l2", "zscore"}
        Scaling of the pair vector behind the headline.
    normalise : {"l2", "signed-sqrt-l2", "none"}
        Of each video's layers.
    classifier : str
    """

    vector: Vector
    normalise: VideoNormalisation = "l2"
    classifier: ClassifierName = "svm"


RECIPES: Mapping[str, Recipe] = {
    "p3d": Recipe("zscore+l2"),
    "p3d-literal": Recipe("l2"),
    "p3d-author": Recipe("zscore+l2", "signed-sqrt-l2", "libsvm"),
    "c3d": Recipe("zscore"),
}
"""The project's default; the P3D paper's words alone; its author's remarks (pseudo-3d-residual-networks#6, on
scenes: signed square root, then L2, then LIBSVM's linear kernel); the C3D paper."""


@dataclass(frozen=True)
class Options:
    """Options of the protocol; docs/protocols/aslan.md gives the reasons of the defaults."""

    view: Literal["1", "2"] = field(
        default="2",
        metadata={"help": "View 2 is for reporting, View 1 for choosing options.", "named": "view {}"},
    )
    layers: str | None = field(
        default=None,
        metadata={"help": "Stored layers, comma separated (default: those the backbone registers)."},
    )
    recipe: Literal["p3d", "p3d-literal", "p3d-author", "c3d"] = field(
        default="p3d",
        metadata={
            "help": "Headline pair vector: standardised then L2-normalised (p3d, p3d-author with roots and "
            "libsvm), only the latter (p3d-literal), or only the former (c3d)."
        },
    )
    pooling: Pooling = field(
        default="flatten", metadata={"help": "A layer's values in C order, or each channel's mean (avg)."}
    )
    normalise: VideoNormalisation | None = field(
        default=None,
        metadata={"help": "Per video and layer, before the similarities (default: the recipe's, l2)."},
    )
    last_rows: UnitNorm = field(
        default="l2", metadata={"help": "Norm that similarities 9 to 12 divide by; the paper names none."}
    )
    eps: float = field(default=DEFAULT_EPS, metadata={"help": "Added inside the logarithms of similarity 10."})
    negatives: Negatives = field(
        default="error",
        metadata={"help": "Negative activations: refuse them, split into [x⁺, x⁻], or set to 0."},
    )
    classifier: ClassifierName | None = field(
        default=None,
        metadata={
            "help": "svm (LIBLINEAR's), libsvm (hinge, free bias), logistic, knn, or ncm (class means); by "
            "default the recipe's."
        },
    )
    C: float | str = field(
        default=1.0,
        metadata={"help": "Weight of the loss: a value, cv, or a list such as 0.1,1,10.", "flag": "C"},
    )
    neighbours: int = field(default=20, metadata={"help": "Neighbours of knn."})
    temperature: float = field(default=0.07, metadata={"help": "Temperature of knn's weights; inf: equal."})
    rows: bool = field(
        default=False,
        metadata={"help": "Also each similarity and each layer alone, as in the data set's Table 3."},
    )
    tol: float = field(default=1e-6, metadata={"help": "Largest relative duality gap of a converged fit."})
    allow_missing: AllowMissing = field(
        default=None, metadata={"help": "Go on without some videos: count their test pairs as wrong, or not."}
    )
    device: str = field(default="cpu", metadata={"help": "Where similarities are computed: auto, cpu or cuda."})
    seed: int = field(default=0, metadata={"help": "Seed of the solver's order."})

    def __post_init__(self) -> None:
        require_eps(self.eps)  # before the features are read
        object.__setattr__(self, "C", parse_c(self.C))  # one way to write it: one result_id
        if self.normalise == RECIPES[self.recipe].normalise:
            object.__setattr__(self, "normalise", None)
        if self.classifier == RECIPES[self.recipe].classifier:
            object.__setattr__(self, "classifier", None)

    @property
    def vector(self) -> Vector:
        """Scaling of the pair vector behind the headline."""
        return RECIPES[self.recipe].vector

    @property
    def video_normalisation(self) -> VideoNormalisation:
        """Normalisation of each video's layers, as given or the recipe's."""
        return self.normalise or RECIPES[self.recipe].normalise

    def check_values(self) -> None:
        """Refuse settings that are out of range, and a device that is not there."""
        find_device(self.device)
        self.make_classifier()

    def check(self, store: FeatureStore) -> None:
        """Refuse settings as `check_values` does, and a layer that is not there."""
        self.check_values()
        for name in filter(None, map(str.strip, (self.layers or "").split(","))):
            store[name]

    def make_classifier(self) -> Classifier:
        """Build the classifier that these options describe, checking them."""
        name = self.classifier or RECIPES[self.recipe].classifier
        return Classifier(name, self.C, self.tol, self.seed, self.neighbours, self.temperature)

    def with_layers(self, layers: tuple[str, ...], registered: tuple[str, ...]) -> "Options":
        """Write the layers in one way: naming the registered ones is leaving the default."""
        return replace(self, layers=None if layers == registered else ",".join(layers))
