"""Kinetics-400: a network's own class scores, of clips and of videos; or a linear probe on another layer."""

from dataclasses import dataclass

from p3d_eval.errors import UserError
from p3d_eval.features import FeatureStore
from p3d_eval.protocols.annotations import kinetics as lists
from p3d_eval.protocols.protocol import AnnotationFiles, AnnotationOption, Protocol
from p3d_eval.protocols.recognition import Measures, RecognitionOptions, recognise
from p3d_eval.protocols.result import Result

VERSION = "1"
MEASURES = Measures("kinetics400", VERSION, "top", clip=(1, 5), video=(1, 5))


@dataclass(frozen=True)
class Options(RecognitionOptions):
    """Options of the protocol."""


def run(store: FeatureStore, annotations: AnnotationFiles | None, options: Options) -> Result:
    """Judge the scores ``prob``, or train a linear probe on another layer.

    Parameters
    ----------
    store : FeatureStore
        With ``prob`` of every clip, and the names of its classes.
    annotations : AnnotationFiles
        The official files.
    options : Options

    Returns
    -------
    Result
        ``clip_top1``, ``clip_top5``, ``video_top1``, ``video_top5``.

    Raises
    ------
    UserError
        When a file is wrong, a class has no column, clips are not stored, or videos are missing.
    """
    if annotations is None:
        raise UserError("kinetics400: the official files are needed", "Give them with --annotations")
    files = annotations.files
    return recognise(
        MEASURES, store, lambda: lists.make_task(lists.parse(files), store.expected_ids), annotations, options
    )


PROTOCOL: Protocol = Protocol(
    name="kinetics400",
    version=VERSION,
    summary="Kinetics-400: clip and video top-1 and top-5 from prob, or a linear probe.",
    options=Options,
    run=run,
    reader=lists.READER,
    annotation_option=AnnotationOption("annotations", "Official CSV, or a folder of val.csv and train.csv."),
    needs_annotations=True,
    fuses=True,
)
