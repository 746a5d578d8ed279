"""Write docs/layers/: a page for each group of layer families, from the layers' docstrings.

    .venv/bin/python scripts/write_layer_pages.py            # write them
    .venv/bin/python scripts/write_layer_pages.py --check    # exit code 1 where one is not what it would be

What stands in a page above its mark, such as when to choose which layer, is kept.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from caffe_pylayers.cli._layer_groups import grouped
from caffe_pylayers.cli._layer_pages import all_layers, page, summary

PAGES = ROOT / "docs" / "layers"
MARK = "<!-- From here on written by scripts/write_layer_pages.py, from the layers' docstrings. -->"


def pages() -> dict[Path, str]:
    """Return the text of each page by its path; docs/layers/README.md lists them."""
    groups = grouped(all_layers())
    index = [_head(PAGES / "README.md", "Layers"), MARK]
    texts = {}
    for title, classes in groups.items():
        path = PAGES / f"{title.lower().replace(',', '').replace(' ', '-')}.md"
        texts[path] = "\n\n".join([_head(path, title), MARK, _table(classes), *map(_section, classes)]) + "\n"
        index.append(f"## [{title}]({path.name})\n\n{_table(classes, path.name)}")
    return {PAGES / "README.md": "\n\n".join(index) + "\n", **texts}


def _head(path: Path, title: str) -> str:
    """Return what a page has above its mark, its title if there is no page yet."""
    kept = path.read_text(encoding="utf-8").partition(MARK)[0].strip() if path.exists() else ""
    return kept or f"# {title}"


def _table(classes: list[Any], page_name: str = "") -> str:
    rows = [f"| [`{cls.__name__}`]({page_name}#{_anchor(cls)}) | {summary(cls)} |" for cls in classes]
    return "\n".join(["| layer | what it does |", "|---|---|", *rows])


def _anchor(cls: Any) -> str:
    return cls.__name__.lower()


def _section(cls: Any) -> str:
    name, _, text = page(cls).partition("\n\n")
    return f"## {cls.__name__}\n\n`{name}`\n\n```text\n{text}\n```"


def main() -> int:
    """Write or check the pages; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args().check
    texts = pages()
    stale = [path for path, text in texts.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    stale += [path for path in PAGES.glob("*.md") if path not in texts]
    for path in stale:
        print(path.relative_to(ROOT))
        if not check and path in texts:
            path.parent.mkdir(exist_ok=True)
            path.write_text(texts[path], encoding="utf-8")
        elif not check:
            path.unlink()
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
