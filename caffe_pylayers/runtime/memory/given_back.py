"""The error of who looks at values whose memory serves for others."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn


class GivenBackError(RuntimeError):
    """Values are asked for whose memory was given back."""


def refusal(what: str) -> Callable[[], NoReturn]:
    """Return what raises a GivenBackError for ``what``, such as the values of a blob."""

    def refuse() -> NoReturn:
        raise GivenBackError(
            f"{what} are gone, as Net.reuse_memory was called: look at them before the net runs, and they are kept"
        )

    return refuse
