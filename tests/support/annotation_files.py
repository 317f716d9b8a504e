"""Small annotation files of every data set, in the official forms."""

import json
from functools import cache

from tests.support import protocol_data as data

HMDB = {"brush_hair": "April_09_brush_hair_u_nm_np1_ba_goo", "wave": "Films_2_wave_f_cm_np2_le_bad"}


def hmdb51_files(newline="\n"):
    """Two classes of six clips each: three train, two test, one is not used, shifted from split to split."""
    return {
        f"{action}_test_split{split}.txt": newline.join(
            f"{stem}_{n}.avi {'111220'[(n + split) % 6]} " for n in range(6)
        ).encode()
        for action, stem in HMDB.items()
        for split in (1, 2, 3)
    }


def activitynet_document():
    """Two training and two validation videos, one of two labels, and a hidden one."""
    labels = {"a": ("training", ["Ballet"]), "b": ("training", ["Archery"]), "t": ("testing", [])}
    labels |= {"c": ("validation", ["Ballet", "Archery", "Ballet"]), "d": ("validation", ["Archery"])}
    return {
        "database": {
            video: {"subset": subset, "annotations": [{"label": label, "segment": [0, 1]} for label in own]}
            for video, (subset, own) in labels.items()
        },
        "taxonomy": [],
        "version": "VERSION 1.3",
    }


def sports1m_files():
    return {
        "labels.txt": b"archery\nbowling\ncurling\n",
        "test_partition.txt": (
            b"https://www.youtube.com/watch?v=DN1RS8b6FTA 0,2\r\n"
            b"http://www.youtube.com/watch?v=-_abcdefghi 1\r\n"
        ),
        "train_partition.txt": b"https://www.youtube.com/watch?v=zzzzzzzzzzz 1\n",
    }


def kinetics_files():
    return {
        "val.csv": (
            b'label,youtube_id,time_start,time_end,split,is_cc\n"air drumming",0wR5jVB-WPk,417,427,val,0\n'
            b"abseiling,3caPS4FHFF8,36,46,val,0\nabseiling,3caPS4FHFF8,50,60,val,1\n"
        )
    }


def ssv2_files():
    entries = [
        {
            "id": "74225",
            "label": "closing a door",
            "template": "Closing [something]",
            "placeholders": ["a door"],
        },
        {"id": "7", "label": "x", "template": "Putting [something] onto [something]", "placeholders": []},
    ]
    labels = {"Closing something": "0", "Putting something onto something": "1"}
    return {
        "ssv2-labels.json": json.dumps(labels).encode(),
        "ssv2-validation.json": json.dumps(entries).encode(),
        "ssv2-train.json": json.dumps([entries[0] | {"id": "8"}]).encode(),
    }


@cache
def all_files():
    """Data set → its files; not to be changed."""
    return {
        "hmdb51": hmdb51_files(),
        "activitynet": {"activity_net.json": json.dumps(activitynet_document()).encode()},
        "sports1m": sports1m_files(),
        "kinetics400": kinetics_files(),
        "ssv2": ssv2_files(),
        "ucf101": data.ucf_lists(data.ucf_ids()),
        "aslan": {"View2.mat": data.mat_bytes(data.pair_table(folds=3))},
    }
