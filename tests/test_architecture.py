"""The plan of the house, read off the source: imports go down only, `import negfadj` is light, no autodiff anywhere."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# Each floor and the floors below it that it may import, besides itself. `kernels` is the top-level folder kernels/.
BELOW: dict[str, tuple[str, ...]] = {
    "words": (),
    "kernels": ("words",),
    "array": ("words", "kernels"),
    "data": ("words", "array"),
    "primitives": ("words", "array", "data"),
    "implicit": ("words", "array", "data", "primitives"),
    "electrostatics": ("words", "array", "data"),
    "models": ("words", "array", "data"),
    "physics": ("words", "array", "data", "primitives", "implicit", "electrostatics", "models"),
    "objectives": ("words", "array", "data", "primitives", "implicit", "electrostatics", "models", "physics"),
}
BELOW["callers"] = (*BELOW["objectives"], "objectives")

# The floor of a module by the name after "negfadj."; the package itself, negfadj/__init__.py, is a caller.
FLOOR: dict[str, str] = {
    "errors": "words",
    "constants": "words",
    "typing": "words",
    "optional": "words",
    "_kernels": "kernels",
    "array": "array",
    "data": "data",
    "primitives": "primitives",
    "implicit": "implicit",
    "electrostatics": "electrostatics",
    "models": "models",
    "physics": "physics",
    "objectives": "objectives",
    "embedding": "callers",
    "callers": "callers",
    "testing": "callers",
    "__main__": "callers",
}

AUTODIFF = {"autograd", "casadi", "flax", "jax", "jaxlib", "pytensor", "tensorflow", "theano", "torch"}
NOT_EAGER = {
    "ase",
    "cffi",
    "cupy",
    "h5netcdf",
    "h5py",
    "matplotlib",
    "numba",
    "openmdao",
    "pyamg",
    "pydantic",
    "rich",
    "sisl",
    "typer",
    "xarray",
}


@dataclass(frozen=True)
class Module:
    """A source file of the library and the name it is imported by."""

    name: str
    path: Path

    @property
    def package(self) -> list[str]:
        """The package that relative imports start from."""
        parts = self.name.split(".")
        return parts if self.path.name == "__init__.py" else parts[:-1]


def modules_of(root: Path) -> list[Module]:
    """Every module of negfadj/ and of kernels/, which installs as negfadj._kernels."""
    found = []
    for folder, package in ((root / "negfadj", "negfadj"), (root / "kernels", "negfadj._kernels")):
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            parts = parts[:-1] if parts[-1] == "__init__" else parts
            found.append(Module(".".join((package, *parts)), path))
    return found


def floor_of(name: str) -> str | None:
    """The floor a module stands on, None when the plan has no place for it."""
    parts = name.split(".")
    return "callers" if len(parts) == 1 else FLOOR.get(parts[1])


def imports_of(module: Module, known: set[str]) -> Iterator[tuple[int, str]]:
    """Line and full name of everything a module imports, lazily and under TYPE_CHECKING too."""
    for node in ast.walk(ast.parse(module.path.read_text(encoding="utf-8"), filename=str(module.path))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            start = module.package[: len(module.package) - node.level + 1] if node.level else []
            source = ".".join([*start, *([node.module] if node.module else [])])
            for alias in node.names:
                inner = f"{source}.{alias.name}"
                yield node.lineno, inner if inner in known else source
        elif isinstance(node, ast.Call) and node.args:
            function = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            argument = node.args[0]
            if isinstance(argument, ast.JoinedStr) and argument.values:  # f"negfadj._kernels.{name}": its fixed start
                argument = argument.values[0]
            if function in ("import_module", "__import__") and isinstance(argument, ast.Constant):
                yield node.lineno, str(argument.value).rstrip(".")


def upward_imports(root: Path) -> list[str]:
    """A line for every import that does not go down."""
    modules = modules_of(root)
    known = {module.name for module in modules}
    complaints = []
    for module in modules:
        floor = floor_of(module.name)
        for line, target in imports_of(module, known):
            if floor is None or target.split(".")[0] != "negfadj":
                continue
            target_floor = floor_of(target)
            if target_floor == floor or target_floor in BELOW[floor]:
                continue
            complaints.append(
                f"{module.path.relative_to(root)}:{line}: imports {target} ({target_floor or 'on no floor'}), but the "
                f"floor {floor!r} may import only {', '.join((*BELOW[floor], floor))}"
            )
    return complaints


def tree_sources(root: Path) -> Iterator[Path]:
    """Every Python file of the tree, virtual environments and build folders left out."""
    for top in sorted(root.iterdir()):
        hidden = top.name.startswith(".") and top.name != ".ci"
        if top.suffix == ".py":
            yield top
        elif top.is_dir() and not hidden and top.name not in ("build", "dist") and not (top / "pyvenv.cfg").exists():
            yield from sorted(top.rglob("*.py"))


def write_tree(root: Path, files: dict[str, str]) -> Path:
    """A little source tree to try the reader of imports on."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def test_every_module_stands_on_a_floor() -> None:
    homeless = [str(m.path.relative_to(ROOT)) for m in modules_of(ROOT) if floor_of(m.name) is None]
    assert not homeless, f"no floor for {homeless}: give each a place in FLOOR, or move it to a floor that has one."


