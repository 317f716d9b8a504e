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
            "hmdb51",
            "p3d_eval.protocols.hmdb51:PROTOCOL",
            "Action recognition: linear SVM on HMDB51's 3 splits.",
        ),
        Entry(
            "activitynet",
            "p3d_eval.protocols.activitynet:PROTOCOL",
            "Untrimmed classification: top-1, top-3 and mAP on ActivityNet.",
        ),
        Entry(
            "aslan",
            "p3d_eval.protocols.aslan:PROTOCOL",
            "Action similarity: 12 similarities on ASLAN's 10 folds.",
        ),
        Entry("yupenn", "p3d_eval.protocols.scenes:YUPENN", "Dynamic scenes: leave-one-video-out on YUPENN."),
        Entry(
            "dynamic-scenes",
            "p3d_eval.protocols.scenes:DYNAMIC_SCENES",
            "Dynamic scenes: leave-one-video-out on Dynamic Scene (Maryland).",
        ),
        Entry(
            "retrieval",
            "p3d_eval.protocols.retrieval:PROTOCOL",
            "Nearest neighbours by cosine: R@k and mAP on UCF101 or HMDB51.",
        ),
        Entry(
            "custom",
            "p3d_eval.protocols.custom:PROTOCOL",
            "Your own data: classification, retrieval or pairs from a CSV of id,label.",
        ),
        Entry(
            "scenes",
            "p3d_eval.protocols.scenes:SCENES",
            "Leave-one-video-out on any set whose folders are classes.",
        ),
        Entry(
            "sports1m",
            "p3d_eval.protocols.sports1m:PROTOCOL",
            "Recognition on Sports-1M: clip hit@1, video hit@1 and hit@5.",
        ),
        Entry(
            "kinetics400",
            "p3d_eval.protocols.kinetics400:PROTOCOL",
            "Recognition on Kinetics-400: clip and video top-1, top-5.",
        ),
        Entry(
            "ssv2", "p3d_eval.protocols.ssv2:PROTOCOL", "Recognition on Something-Something v2: top-1, top-5."
        ),
    ],
    "p3d_eval.protocols",
)

__all__ = ["PROTOCOLS", "Protocol"]
