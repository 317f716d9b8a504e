"""Build the wheel and the sdist from a clean copy, compare their lists with the tree, and use the wheel.

The copy leaves out ``build/``, where setuptools would pick up stale files. The wheel is installed into a
virtual environment that sees this one's packages, so only p3d-eval itself is new there.
"""

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = {
    "p3d_eval": "p3d_eval",
    **{name: f"p3d_eval/{name}" for name in ("features", "protocols", "reports")},
}
GENERATED = {"build", "dist", "demo", "site", ".venv", ".git"}

USE = """
import pickle, sys
import p3d_eval, p3d_eval.features, p3d_eval.protocols, p3d_eval.reports
from pathlib import Path
from p3d_eval.protocols.similarities import pair_similarities
assert "site-packages" in p3d_eval.__file__ and "site-packages" in p3d_eval.features.__file__
assert pickle.loads(pickle.dumps(pair_similarities)) is pair_similarities
assert Path(p3d_eval.__file__).with_name("py.typed").is_file()
import multiprocessing
with multiprocessing.get_context("spawn").Pool(1) as pool:
    import numpy
    assert pool.apply(pair_similarities, (numpy.ones((1, 4)), numpy.ones((1, 4)))).shape == (1, 12)
"""


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """Run a command, return what it printed, stop with its output when it fails."""
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def ignored(folder: str, names: list[str]) -> set[str]:
    """Leave out what is generated: some folders of the root, and caches everywhere."""
    generated = GENERATED if Path(folder) == ROOT else set()
    return {
        name for name in names if name in generated or name.endswith(("__pycache__", "_cache", ".egg-info"))
    }


def expected() -> set[str]:
    """Every file of the four folders under the name that it installs as."""
    files = set()
    for folder, package in FOLDERS.items():
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                files.add(f"{package}/{path.relative_to(ROOT / folder).as_posix()}")
    return files


def compare(kind: str, found: set[str], wanted: set[str]) -> None:
    """Stop with the difference when an archive's list is not the tree's."""
    if found != wanted:
        sys.exit(f"{kind}: missing {sorted(wanted - found)}, unexpected {sorted(found - wanted)}")
    sys.stdout.write(f"{kind}: {len(found)} files, as in the tree\n")


def main() -> None:
    """Build, compare, install, use."""
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "source"
        shutil.copytree(ROOT, copy, ignore=ignored)
        run(sys.executable, "-m", "build", "--no-isolation", "--outdir", scratch, cwd=copy)
        wheel = next(Path(scratch).glob("*.whl"))
        sdist = next(Path(scratch).glob("*.tar.gz"))
        names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
        compare("wheel", names, expected())
        with tarfile.open(sdist) as archive:
            members = {name.partition("/")[2] for name in archive.getnames()}
        inside = {
            f"{FOLDERS[top]}/{rest}" for top, _, rest in (m.partition("/") for m in members) if top in FOLDERS
        }
        compare("sdist", inside & expected(), expected())

        environment = Path(scratch) / "venv"
        venv.create(environment, with_pip=False)
        packages = next(Path(path) for path in sys.path if path.endswith("site-packages"))
        target = next((environment / "lib").glob("python*/site-packages"))
        python = environment / "bin" / "python"
        install = ("-m", "pip", "--python", python, "install", "--no-deps", "--quiet", wheel)
        run(sys.executable, *install, cwd=Path(scratch))
        # Dependencies come from this environment, behind the installed wheel.
        (target / "dependencies.pth").write_text(f"{packages}\n", encoding="utf-8")
        run(
            python,
            "-c",
            "import sys; assert not [p for p in sys.meta_path if 'editable' in str(p)]",
            cwd=Path(scratch),
        )
        run(python, "-c", USE, cwd=Path(scratch))
        run(environment / "bin" / "p3d-eval", "--version", cwd=Path(scratch))
        sys.stdout.write("installed wheel: imports, pickles, spawns and answers --version\n")


if __name__ == "__main__":
    main()
