"""Write the demo's splits and pairs in the official formats of UCF101 and ASLAN."""

from itertools import combinations
from pathlib import Path

import numpy as np
import scipy.io

from p3d_eval.demo.motions import MOTIONS
from p3d_eval.demo.videos import GROUPS, video_path
from p3d_eval.files import atomic_output, write_text

TEST_GROUPS = (range(1, 8), range(8, 15), range(15, 22))  # UCF101's three splits
FOLDS = 10

# SciPy writes the time into the text that opens a MATLAB 5 file (116 bytes); it would change the file's hash.
_MAT_DESCRIPTION = b"MATLAB 5.0 MAT-file: demo pairs of p3d-eval"
_MAT_DESCRIPTION_LENGTH = 116


def samples() -> list[tuple[str, int, int]]:
    """Return (action, group, number) of every video; numbers run from 1 as ASLAN's sample files do."""
    pairs = [(action, group) for action in sorted(MOTIONS) for group in GROUPS]
    return [(action, group, number) for number, (action, group) in enumerate(pairs, start=1)]


def write_ucf101(folder: Path) -> None:
    """Write classInd.txt, trainlist01-03.txt and testlist01-03.txt with the official line ends (CRLF)."""
    label = {action: index for index, action in enumerate(sorted(MOTIONS), start=1)}
    files = {"classInd.txt": [f"{index} {action}" for action, index in label.items()]}
    for split, groups in enumerate(TEST_GROUPS, start=1):
        lines = [(video_path(Path(), *sample).as_posix(), sample) for sample in samples()]
        files[f"trainlist0{split}.txt"] = [
            f"{line} {label[action]}" for line, (action, group, _) in lines if group not in groups
        ]
        files[f"testlist0{split}.txt"] = [line for line, (_, group, _) in lines if group in groups]
    for name, lines_of_file in files.items():
        write_text(folder / name, "".join(f"{line}\r\n" for line in lines_of_file), overwrite=True)


def pairs(seed: int) -> np.ndarray:
    """Pairs of ASLAN's View 2, shape (60, 5, 10): 30 same and 30 not-same in each of 10 folds.

    Each fold has two classes of its own: all 15 + 15 pairs within a class, and 30 of the 36 across.
    Columns are the two sample numbers, 1 for the same class, and the two class numbers.
    """
    rng = np.random.default_rng(seed)
    actions = sorted(MOTIONS)
    order = rng.permutation(len(actions)).reshape(FOLDS, -1)
    numbers = {action: [n for a, _, n in samples() if a == action] for action in actions}
    folds = []
    for first, second in order:
        same = [
            (a, b, 1, c + 1, c + 1) for c in (first, second) for a, b in combinations(numbers[actions[c]], 2)
        ]
        across = [
            (a, b, 0, first + 1, second + 1) for a in numbers[actions[first]] for b in numbers[actions[second]]
        ]
        chosen = sorted(rng.choice(len(across), size=len(same), replace=False))
        folds.append(np.array(same + [across[index] for index in chosen], dtype=float))
    return np.stack(folds, axis=2)


def write_aslan(path: Path, seed: int) -> None:
    """Write ``View2.mat`` with the variable ``action_splits_pairs``, the same bytes for the same seed."""
    with atomic_output(path, overwrite=True) as temporary, temporary.open("w+b") as file:
        scipy.io.savemat(file, {"action_splits_pairs": pairs(seed)}, do_compression=True)
        file.seek(0)
        file.write(_MAT_DESCRIPTION.ljust(_MAT_DESCRIPTION_LENGTH))
