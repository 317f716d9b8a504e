"""Sports-1M: a network's own class scores, of clips and of videos; or a linear probe on another layer.

A clip or video counts as a hit when any of its labels is among the guesses (Karpathy et al., CVPR 2014).
"""

from p3d_eval.protocols.annotations import sports1m as lists
from p3d_eval.protocols.protocol import AnnotationOption
from p3d_eval.protocols.recognition import Measures
from p3d_eval.protocols.recognition_protocol import recognition_protocol

PROTOCOL = recognition_protocol(
    Measures("sports1m", "1", "hit", clip=(1,), video=(1, 5)),
    "Sports-1M: clip hit@1, video hit@1 and hit@5 from prob, or a linear probe.",
    lists.READER,
    AnnotationOption("annotations", "Folder of labels.txt and test_partition.txt.", "sports-1m"),
    lambda files, _ids: lists.make_task(lists.parse(files)),
)
