"""Something-Something v2: a network's own scores, of clips and of videos; or a probe on another layer."""

from p3d_eval.protocols.annotations import ssv2 as lists
from p3d_eval.protocols.protocol import AnnotationOption
from p3d_eval.protocols.recognition import Measures
from p3d_eval.protocols.recognition_protocol import recognition_protocol

PROTOCOL = recognition_protocol(
    Measures("ssv2", "1", "top", clip=(1, 5), video=(1, 5)),
    "Something-Something v2: clip and video top-1 and top-5 from prob, or a linear probe.",
    lists.READER,
    AnnotationOption("annotations", "Folder of the label, validation and training JSON files.", "labels"),
    lambda files, _ids: lists.make_task(lists.parse(files)),
)
