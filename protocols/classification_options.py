"""Options that every classification protocol has."""

from dataclasses import dataclass, field, fields

from p3d_eval.errors import UserError
from p3d_eval.features import FeatureStore
from p3d_eval.protocols.c_path import parse_c
from p3d_eval.protocols.classifiers.choice import Classifier, ClassifierName
from p3d_eval.protocols.description import AllowMissing
from p3d_eval.protocols.fused_store import FusedStore
from p3d_eval.protocols.normalisation import Normalisation
from p3d_eval.protocols.pca import PcaSolver
from p3d_eval.protocols.pca_sweep import parse_dimensions


@dataclass(frozen=True)
class ClassificationOptions:
    """Base of a classification protocol's options; a protocol adds its own fields, or changes defaults."""

    layer: str = field(default="pool5", metadata={"help": "Stored layer to classify."})
    normalise: Normalisation = field(
        default="l2",
        metadata={"help": "Nothing; L2; signed square root, then L2; or z-score learned on training videos."},
    )
    classifier: ClassifierName = field(
        default="svm",
        metadata={"help": "svm (LIBLINEAR's), libsvm (one against one), logistic, knn, or ncm (class means)."},
    )
    C: float | str = field(
        default=1.0,
        metadata={"help": "Weight of the loss: a value, cv, or a list such as 0.1,1,10.", "flag": "C"},
    )
    neighbours: int = field(default=20, metadata={"help": "Neighbours of knn."})
    temperature: float = field(default=0.07, metadata={"help": "Temperature of knn's weights; inf: equal."})
    tol: float = field(default=1e-6, metadata={"help": "Largest relative duality gap of a converged fit."})
    pca: str | None = field(
        default=None,
        metadata={"help": "Principal components: sweep (500 … 10 dimensions), or numbers such as 100,50,10."},
    )
    pca_solver: PcaSolver = field(
        default="exact", metadata={"help": "How components are found; randomised is for huge layers."}
    )
    allow_missing: AllowMissing = field(
        default=None,
        metadata={"help": "Go on without some videos: count missing test videos as wrong, or not."},
    )
    device: str = field(default="cpu", metadata={"help": "Where svm is solved: auto, cpu or cuda."})
    seed: int = field(
        default=0, metadata={"help": "Seed of the solver's order, of cross validation and of the bootstrap."}
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "C", parse_c(self.C))  # one way to write it: one result_id

    def check_values(self) -> None:
        """Refuse settings that are out of range, and a device that is not there."""
        parse_dimensions(self.pca)
        self.make_classifier()

    def check(self, store: FeatureStore | FusedStore) -> None:
        """Refuse settings as `check_values` does, and a layer that is not there."""
        self.check_values()
        store[self.layer]

    def make_classifier(self) -> Classifier:
        """Build the classifier that these options describe, checking them."""
        return Classifier(
            self.classifier, self.C, self.tol, self.seed, self.neighbours, self.temperature, self.device
        )

    def require_untrained(self, kept: tuple[str, ...], why: str) -> None:
        """Refuse options of the training where nothing is trained: all but ``kept``.

        Raises
        ------
        UserError
            When an option that would have no effect is not its default.
        """
        others = tuple(option.name for option in fields(self) if option.name not in kept)
        self.require_default(others, f"{why}, nothing is trained")

    def require_default(self, unused: tuple[str, ...], why: str) -> None:
        """Refuse options that would have no effect.

        Parameters
        ----------
        unused : tuple of str
            Their names.
        why : str
            What is done instead, for the message.

        Raises
        ------
        UserError
            When one of them is not its default.
        """
        for option in fields(self):
            if option.name in unused and getattr(self, option.name) != option.default:
                raise UserError(
                    f"{option.name}: {getattr(self, option.name)!r} has no effect: {why}",
                    f"Leave --{option.metadata.get('flag', option.name.replace('_', '-'))} out",
                )
