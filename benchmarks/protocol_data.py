"""Feature files and official annotations of every protocol at its real size, generated."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

Files = dict[str, bytes]
Maker = Callable[[Path, int, bool], None]

CLIPS = 10  # of a video whose clips are judged


def write(folder: Path, name: str, ids: list[str], layers: dict[str, np.ndarray], files: Files) -> None:
    """Write a feature file and the annotation files beside it, in a folder of the protocol's own."""
    from p3d_eval.features import write_store

    own = folder / name
    own.mkdir(parents=True, exist_ok=True)
    write_store(own / "feats.h5", ids, layers, backbone="generated", overwrite=True)
    for file, content in files.items():
        (own / file).write_bytes(content)


def overlapping(labels: np.ndarray, dimensions: int, apart: float, seed: int = 0) -> np.ndarray:
    """Non-negative features in float32: one centre a class, ``apart`` standard deviations from the others."""
    generator = np.random.default_rng(seed)
    values = generator.standard_normal((len(labels), dimensions), dtype=np.float32)
    values *= np.float32(np.sqrt(dimensions) / apart)
    for label in range(labels.max() + 1):
        values[labels == label] += generator.gamma(0.5, 1.0, dimensions).astype(np.float32)
    return np.maximum(values, 0, out=values)


def make_ucf101(folder: Path, dimensions: int, small: bool) -> None:
    """101 classes, 25 groups, 13,320 clips: 4 to 7 a group, as many as the real set has."""
    generator = np.random.default_rng(0)
    classes, videos = (11, 1_320) if small else (101, 13_320)
    cells = [(c, g) for c in range(classes) for g in range(1, 26)]
    counts = np.full(len(cells), 4)
    while counts.sum() < videos:
        open_cells = np.flatnonzero(counts < 7)
        counts[generator.choice(open_cells, min(len(open_cells), videos - counts.sum()), replace=False)] += 1
    rows = [(c, g, k) for (c, g), count in zip(cells, counts, strict=True) for k in range(1, count + 1)]
    ids = [f"Class{c:03}/v_Class{c:03}_g{g:02}_c{k:02}" for c, g, k in rows]
    write(
        folder, "ucf101", ids, {"pool5": overlapping(np.array([row[0] for row in rows]), dimensions, 9.0)}, {}
    )


def make_hmdb51(folder: Path, dimensions: int, small: bool) -> None:
    """51 classes; per class and split 70 train, 30 test, and about 33 are not used: 6,766 clips."""
    classes = 6 if small else 51
    ids, labels, files = [], [], {}
    for c in range(classes):
        clips = 133 if c % 3 else 132
        stems = [f"Film_{k // 2}_class{c:02}_f_cm_np1_fr_med_{k}" for k in range(clips)]
        for split in (1, 2, 3):
            uses = ["1"] * 70 + ["2"] * 30 + ["0"] * (clips - 100)
            turned = uses[30 * split :] + uses[: 30 * split]
            text = "".join(f"{stem}.avi {use} \n" for stem, use in zip(stems, turned, strict=True))
            files[f"class{c:02}_test_split{split}.txt"] = text.encode()
        ids += [f"class{c:02}/{stem}" for stem in stems]
        labels += [c] * clips
    write(folder, "hmdb51", ids, {"pool5": overlapping(np.array(labels), dimensions, 8.0)}, files)


