"""The direction of imports, and what each part may not load."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import p3d_eval

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = {"p3d_eval": "p3d_eval", **{n: f"p3d_eval.{n}" for n in ("features", "protocols", "reports")}}
ORDER = ("bottom", "features", "protocols", "reports", "top")
TOP = {"p3d_eval", "p3d_eval.__main__", "p3d_eval.api"}
HEAVY = {"torch", "numpy", "h5py", "sklearn", "scipy", "pandas", "av", "matplotlib"}


def layer(module: str) -> str:
    parts = module.split(".")
    if module in TOP or module.endswith("_verbs") or parts[1] in {"cli", "demo", "study"}:
        return "top"
    return parts[1] if parts[1] in ORDER else "bottom"


def modules() -> dict[str, Path]:
    found = {}
    for folder, package in FOLDERS.items():
        for path in (ROOT / folder).rglob("*.py"):
            parts = [package, *path.relative_to(ROOT / folder).with_suffix("").parts]
            found[".".join(parts).removesuffix(".__init__")] = path
    return found


def imports(path: Path) -> set[str]:
    """Every absolute module name that a file imports, wherever the statement stands."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
    return names


def texts(path: Path) -> set[str]:
    """Module names, before a colon, among the string constants of a file."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    values = (node.value for node in nodes if isinstance(node, ast.Constant))
    return {text.partition(":")[0] for text in values if isinstance(text, str) and text.startswith("p3d_eval.")}


MODULES = modules()


@pytest.mark.parametrize("name", sorted(MODULES))
def test_imports_go_down_only(name):
    rank = ORDER.index(layer(name))
    found = imports(MODULES[name])
    own = {target for target in found if target in MODULES and target != "p3d_eval"}
    # Names of the root package stand for api.py, and modules may be named in texts (import_module, registries).
    own |= {"p3d_eval.api" for target in found if target.removeprefix("p3d_eval.") in p3d_eval.__all__[1:]}
    own |= {target for target in texts(MODULES[name]) if target in MODULES and rank < ORDER.index("top")}
    upward = sorted(target for target in own if ORDER.index(layer(target)) > rank)
    assert not upward, f"{name} ({layer(name)}) imports {upward}"


def test_every_folder_is_walked():
    assert {layer(name) for name in MODULES} == set(ORDER)


def test_no_module_is_named_like_a_public_function_or_a_keyword():
    stems = {path.stem for path in MODULES.values()}
    assert not stems & {"extract", "evaluate", "report", "import", "load_backbone", "open_features"}


def test_production_modules_stay_small():
    long = {name: n for name, path in MODULES.items() if (n := len(path.read_text().splitlines())) > 310}
    assert not long


def loaded_by(code: str) -> set[str]:
    script = f"import sys\ntry:\n    {code}\nexcept SystemExit:\n    pass\nprint(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stdout.splitlines()[-1].split()}


@pytest.mark.parametrize(
    "code",
    [
        "import p3d_eval",
        "from p3d_eval.__main__ import main; sys.argv = ['p3d-eval', '--help']; main()",
        "from p3d_eval.__main__ import main; sys.argv = ['p3d-eval', 'extract', '--help']; main()",
    ],
)
def test_help_loads_nothing_heavy(code):
    assert not loaded_by(code) & HEAVY