def test_imports_go_down_only() -> None:
    complaints = upward_imports(ROOT)
    assert not complaints, "imports that go up:\n" + "\n".join(complaints)


@pytest.mark.parametrize(
    ("file", "text", "named"),
    [
        ("negfadj/array/a.py", "import negfadj.data", "negfadj.data"),
        ("negfadj/array/a.py", "from ..data import Device", "negfadj.data"),
        ("negfadj/data/a.py", "from .. import primitives", "negfadj.primitives"),
        ("negfadj/data/__init__.py", "from ..physics.transport import f", "negfadj.physics.transport"),
        ("negfadj/errors.py", "from .array import is_array", "negfadj.array"),
        ("negfadj/primitives/a.py", "def f():\n    from negfadj import transmission", "negfadj"),
        ("negfadj/primitives/a.py", "import importlib\nimportlib.import_module('negfadj.callers.cli')", "callers.cli"),
        ("negfadj/primitives/a.py", "from negfadj._kernels import rgf", "negfadj._kernels"),
        ("negfadj/models/a.py", "from ..primitives import surface", "negfadj.primitives"),
        ("negfadj/physics/a.py", "import negfadj.testing as testing", "negfadj.testing"),
        ("kernels/a.py", "from negfadj.array import array_namespace", "negfadj.array"),
        ("kernels/sub/a.py", "from ...data import Device", "negfadj.data"),
    ],
)
def test_an_import_that_goes_up_is_named(tmp_path: Path, file: str, text: str, named: str) -> None:
    root = write_tree(tmp_path, {"negfadj/primitives/__init__.py": "", file: text})
    (complaint,) = upward_imports(root)
    assert complaint.startswith(f"{file}:{text.count(chr(10)) + 1}: ") and named in complaint


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("negfadj/__init__.py", "from .physics import transmission\nfrom . import testing"),
        ("negfadj/array/a.py", "import importlib\nimportlib.import_module(f'negfadj._kernels.{1}')"),
        ("negfadj/array/a.py", "from .b import g\nfrom ..errors import InputError\nimport numpy"),
        ("negfadj/primitives/a.py", "from negfadj import constants\nfrom . import surface"),
        ("negfadj/physics/a.py", "from ..models import graphene\nfrom ..implicit import anderson"),
        ("kernels/a.py", "from . import b\nfrom negfadj.errors import BackendError"),
    ],
)
def test_an_import_that_goes_down_passes(tmp_path: Path, file: str, text: str) -> None:
    assert upward_imports(write_tree(tmp_path, {"negfadj/constants.py": "", file: text})) == []


def test_import_negfadj_is_light(tmp_path: Path) -> None:
    code = f"import negfadj, sys; print(*sorted(set(sys.modules) & {NOT_EAGER!r}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [], "import negfadj brings these in at once; import them where they are used"


def test_no_autodiff_framework_is_imported() -> None:
    found = []
    for path in tree_sources(ROOT):
        for line, target in imports_of(Module("", path), set()):
            if target.split(".")[0] in AUTODIFF:
                found.append(f"{path.relative_to(ROOT)}:{line}: {target}")
    assert not found, "autodiff frameworks are imported:\n" + "\n".join(found)
