"""The report of a check: lines as they come, and the counts of problems and warnings at the end."""

from __future__ import annotations


class Report:
    """Prints lines, and counts the problems and warnings among them."""

    def __init__(self) -> None:
        self.problems = 0
        self.warnings = 0

    def line(self, text: str = "") -> None:
        """Print a line that is neither a problem nor a warning."""
        print(text)

    def problem(self, text: str, where: str = "") -> None:
        """Print and count a problem: something that makes a run fail. where: the phases that have it."""
        self.problems += 1
        print(f"problem{where}: {text}")

    def warning(self, text: str, where: str = "") -> None:
        """Print and count a warning: something that may be meant, or that may be missing on this machine only."""
        self.warnings += 1
        print(f"warning{where}: {text}")

    def end(self) -> int:
        """Print the counts; return the exit code, 1 if there are problems."""
        print(f"{_count(self.problems, 'problem')}, {_count(self.warnings, 'warning')}")
        return 1 if self.problems else 0


def _count(n: int, word: str) -> str:
    return f"{n} {word}{'' if n == 1 else 's'}"
