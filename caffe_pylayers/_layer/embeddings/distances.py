"""Euclidean distances between the rows of arrays, and their gradients.

All pairs are computed by one matrix product, |a|**2 + |b|**2 - 2 a b, of rows from which their mean was taken:
what all rows have in common costs no digits then. A square below the product's rounding error counts as 0.
"""

from __future__ import annotations

import math
from typing import Any

__all__ = [
    "lengths_backward",
    "lengths_forward",
    "pairwise_backward",
    "pairwise_squares",
    "root_backward",
    "squares_between",
]

_ROUNDING = 8  # times the dtype's epsilon, relative to |a|**2 + |b|**2


def pairwise_squares(xp: Any, x: Any) -> Any:
    """Return the squared distances (N, N) of the rows of x (N, D), never negative, 0 on the diagonal."""
    squares = squares_between(xp, x, x)
    squares.reshape(-1)[:: len(x) + 1] = 0
    return squares


def squares_between(xp: Any, a: Any, b: Any) -> Any:
    """Return the squared distances (N, M) of the rows of a (N, D) from those of b (M, D), never negative."""
    middle = _mean(a)
    same = a is b
    a = a - middle
    b = a if same else b - middle
    sizes = (a * a).sum(1)[:, None] + (b * b).sum(1)[None, :]
    squares = a @ b.T
    squares *= -2
    squares += sizes
    squares *= squares > sizes * (_ROUNDING * xp.finfo(squares.dtype).eps)
    return squares


def pairwise_backward(xp: Any, x: Any, d_squares: Any, d_x: Any) -> None:
    """Write d_x of sum(d_squares * pairwise_squares(x)); d_squares need not be symmetric."""
    both = d_squares + d_squares.T
    x = x - _mean(x)
    xp.matmul(both, x, out=d_x)
    d_x -= both.sum(1)[:, None] * x
    d_x *= -2


def root_backward(xp: Any, roots: Any, d_roots: Any) -> Any:
    """Return d_squares of sum(d_roots * sqrt(squares)), 0 where the distance is 0; roots: sqrt(squares)."""
    return d_roots / (2 * xp.where(roots == 0, math.inf, roots))


def lengths_forward(xp: Any, vectors: Any, squared: bool) -> Any:
    """Return |v|**2 (N,) of vectors (N, D), or |v|."""
    squares = (vectors * vectors).sum(1)
    return squares if squared else xp.sqrt(squares)


def lengths_backward(xp: Any, vectors: Any, lengths: Any, d_lengths: Any, squared: bool, out: Any = None) -> Any:
    """Return d_vectors of lengths_forward, 0 for the length of a vector of zeros; out: receives it."""
    d_squares = d_lengths if squared else root_backward(xp, lengths, d_lengths)
    return xp.multiply(vectors, (2 * d_squares)[:, None], out=out)


def _mean(x: Any) -> Any:
    return x.sum(0) / max(len(x), 1)
