"""Render the demo's videos: real MPEG-4 files in UCF101's folders and names, the same for the same seed."""

from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from p3d_eval.demo.motions import MOTIONS, Pose
from p3d_eval.files import atomic_output

HEIGHT, WIDTH, FRAMES_PER_SECOND = 240, 320, 25  # UCF101's
FRAMES = 40
GROUPS = (1, 4, 8, 11, 15, 18)  # two in each of UCF101's test ranges 1-7, 8-14 and 15-21
CYCLE = 20  # frames of one motion cycle at speed 1
_PATCH_RADIUS = 0.32  # of half the height


def video_path(folder: Path, action: str, group: int, number: int) -> Path:
    """Return ``Action/v_Action_gNN_cNNNN.avi``: UCF101's naming, with the ASLAN sample number as the clip's."""
    return folder / action / f"v_{action}_g{group:02}_c{number:04}.avi"


def _texture(rng: np.random.Generator, cells: int) -> NDArray[np.float32]:
    """Smooth random colours, HEIGHT × WIDTH × 3 in [0, 1]: a coarse grid, bilinearly enlarged."""
    grid = rng.random((cells + 1, cells + 1, 3), dtype=np.float32)
    y, x = np.linspace(0, cells - 1e-3, HEIGHT), np.linspace(0, cells - 1e-3, WIDTH)
    row, column = y.astype(int), x.astype(int)
    fy, fx = (y - row)[:, None, None].astype(np.float32), (x - column)[None, :, None].astype(np.float32)
    top = grid[row][:, column] * (1 - fx) + grid[row][:, column + 1] * fx
    bottom = grid[row + 1][:, column] * (1 - fx) + grid[row + 1][:, column + 1] * fx
    return np.asarray(top * (1 - fy) + bottom * fy, dtype=np.float32)


def _draw(
    background: NDArray[np.float32], patch: NDArray[np.float32], corners: int, pose: Pose
) -> NDArray[np.uint8]:
    """Draw a regular polygon, cut from ``patch``, onto the background at ``pose``."""
    half = HEIGHT / 2
    frame = background.copy()
    centre_x, centre_y = WIDTH / 2 * (1 + pose.x), half * (1 + pose.y)
    reach = _PATCH_RADIUS / np.cos(np.pi / corners) * pose.scale * half + 1
    top, bottom = np.clip([centre_y - reach, centre_y + reach], 0, HEIGHT).astype(int)
    left, right = np.clip([centre_x - reach, centre_x + reach], 0, WIDTH).astype(int)
    y, x = np.mgrid[top:bottom, left:right].astype(np.float32)
    u, v = (x - centre_x) / half, (y - centre_y) / half
    cosine, sine = np.cos(pose.angle) / pose.scale, np.sin(pose.angle) / pose.scale
    u, v = cosine * u + sine * v, cosine * v - sine * u
    sector = 2 * np.pi / corners
    angle = np.arctan2(v, u) % sector - sector / 2
    inside = np.hypot(u, v) * np.cos(angle) < _PATCH_RADIUS
    rows = np.clip((v / _PATCH_RADIUS / 2 + 0.5) * HEIGHT, 0, HEIGHT - 1).astype(int)
    columns = np.clip((u / _PATCH_RADIUS / 2 + 0.5) * WIDTH, 0, WIDTH - 1).astype(int)
    frame[top:bottom, left:right][inside] = patch[rows[inside], columns[inside]] * pose.brightness
    return np.asarray(np.clip(frame * 255, 0, 255), dtype=np.uint8)


def render(action: str, group: int, seed: int) -> list[NDArray[np.uint8]]:
    """Frames of one video: the action's motion with this group's background, patch, speed and place.

    Parameters
    ----------
    action : str
        A name of :data:`MOTIONS`.
    group : int
        Number of the group; with the seed and the action it fixes everything that varies.
    seed : int
        Seed of the demo.

    Returns
    -------
    list of ndarray of uint8, shape (240, 320, 3)
        ``FRAMES`` RGB frames.
    """
    rng = np.random.default_rng([seed, sorted(MOTIONS).index(action), group])
    background = 0.25 + 0.4 * _texture(rng, cells=int(rng.integers(3, 9)))
    patch = _texture(rng, cells=4)
    corners = int(rng.integers(3, 7))
    start, speed = rng.random(), rng.uniform(0.85, 1.15) / CYCLE
    shift_x, shift_y, size = rng.uniform(-0.1, 0.1), rng.uniform(-0.1, 0.1), rng.uniform(0.9, 1.2)
    frames = []
    for index in range(FRAMES):
        pose = MOTIONS[action](start + speed * index)
        placed = Pose(pose.x + shift_x, pose.y + shift_y, pose.angle, pose.scale * size, pose.brightness)
        frames.append(_draw(background, patch, corners, placed))
    return frames


def encode(path: Path, frames: list[NDArray[np.uint8]]) -> None:
    """Write RGB frames as MPEG-4 in an AVI file, as UCF101's are."""
    with atomic_output(path, overwrite=True) as temporary, av.open(str(temporary), "w", format="avi") as file:
        stream = file.add_stream("mpeg4", rate=FRAMES_PER_SECOND)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.bit_rate = 1_500_000
        stream.thread_count = 1  # the same bytes on every machine
        for frame in frames:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        file.mux(stream.encode())
