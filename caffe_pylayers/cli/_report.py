"""What a check found: lines as they come, and a count at the end."""

from __future__ import annotations


class Report:
    """Prints what it is told and counts the problems and warnings among it."""

    def __init__(self) -> None:
        self.problems = 0
        self.warnings = 0

    def line(self, text: str = "") -> None:
        """Print a line that is neither."""
        print(text)

    def problem(self, text: str, where: str = "") -> None:
        """Print and count what makes a run fail."""
        self.problems += 1
        print(f"problem{where}: {text}")

    def warning(self, text: str, where: str = "") -> None:
        """Print and count what may be meant, or may be absent only here."""
        self.warnings += 1
        print(f"warning{where}: {text}")

    def end(self) -> int:
        """Print the counts; the exit code."""
        print(f"{_count(self.problems, 'problem')}, {_count(self.warnings, 'warning')}")
        return 1 if self.problems else 0


def _count(n: int, word: str) -> str:
    return f"{n} {word}{'' if n == 1 else 's'}"
