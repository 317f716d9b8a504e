"""Kinetics-400: a network's own class scores, of clips and of videos; or a linear probe on another layer."""

from p3d_eval.protocols.annotations import kinetics as lists
from p3d_eval.protocols.protocol import AnnotationOption
from p3d_eval.protocols.recognition import Measures
from p3d_eval.protocols.recognition_protocol import recognition_protocol

PROTOCOL = recognition_protocol(
    Measures("kinetics400", "1", "top", clip=(1, 5), video=(1, 5)),
    "Kinetics-400: clip and video top-1 and top-5 from prob, or a linear probe.",
    lists.READER,
    AnnotationOption("annotations", "Official CSV, or a folder of val.csv and train.csv.", "val.csv"),
    lambda files, ids: lists.make_task(lists.parse(files), ids),
)
