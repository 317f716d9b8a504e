"""HMDB51: one-vs-rest linear SVM on L2-normalised video features, three splits of 70 % and 30 %."""

from dataclasses import dataclass, field
from typing import Literal

from p3d_eval.errors import UserError
from p3d_eval.features import FeatureStore
from p3d_eval.protocols.annotations import hmdb51 as lists
from p3d_eval.protocols.classification_options import ClassificationOptions
from p3d_eval.protocols.classify import Setting, classify
from p3d_eval.protocols.protocol import AnnotationFiles, AnnotationOption, Protocol
from p3d_eval.protocols.result import Result
from p3d_eval.protocols.tasks import Task

VERSION = "1"


@dataclass(frozen=True)
class Options(ClassificationOptions):
    """Options of the protocol, with the defaults of UCF101's."""

    split: Literal["all", "1", "2", "3"] = field(
        default="all", metadata={"help": "Which split; the score is the mean of all three."}
    )


def run(store: FeatureStore, annotations: AnnotationFiles | None, options: Options) -> Result:
    """Train and test on each split.

    Parameters
    ----------
    store : FeatureStore
        Features with the layer ``options.layer``.
    annotations : AnnotationFiles
        The official lists.
    options : Options

    Returns
    -------
    Result
        ``accuracy`` is the mean over the splits, with a bootstrap interval over (class, source) clusters.

    Raises
    ------
    UserError
        When a list is wrong, a video is missing without ``allow_missing``, or a layer is unknown.
    """
    if annotations is None:
        raise UserError("hmdb51: the official lists are needed", "Give their folder with --splits")
    files = annotations.files

    def task() -> Task:
        return lists.make_task(lists.parse(files)).only(options.split)

    return classify(Setting("hmdb51", VERSION), store, task, annotations, options)


PROTOCOL: Protocol = Protocol(
    name="hmdb51",
    version=VERSION,
    summary="Action recognition on HMDB51: linear SVM on L2-normalised features, mean of three splits.",
    options=Options,
    run=run,
    reader=lists.READER,
    annotation_option=AnnotationOption(
        "splits", "Folder of the official lists CLASS_test_splitN.txt.", "testTrainMulti_7030_splits"
    ),
    needs_annotations=True,
    fuses=True,
)
