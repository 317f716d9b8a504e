"""Features and annotations to results: one module a protocol (imports features and the bottom layer).

Listing the protocols imports neither numpy nor h5py.
"""

from p3d_eval.protocols.protocol import Protocol
from p3d_eval.registry import Entry, Registry

PROTOCOLS: Registry[Protocol] = Registry(
    "protocol",
    Protocol,
    [
        Entry(
            "ucf101",
            "p3d_eval.protocols.ucf101:PROTOCOL",
            "Action recognition: linear SVM on UCF101's 3 splits.",
        ),
        Entry(
            "aslan",
            "p3d_eval.protocols.aslan:PROTOCOL",
            "Action similarity: 12 similarities on ASLAN's 10 folds.",
        ),
    ],
    "p3d_eval.protocols",
)

__all__ = ["PROTOCOLS", "Protocol"]