def make_activitynet(folder: Path, dimensions: int, small: bool) -> None:
    """200 classes, 10,024 training and 4,926 validation videos, a few with two labels."""
    scale, classes = (10, 20) if small else (1, 200)
    counts = {"training": 10_024 // scale, "validation": 4_926 // scale}
    database, ids, labels = {}, [], []
    for subset, count in counts.items():
        for n in range(count):
            own = [n % classes, *([(n + 1) % classes] if n % 1300 == 7 else [])]
            video = f"{subset[:5]}{n:06}"
            database[video] = {"subset": subset, "annotations": [{"label": f"Activity {c}"} for c in own]}
            ids.append(video)
            labels.append(own[0])
    document = {"version": "VERSION 1.3", "taxonomy": [], "database": database}
    files = {"activity_net.v1-3.min.json": json.dumps(document).encode()}
    values = overlapping(np.array(labels), dimensions, 9.0)
    write(folder, "activitynet", ids, {"pool5": values}, files)


def make_aslan(folder: Path, dimensions: int, small: bool) -> None:  # noqa: ARG001 (its layers have their sizes)
    """3,697 samples, 10 folds of 600 pairs, the four layers of P3D in their real sizes (small: pooled)."""
    generator = np.random.default_rng(0)
    actions, samples, pairs = (40, 370, 60) if small else (430, 3_697, 600)
    action = np.sort(generator.integers(actions, size=samples))
    lines = ["fold,id1,id2,same,class1,class2"]
    for fold in range(10):
        own = np.flatnonzero(action % 10 == fold)
        seen: set[tuple[int, int]] = set()
        for same in (True, False):
            while len(seen) < pairs // 2 * (1 if same else 2):
                a, b = sorted(generator.choice(own, 2, replace=False).tolist())
                if (action[a] == action[b]) == same and (a, b) not in seen:
                    seen.add((a, b))
                    lines.append(f"{fold + 1},{a + 1},{b + 1},{int(same)},{action[a]},{action[b]}")
    widths = {"prob": 487, "pool5": 2_048, "res5c": 51_200, "res4b35": 204_800}
    if small:
        widths = {"prob": 487, "pool5": 2_048, "res5c": 2_048, "res4b35": 1_024}
    layers = {name: overlapping(action, width, 4.0, seed) for seed, (name, width) in enumerate(widths.items())}
    from p3d_eval.features import write_store

    own_folder = folder / "aslan"
    own_folder.mkdir(parents=True, exist_ok=True)
    write_store(
        own_folder / "feats.h5", [f"sample {n + 1:04}" for n in range(samples)], layers, backbone="generated",
        provenance={"aslan_layers": list(widths)}, overwrite=True,
    )  # fmt: skip
    (own_folder / "pairs.csv").write_text("\n".join(lines) + "\n")


def make_scenes(name: str, classes: int, each: int) -> Maker:
    """Folders of videos."""

    def make(folder: Path, dimensions: int, small: bool) -> None:
        count = 3 if small else each
        ids = [f"class{c:02}/video{n:02}" for c in range(classes) for n in range(count)]
        labels = np.repeat(np.arange(classes), count)
        write(folder, name, ids, {"pool5": overlapping(labels, dimensions, 12.0)}, {})

    return make


def make_custom(folder: Path, dimensions: int, small: bool) -> None:
    """A table of 5,000 videos of 50 classes, in groups of five."""
    classes, each = (10, 50) if small else (50, 100)
    labels = np.repeat(np.arange(classes), each)
    ids = [f"video{n:05}" for n in range(len(labels))]
    rows = [
        f"{video},class {c:02},{c}-{n % each // 5}"
        for n, (video, c) in enumerate(zip(ids, labels, strict=True))
    ]
    table = "\n".join(["id,label,group", *rows, ""]).encode()
    write(folder, "custom", ids, {"pool5": overlapping(labels, dimensions, 9.0)}, {"labels.csv": table})


def write_scores(
    folder: Path, name: str, ids: list[str], labels: np.ndarray, classes: list[str], files: Files
) -> None:
    """Write class scores of ten clips a video, and their means, with the annotation files beside them."""
    from p3d_eval.features.memory import default_provenance
    from p3d_eval.features.schema import LayerPlan, StorePlan, VideoRecord
    from p3d_eval.features.writer import StoreWriter, create_store

    own = folder / name
    own.mkdir(parents=True, exist_ok=True)
    (own / "feats.h5").unlink(missing_ok=True)
    plan = StorePlan(
        videos=tuple(map(VideoRecord, ids)),
        layers={"prob": LayerPlan((len(classes),), "C")},
        identity={"made": "for a benchmark", "layers": {"prob": "mean"}},
        provenance=default_provenance() | {"backbone": "generated"},
        classes=tuple(classes),
        clip_counts=np.full(len(ids), CLIPS),
    )
    create_store(own / "feats.h5", plan)
    generator = np.random.default_rng(0)
    with StoreWriter(own / "feats.h5", "generated") as writer:
        for row, label in enumerate(labels.tolist()):
            scores = generator.random((CLIPS, len(classes)), dtype=np.float32)
            scores[:, label] += np.float32(0.5)
            scores /= scores.sum(axis=1, keepdims=True)
            writer.write_clips(row, 0, {"prob": scores})
            mean = scores.mean(axis=0, dtype=np.float64).astype(np.float32)
            writer.write_video(row, {"prob": mean}, clips=CLIPS, starts=np.arange(CLIPS))
        writer.finish()
    for file, content in files.items():
        (own / file).write_bytes(content)


def make_kinetics400(folder: Path, dimensions: int, small: bool) -> None:  # noqa: ARG001 (400 scores)
    """19,906 videos with 400 scores."""
    count = 1_990 if small else 19_906
    labels = np.arange(count) % 400
    names = [f"class {c:03}" for c in range(400)]
    lines = ["label,youtube_id,time_start,time_end,split,is_cc"]
    lines += [f"{names[label]},id{n:09},0,10,val,0" for n, label in enumerate(labels.tolist())]
    ids = [f"id{n:09}_000000_000010" for n in range(count)]
    write_scores(folder, "kinetics400", ids, labels, names, {"val.csv": "\n".join([*lines, ""]).encode()})


def make_sports1m(folder: Path, dimensions: int, small: bool) -> None:  # noqa: ARG001 (487 scores)
    """20,000 videos, a tenth of the test partition, with 487 scores; a few have two labels."""
    count = 2_000 if small else 20_000
    labels = np.arange(count) % 487
    names = [f"sport {c:03}" for c in range(487)]
    ids = [f"id{n:09}" for n in range(count)]
    second = [f",{(c + 1) % 487}" if n % 20 == 0 else "" for n, c in enumerate(labels.tolist())]
    lines = [
        f"https://www.youtube.com/watch?v={video} {c}{more}"
        for video, c, more in zip(ids, labels, second, strict=True)
    ]
    files = {
        "labels.txt": "\n".join([*names, ""]).encode(),
        "test_partition.txt": "\n".join([*lines, ""]).encode(),
    }
    write_scores(folder, "sports1m", ids, labels, names, files)


def _ssv2_files(ids: list[str], labels: np.ndarray, names: list[str], tested: int) -> Files:
    listed = [{"id": video, "template": names[c]} for video, c in zip(ids, labels.tolist(), strict=True)]
    documents = {
        "labels.json": {name: str(place) for place, name in enumerate(names)},
        "validation.json": listed[:tested],
        "train.json": listed[tested:],
    }
    return {name: json.dumps(document).encode() for name, document in documents.items() if document}


def make_ssv2(folder: Path, dimensions: int, small: bool) -> None:  # noqa: ARG001 (174 scores)
    """24,777 videos with 174 scores."""
    count = 2_478 if small else 24_777
    labels = np.arange(count) % 174
    names = [f"Doing thing {c:03}" for c in range(174)]
    ids = [str(n) for n in range(count)]
    write_scores(folder, "ssv2", ids, labels, names, _ssv2_files(ids, labels, names, count))


def make_ssv2_probe(folder: Path, dimensions: int, small: bool) -> None:
    """A linear probe of 174 classes, on 10,000 training and 5,000 validation videos."""
    tested, count = (500, 1_500) if small else (5_000, 15_000)
    labels = np.arange(count) % 174
    names = [f"Doing thing {c:03}" for c in range(174)]
    ids = [str(n) for n in range(count)]
    values = overlapping(labels, dimensions, 9.0)
    write(folder, "ssv2-probe", ids, {"pool5": values}, _ssv2_files(ids, labels, names, tested))


@dataclass(frozen=True)
class Row:
    """What is timed: a protocol with options, on generated data."""

    protocol: str
    data: str
    make: Maker
    options: Mapping[str, str] = field(default_factory=dict)
    trains: bool = True


def _rows() -> dict[str, Row]:
    video = {"measure": "video"}
    table = {"table": "labels.csv"}
    rows = {
        name: Row(name, name, make)
        for name, make in {
            "ucf101": make_ucf101,
            "hmdb51": make_hmdb51,
            "activitynet": make_activitynet,
            "yupenn": make_scenes("yupenn", 14, 30),
            "dynamic-scenes": make_scenes("dynamic-scenes", 13, 10),
            "scenes": make_scenes("scenes", 20, 50),
        }.items()
    }
    rows["aslan"] = Row("aslan", "aslan", make_aslan, {"pairs": "pairs.csv"})
    rows["retrieval"] = Row("retrieval", "ucf101", make_ucf101, trains=False)
    rows["custom"] = Row("custom", "custom", make_custom, table)
    for task, trains in {"retrieval": False, "pairs": True}.items():
        rows[f"custom-{task}"] = Row("custom", "custom", make_custom, table | {"task": task}, trains)
    scored = {"kinetics400": make_kinetics400, "sports1m": make_sports1m, "ssv2": make_ssv2}
    for name, make in scored.items():
        rows[name] = Row(name, name, make, trains=False)
        rows[f"{name}-video"] = Row(name, name, make, video, trains=False)
    rows["ssv2-probe"] = Row("ssv2", "ssv2-probe", make_ssv2_probe, {"layer": "pool5"})
    return rows


ROWS = _rows()
"""What can be timed, by name."""
