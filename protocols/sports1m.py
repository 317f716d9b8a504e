"""Sports-1M: a network's own class scores, of clips and of videos; or a linear probe on another layer."""

from dataclasses import dataclass

from p3d_eval.errors import UserError
from p3d_eval.features import FeatureStore
from p3d_eval.protocols.annotations import sports1m as lists
from p3d_eval.protocols.protocol import AnnotationFiles, AnnotationOption, Protocol
from p3d_eval.protocols.recognition import Measures, RecognitionOptions, recognise
from p3d_eval.protocols.result import Result

VERSION = "1"
MEASURES = Measures("sports1m", VERSION, "hit", clip=(1,), video=(1, 5))


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
        ``clip_hit1``, ``video_hit1``, ``video_hit5``: clips and videos with any label among
        the guesses.

    Raises
    ------
    UserError
        When a file is wrong, a class has no column, clips are not stored, or videos are missing.
    """
    if annotations is None:
        raise UserError("sports1m: the official files are needed", "Give them with --annotations")
    files = annotations.files
    return recognise(MEASURES, store, lambda: lists.make_task(lists.parse(files)), annotations, options)


PROTOCOL: Protocol = Protocol(
    name="sports1m",
    version=VERSION,
    summary="Sports-1M: clip hit@1, video hit@1 and hit@5 from prob, or a linear probe.",
    options=Options,
    run=run,
    reader=lists.READER,
    annotation_option=AnnotationOption("annotations", "Folder of labels.txt and test_partition.txt."),
    needs_annotations=True,
    fuses=True,
)
