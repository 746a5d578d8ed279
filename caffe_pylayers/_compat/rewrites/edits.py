"""Changes of a text by the places of its syntax tree's nodes."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from typing import Iterator

from caffe_pylayers._compat.age import MARK


def walk(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield all nodes but those within f-strings, of which Python does not know the places until 3.12."""
    yield tree
    if not isinstance(tree, ast.JoinedStr):
        for child in ast.iter_child_nodes(tree):
            yield from walk(child)


class Edits:
    """The changes of a file's text, all made at once.

    names: what has been changed, for the user.
    newline: the file's line end.
    """

    def __init__(self, text: str) -> None:
        self.names: set[str] = set()
        self.newline = "\r\n" if "\r\n" in text else "\n"
        self._text = text
        self._lines = re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+", text)
        self._starts = [0]
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line))
        tokens = list(tokenize.generate_tokens(io.StringIO(text, newline="").readline))
        self._operators = [(self._token_place(found), found.string) for found in tokens if found.type == tokenize.OP]
        self._ends = [self._token_place(found) for found in tokens if found.type == tokenize.NEWLINE]
        self._changes: list[tuple[int, int, int, int, str]] = []  # start, end, order at the same place, new text
        self._marks: dict[int, list[str]] = {}  # by the place where a logical line ends

    def start(self, node: ast.AST) -> int:
        """Return the place of a node's first character."""
        return self._place(node.lineno, node.col_offset)  # type: ignore[attr-defined]

    def end(self, node: ast.AST) -> int:
        """Return the place after a node's last character."""
        return self._place(node.end_lineno, node.end_col_offset)  # type: ignore[attr-defined]

    def replace(self, node: ast.AST, new: str) -> None:
        """Put a text in the place of a node."""
        self._changes.append((self.start(node), self.end(node), 2, 0, new))

    def cut(self, before: ast.AST, after: ast.AST, new: str) -> None:
        """Put a text in the place of what is between the end of a node and the start of another one."""
        self._changes.append((self.end(before), self.start(after), 2, 0, new))

    def cut_end(self, inner: ast.AST, outer: ast.AST, new: str) -> None:
        """Put a text in the place of what follows a node within another one."""
        self._changes.append((self.end(inner), self.end(outer), 2, 0, new))

    def wrap(self, node: ast.AST, before: str, after: str) -> None:
        """Put texts before and after a node; of those that begin or end at one place, the longer is outside."""
        start, end = self.start(node), self.end(node)
        self._changes.append((start, start, 1, start - end, before))
        self._changes.append((end, end, 0, end - start, after))

    def operator(self, left: ast.AST, right: ast.AST, old: str, new: str) -> None:
        """Replace the operator between two nodes."""
        place = next(at for at, text in self._operators if text == old and self.end(left) <= at < self.start(right))
        self._changes.append((place, place + len(old), 2, 0, new))

    def mark(self, node: ast.AST, note: str) -> None:
        """Say in a comment at the end of a node's line what has been done there."""
        end = self.end(node)
        notes = self._marks.setdefault(next((at for at in self._ends if at >= end), len(self._text)), [])
        if note not in notes:
            notes.append(note)

    def indentation(self, statement: ast.stmt) -> str | None:
        """Return the blanks before a statement that has its lines for itself, None for one that shares them."""
        begin, end = self.start(statement), self.end(statement)
        first = self._starts[statement.lineno - 1]
        rest = self._text[end : self._starts[statement.end_lineno or statement.lineno]].strip()
        before = self._text[first:begin]
        return before if not before.strip() and (not rest or rest.startswith("#")) else None

    def applied(self) -> str:
        """Return the new text."""
        changes = self._changes + [
            (at, at, 3, 0, f"{'' if at and self._text[at - 1] == ' ' else '  '}{MARK}{', '.join(notes)}")
            for at, notes in self._marks.items()
        ]
        parts, done = [], 0
        for start, end, _, _, new in sorted(changes):
            parts += [self._text[done:start], new]
            done = end
        return "".join([*parts, self._text[done:]])

    def _place(self, line: int, column: int) -> int:
        return self._starts[line - 1] + len(self._lines[line - 1].encode()[:column].decode())

    def _token_place(self, found: tokenize.TokenInfo) -> int:
        line, column = found.start
        return self._starts[min(line, len(self._starts)) - 1] + column
