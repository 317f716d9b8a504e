"""Small feature files, lists and pairs in the official formats, all from seeds."""

import io
from pathlib import Path

import numpy as np
import scipy.io

from p3d_eval.features import FeatureStore, open_features, write_store

_TEXT_BYTES = 116  # descriptive text at the head of a MATLAB file

ACTIONS = ("ApplyEyeMakeup", "Biking", "HandstandPushups", "YoYo")


def ucf_ids(actions=ACTIONS, groups=range(1, 26), clips=(1, 2)) -> list[str]:
    """Ids in UCF101's naming, with its quirk: the folder HandstandPushups holds v_HandStandPushups_…"""
    return [
        f"{action}/v_{action.replace('Handstand', 'HandStand')}_g{group:02}_c{clip:02}"
        for action in actions
        for group in groups
        for clip in clips
    ]


def ucf_lists(ids, actions=ACTIONS, newline="\r\n") -> dict[str, bytes]:
    """The seven official files for these ids, split by group as the official ones are."""
    files = {"classInd.txt": newline.join(f"{n} {a}" for n, a in enumerate(actions, 1)) + newline}
    for split, tested in enumerate((range(1, 8), range(8, 15), range(15, 22)), 1):
        train, test = [], []
        for video in ids:
            group = int(video.split("_g")[-1][:2])
            label = actions.index(video.split("/")[0]) + 1
            (test if group in tested else train).append(
                f"{video}.avi" + ("" if group in tested else f" {label}")
            )
        files[f"trainlist{split:02}.txt"] = newline.join(train) + newline
        files[f"testlist{split:02}.txt"] = newline.join(test) + newline
    return {name: text.encode() for name, text in files.items()}


def ucf_store(folder: Path, ids=None, *, spread=1.0, seed=0, **more) -> FeatureStore:
    """A store with a pool5 of 24 non-negative values whose classes overlap."""
    ids = ucf_ids() if ids is None else ids
    generator = np.random.default_rng(seed)
    actions = sorted({video.split("/")[-2] for video in ids})
    centres = generator.normal(size=(len(actions), 24))
    labels = [actions.index(video.split("/")[-2]) for video in ids]
    values = np.abs(generator.normal(size=(len(ids), 24)) + spread * centres[labels])
    return open_features(write_store(folder / "ucf.h5", ids, {"pool5": values}, **more))


def pair_table(folds=10, same=12, actions_per_fold=4, clips=6, seed=0) -> np.ndarray:
    """Pairs in the layout of View 2: 2·same × 5 × folds, folds disjoint in actions, both labels as frequent."""
    generator = np.random.default_rng(seed)
    pages = []
    for fold in range(folds):
        actions = np.arange(actions_per_fold) + fold * actions_per_fold + 1
        sample_actions = np.repeat(actions, clips)
        numbers = np.arange(len(sample_actions)) + fold * len(sample_actions) + 1
        first, second = np.triu_indices(len(numbers), 1)
        equal = sample_actions[first] == sample_actions[second]
        rows = []
        for label in (1, 0):
            for k in generator.choice(np.flatnonzero(equal == label), same, replace=False):
                i, j = first[k], second[k]
                rows.append([numbers[i], numbers[j], label, sample_actions[i], sample_actions[j]])
        pages.append(rows)
    return np.moveaxis(np.array(pages, float), 0, 2)


def mat_bytes(table: np.ndarray, name: str = "action_splits_pairs") -> bytes:
    """A MATLAB 5 file, the same bytes for the same table."""
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, {name: table})
    content = buffer.getvalue()
    told = b"MATLAB 5.0 MAT-file"
    return told.ljust(_TEXT_BYTES) + content[_TEXT_BYTES:]  # SciPy's text holds the time


def pair_layers(table: np.ndarray, seed=0) -> tuple[list[str], dict[str, np.ndarray]]:
    """Ids and two layers (a distribution and a 2 × 3 × 3 activation) for every sample of a pair table."""
    generator = np.random.default_rng(seed)
    rows = np.moveaxis(table, 2, 0).reshape(-1, 5).astype(int)
    action = dict(rows[:, [0, 3]].tolist()) | dict(rows[:, [1, 4]].tolist())
    numbers = sorted(action)
    labels = np.array([action[number] for number in numbers])
    centres = generator.gamma(0.5, 1, (labels.max() + 1, 18))
    conv = np.maximum(0, centres[labels] + 0.8 * generator.normal(size=(len(labels), 18))).reshape(-1, 2, 3, 3)
    prob = generator.dirichlet(np.ones(7), size=labels.max() + 1)[labels] + generator.dirichlet(
        np.ones(7), size=len(labels)
    )
    return [f"clips/xyz 12 {number:04d}" for number in numbers], {"prob": prob / 2, "res5c": conv}


def aslan_store(folder: Path, table: np.ndarray, ids=None, **more) -> FeatureStore:
    """A store for a pair table, with both layers registered for ASLAN."""
    names, layers = pair_layers(table)
    keep = range(len(names)) if ids is None else [row for row, name in enumerate(names) if name in ids]
    provenance = {"aslan_layers": ["prob", "res5c"]} | more.pop("provenance", {})
    path = write_store(
        folder / "aslan.h5",
        [names[row] for row in keep],
        {name: values[list(keep)] for name, values in layers.items()},
        provenance=provenance,
        **more,
    )
    return open_features(path)
