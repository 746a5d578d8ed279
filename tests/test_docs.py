"""What CONTRIBUTING and docs/ say of the tree is so."""

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
TREE = re.compile(r"^caffe_pylayers/\n((?:  .*\n)+)", re.MULTILINE)


def test_the_tree_names_every_room_and_says_what_belongs_in_it():
    (tree,) = TREE.findall((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    named, room = set(), ""
    for indent, name, what in re.findall(r"^( +)(\S+) +(.*)$", tree, re.MULTILINE):
        assert what, name
        if len(indent) == 2:
            room = name
        named.add(name if len(indent) == 2 else room + name)
    package = ROOT / "caffe_pylayers"
    folders = {path.parent.relative_to(package).parts for path in package.rglob("*.py")}
    rooms = {"/".join(parts[:depth]) for parts in folders - {()} for depth in (1, 2)}
    assert named == {"*.py", *(f"{room}/" for room in rooms)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_paths_it_names_are_there(page):
    """Those of the repository: they start with one of its folders, or with one of the package's rooms."""
    text = page.read_text(encoding="utf-8")
    for path in re.findall(r"[\w./-]*\w/[\w./-]+\.(?:py|md|sh|lock|txt|prototxt)\b", text):
        top = path.split("/")[0]
        roots = [root for root in (ROOT, ROOT / "caffe_pylayers") if (root / top).is_dir()]
        assert not roots or any((root / path).exists() for root in roots), f"{page.name} names {path}"


def test_the_layers_pages_are_what_their_docstrings_say():
    script = ROOT / "scripts" / "write_layer_pages.py"
    found = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, check=False)
    assert found.returncode == 0, f"run {script.relative_to(ROOT)}: it would write {found.stdout}{found.stderr}"


def test_what_a_family_shows_to_paste_names_layers_that_are_there():
    from caffe_pylayers.cli._layer_pages import all_layers

    layers = all_layers()
    for module in {inspect.getmodule(layer) for layer in layers.values()}:
        for pasted in re.findall(r'module: "caffe_pylayers\.(\w+)"\s+layer: "(\w+)"', module.__doc__):
            assert ".".join(pasted) in layers, module.__name__


@pytest.mark.parametrize("page", sorted(ROOT.glob("docs/layers/[!R]*.md")), ids=lambda page: page.name)
def test_a_page_says_when_to_choose_each_of_its_layers(page):
    advice, _, pages = page.read_text(encoding="utf-8").partition("<!-- From here on")
    layers = set(re.findall(r"^\| \[`(\w+)`\]", pages, re.MULTILINE))
    assert layers
    assert not layers - set(re.findall(r"`(\w+)`", advice))


def test_the_layers_that_stand_for_published_ones_are_there():
    from caffe_pylayers.cli._layer_pages import all_layers

    layers = all_layers()
    known = {*layers, *(name.partition(".")[2] for name in layers), *(name.partition(".")[0] for name in layers)}
    rows = re.findall(r"^\| .* \| (`.*?) \| .*$", (ROOT / "docs" / "published-layers.md").read_text(), re.MULTILINE)
    assert len(rows) >= 30
    for row in rows:
        assert set(re.findall(r"`([\w.]+)`", row)) <= known, row


def lines(text):
    """The text without indents and empty lines."""
    return re.sub(r"\n\s*", "\n", text)


def test_data_of_your_own_is_the_docstrings():
    from caffe_pylayers import PrefetchedData

    page = (ROOT / "docs" / "layers" / "data.md").read_text(encoding="utf-8")
    section = page.partition("## Data of your own")[2].partition("<!--")[0]
    blocks = re.findall(r"^```\w*\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        assert lines(block) in lines(inspect.getdoc(PrefetchedData))
