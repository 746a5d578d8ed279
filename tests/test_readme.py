"""The README's code runs, and its tables are complete."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from google.protobuf import text_format

import caffe_pylayers
from caffe_pylayers._engine import messages
from caffe_pylayers.cli import VERBS
from caffe_pylayers.cli.example import EXAMPLES

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
# A block whose first line is a comment with a file's name is that file.
FILES = {name: text for _, text in BLOCKS for name in re.findall(r"\A# (\S+\.(?:py|prototxt))\n", text)}
SHELL = "".join(text for language, text in BLOCKS if language == "sh").replace("\\\n", "").splitlines()


# --- the commands, word for word, from the wheel ------------------------------------------------------


def up_to_date(caffe):
    """Return True if a real Caffe is there that install_caffe.sh leaves as it is."""
    stamp = caffe / ".stamp"
    parts = [caffe.parent / "scripts" / name for name in ("caffe.lock", "caffe-requirements.txt", "install_caffe.sh")]
    now = hashlib.sha256(b"".join(part.read_bytes() for part in parts)).hexdigest()
    return stamp.exists() and stamp.read_text().split()[0] == now


@pytest.fixture(scope="module")
def home(root, wheel, tmp_path_factory):
    """An empty folder with a virtual environment's programs on PATH: run(script) runs a script of bash there.

    What the package needs is taken from where the tests run, and the package from its wheel; nothing is downloaded.
    """
    pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("readme")
    environment, libraries, home = folder / "env", folder / "libraries", folder / "home"
    for new in (libraries, home):
        new.mkdir()
    venv.create(environment, symlinks=True)
    for item in (path for entry in sys.path if Path(entry).name == "site-packages" for path in Path(entry).iterdir()):
        if "caffe_pylayers" not in item.name and item.suffix != ".pth" and not (libraries / item.name).exists():
            (libraries / item.name).symlink_to(item)
    (site,) = environment.glob("lib/python*/site-packages")
    (site / "libraries.pth").write_text(str(libraries))
    pip = environment / "bin" / "pip"
    pip.write_text(f"#!{environment}/bin/python\nfrom pip._internal.cli.main import main\nraise SystemExit(main())\n")
    pip.chmod(0o755)
    caffe = root / ".caffe"
    if up_to_date(caffe):
        subprocess.run(["cp", "-a", "--link", caffe, home], check=True)

    threads = {name: value for name, value in os.environ.items() if name == "OMP_NUM_THREADS"}

    def run(script):
        """Return what bash prints, which shows each line that it runs, and check that none fails."""
        done = subprocess.run(
            ["bash", "-e", "-x", "-c", script],
            cwd=home,
            env={
                **{"PATH": f"{environment / 'bin'}:/usr/bin:/bin", "HOME": str(folder)},
                **{"PIP_CONFIG_FILE": "/dev/null", "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheel.parent)},
                **{"http_proxy": "127.0.0.1:9", "https_proxy": "127.0.0.1:9"},
                **threads,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    run.folder, run.site = home, site
    yield run
    shutil.rmtree(folder)


def test_its_commands_work_in_an_empty_folder(home):
    """All of them, in order. Those of a real Caffe are left out where the checkout has none that is up to date."""
    commands = [line for line in SHELL if not re.search(r"\.caffe\b", line) or (home.folder / ".caffe").exists()]
    left_out = [line for line in SHELL if line not in commands]
    assert len(left_out) in (0, 3)
    assert all(re.match(r"caffe-pylayers install-caffe |\.caffe/bin/", line) for line in left_out)
    for name, text in FILES.items():
        (home.folder / name).write_text(text)

    out = home("\n".join(commands))

    (installed,) = re.findall(r"caffe-pylayers +\S+ +(/\S+)", home("caffe-pylayers check"))
    assert installed == str(home.site / "caffe_pylayers")
    assert "0 problems, 0 warnings" in out
    assert "1 passed" in out
    lenet = home.folder / "output" / "lenet"
    for name in ("final.caffemodel", "log.csv", "train.png", "lenet_iter_2000.solverstate"):
        assert (lenet / name).stat().st_size > 0
    assert float(re.findall(r"^accuracy = (\S+)", out, re.MULTILINE)[0]) > 0.9
    if not left_out:
        assert ".caffe is up to date" in out
        assert "caffe                   1.0.0  " in out


def test_its_two_lines_make_import_caffe_mean_the_runtime(home):
    (lines,) = (text for language, text in BLOCKS if language == "python" and text not in FILES.values())
    (home.folder / "script.py").write_text(f"{lines}import caffe\nprint(caffe.__name__)\n")
    assert "\ncaffe_pylayers.pycaffe\n" in home("pip install --quiet caffe-pylayers\npython script.py")


# --- the rest -----------------------------------------------------------------------------------------


def test_the_layer_keeps_the_contract(tmp_path, monkeypatch):
    (tmp_path / "my_layers.py").write_text(FILES["my_layers.py"])
    monkeypatch.syspath_prepend(tmp_path)
    names = {}
    try:
        exec(compile(FILES["test_my_layers.py"], "README.md", "exec"), names)
        names["test_scaled_tanh"]()
        assert names["ScaledTanh"].__module__ == "my_layers"
    finally:
        sys.modules.pop("my_layers", None)


def test_its_first_layers_are_those_of_the_example(root):
    (first,) = (text for language, text in BLOCKS if language == "protobuf" and text not in FILES.values())
    example = (root / "prototxt" / "lenet" / "train_test.prototxt").read_text()
    shown, layers = (text_format.Parse(text, messages().NetParameter()).layer for text in (first, example))
    assert len(shown) == 2
    assert all(layer in layers for layer in shown)


def test_it_links_to_nothing_beside_it():
    """A page of PyPI has no files beside it."""
    assert not re.findall(r"\]\((?!https://)(.*?)\)", README)


def test_its_table_of_verbs_is_complete():
    cells = re.findall(
        r"^\| (`.*?) \|.*\|$", README.partition("## Command line")[2].partition("\n## ")[0], re.MULTILINE
    )
    assert sorted(re.findall(r"`([a-z-]+)", " ".join(cells))) == sorted(VERBS)


def test_its_table_has_every_layer_family(root):
    table = README.partition("| for | modules")[2].partition("\n\n")[0]
    named = re.findall(r"`(\w+)`", " ".join(row.split("|")[2] for row in table.splitlines()[2:]))
    assert sorted(named) == sorted(path.stem for path in (root / "caffe_pylayers").glob("[!_]*.py"))


def test_its_table_has_every_example():
    table = README.partition("| example | what it trains")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `(\w+)`", table, re.MULTILINE) == list(EXAMPLES)


def test_the_version_is_in_the_changelog(root):
    assert f"## {caffe_pylayers.__version__} " in (root / "CHANGELOG.md").read_text()
