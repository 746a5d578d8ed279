"""What may stand at the package's root, and which room may import which."""

import ast
import importlib.util
import sys
from pathlib import Path

import pytest

import caffe_pylayers

ROOT = Path(caffe_pylayers.__file__).parent
FAMILIES = sorted(path.stem for path in ROOT.glob("*.py") if path.stem not in ("__init__", "__main__"))

# By room: the rooms that it may import. A layer family is a room of its own; cli may import every other.
MAY_IMPORT = {
    "": {"_layer"},
    "__main__": {"cli"},
    "bare": set(FAMILIES),
    **{family: {"_layer"} for family in FAMILIES},
    "_layer": set(),
    "_disk": {"_engine", "_layer"},
    "_engine": set(),
    "_compat": {"_engine"},
    "_nets": {"_compat", "_disk", "_engine", "_layer"},
    "testing": {"_engine", "_layer", "_nets"},
    "runtime": {"_engine"},
    "runtime.proto": set(),
    "runtime._openmp": set(),
    "runtime.registry": {"_layer"},
    "runtime.process": set(),
    "runtime.memory": {"runtime._openmp"},
    "runtime.rng": {"runtime._openmp", "runtime.memory"},
    "runtime.timer": {"runtime._openmp", "runtime.memory"},
    "runtime.files": {"_disk", "_layer", "_nets", "runtime.memory", "runtime.process", "runtime.proto"},
}
_BELOW = {"_disk", "_engine", "_layer", "_nets", *(room for room in MAY_IMPORT if room.startswith("runtime."))}
for room in (
    "runtime.data",
    "runtime.layers",
    "runtime.net",
    "runtime.solvers",
    "runtime.parallel",
):  # each may import those before it
    MAY_IMPORT[room] = set(_BELOW)
    _BELOW.add(room)
MAY_IMPORT["pycaffe"] = set(_BELOW)
MAY_IMPORT["cli"] = MAY_IMPORT.keys() - {"__main__"}

# Who may import these at all. The rest of what a room needs it may.
HEAVY = {"torch": "runtime", "caffe": ("_layer", "_engine")}


def name_of(path):
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in sorted(ROOT.rglob("*.py"))}


def room_of(module):
    """The room of a module of the package: the folder or the file under the root; in runtime the one under that."""
    _, *parts = module.split(".")
    return ".".join(parts[: 2 if parts[:1] == ["runtime"] else 1])


def imports(module, everywhere=True):
    """What a module imports, but for its types alone; with everywhere=False only what it does as it is loaded."""
    found = []

    def visit(node):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            return
        if not everywhere and isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return
        if isinstance(node, ast.Import):
            found.extend(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found.extend(name if name in MODULES else node.module for name in names)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(MODULES[module].read_text(encoding="utf-8")))
    return found


def ours(names):
    return [name for name in names if name.split(".")[0] == ROOT.name]


# --- the root ----------------------------------------------------------------------------------------


def test_the_root_holds_families():
    for name in FAMILIES:
        module = importlib.import_module(f"caffe_pylayers.{name}")
        layers = [cls for cls in vars(module).values() if isinstance(cls, type) and cls.__module__ == module.__name__]
        assert any(issubclass(cls, caffe_pylayers.Layer) for cls in layers), f"{name}.py has no layer"


def test_no_family_hides_a_module():
    """With the folder on PYTHONPATH, as for `module: "one_hot"`, a file random.py would be everyone's random."""
    for name in FAMILIES:
        assert name not in sys.builtin_module_names
        found = importlib.util.find_spec(name)
        assert found is None or Path(found.origin).read_bytes() == (ROOT / "bare" / f"{name}.py").read_bytes(), name
        if sys.version_info >= (3, 10):
            assert name not in sys.stdlib_module_names


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_imports_numpy_and_its_room(name):
    allowed = {"numpy", "__future__", "caffe_pylayers._layer"}
    standard = getattr(sys, "stdlib_module_names", None)
    for module in imports(f"caffe_pylayers.{name}"):
        top = module.split(".")[0]
        assert (
            top in allowed
            or ".".join(module.split(".")[:2]) in allowed
            or (standard is not None and top in standard)
            or (standard is None and top not in HEAVY)
        ), f"{name} imports {module}"


# --- directions --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FAMILIES)
def test_mathematics_stands_before_classes_and_what_a_net_calls_before_the_rest(name):
    body = ast.parse((ROOT / f"{name}.py").read_text()).body
    kinds = [type(part) for part in body if isinstance(part, (ast.FunctionDef, ast.ClassDef))]
    assert kinds == sorted(kinds, key=[ast.FunctionDef, ast.ClassDef].index), "functions stand before the first class"
    for layer in (part for part in body if isinstance(part, ast.ClassDef) and not part.name.startswith("_")):
        found = [part.name for part in layer.body if isinstance(part, ast.FunctionDef)]
        called = [each for each in ("setup", "plan", "forward", "backward") if each in found]
        assert found[: len(called)] == called, layer.name


def test_every_room_is_in_the_table():
    assert {room_of(module) for module in MODULES} == MAY_IMPORT.keys()


@pytest.mark.parametrize("room", sorted(MAY_IMPORT))
def test_imports_point_one_way(room):
    wrong = {
        (module, room_of(name))
        for module in MODULES
        if room_of(module) == room
        for name in ours(imports(module))
        if room_of(name) not in {room, *MAY_IMPORT[room]}
    }
    assert not wrong


def test_the_table_has_no_circle():
    order, left = [], {room: set(others) for room, others in MAY_IMPORT.items()}
    while left:
        free = [room for room, others in left.items() if others <= {room, *order}]
        assert free, f"a circle among {sorted(left)}"
        order += free
        for room in free:
            del left[room]


def test_modules_import_each_other_one_way():
    """No circle of modules as they are loaded, within a room either."""
    left = {module: {name for name in ours(imports(module, everywhere=False)) if name in MODULES} for module in MODULES}
    while True:
        free = [module for module, others in left.items() if not others.intersection(left)]
        if not free:
            break
        for module in free:
            del left[module]
    assert not left, sorted(left)


@pytest.mark.parametrize("library", HEAVY)
def test_who_imports_an_engine(library):
    rooms = {room_of(module) for module in MODULES if library in {name.split(".")[0] for name in imports(module)}}
    assert all(room.startswith(HEAVY[library]) for room in rooms), rooms


# --- PyTorch -----------------------------------------------------------------------------------------


def test_pytorch_is_loaded_by_openmp_first():
    """A module that imports torch takes it from _openmp, or stands in a room whose __init__ imports that first."""
    for module in MODULES:
        if "torch" in imports(module, everywhere=False) and module != "caffe_pylayers.runtime._openmp":
            first = ours(imports(module.rpartition(".")[0]))[:1]
            assert first == ["caffe_pylayers.runtime._openmp"], module
