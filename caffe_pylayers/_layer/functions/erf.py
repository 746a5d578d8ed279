"""The error function, which numpy lacks."""

from __future__ import annotations

import math
from typing import Any, Sequence

import numpy as np

from caffe_pylayers._layer import arrays


def erf(x: Any) -> Any:
    """Return the error function, to within 5 units in float64's last place: Cody's approximations, or torch's own.

    Cody, "Rational Chebyshev Approximations for the Error Function", 1969, doi:10.2307/2004390.
    """
    if not isinstance(x, np.ndarray):
        return arrays.namespace(x).erf(x)
    size = np.minimum(abs(x), 6)  # erf(6) is 1 in float64
    square = size * size
    far = 1 - np.exp(-square) * _quotient(size, _MIDDLE_ABOVE, _MIDDLE_BELOW)
    beyond = size > 4
    if x.dtype == np.float64 and beyond.any():
        far[beyond] = 1 - _erfc_beyond_4(size[beyond])
    near = x * _quotient(np.minimum(square, 0.25), _NEAR_ABOVE, _NEAR_BELOW)
    return np.where(size <= 0.46875, near, np.copysign(far, x))


def _erfc_beyond_4(x: Any) -> Any:
    inverse = 1 / (x * x)
    rest = inverse * _quotient(inverse, _FAR_ABOVE, _FAR_BELOW)
    return np.exp(-x * x) / x * (1 / math.sqrt(math.pi) - rest)


def _quotient(x: Any, above: Sequence[float], below: Sequence[float]) -> Any:
    return _polynomial(x, above) / _polynomial(x, below)


def _polynomial(x: Any, coefficients: Sequence[float]) -> Any:
    """Return the polynomial, whose first coefficient is that of the highest power."""
    result = x * coefficients[0]
    for coefficient in coefficients[1:-1]:
        result += coefficient
        result *= x
    result += coefficients[-1]
    return result


_NEAR_ABOVE = (
    1.85777706184603153e-1,
    3.16112374387056560e0,
    1.13864154151050156e2,
    3.77485237685302021e2,
    3.20937758913846947e3,
)
_NEAR_BELOW = (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3)
_MIDDLE_ABOVE = (
    2.15311535474403846e-8,
    5.64188496988670089e-1,
    8.88314979438837594e0,
    6.61191906371416295e1,
    2.98635138197400131e2,
    8.81952221241769090e2,
    1.71204761263407058e3,
    2.05107837782607147e3,
    1.23033935479799725e3,
)
_MIDDLE_BELOW = (
    1.0,
    1.57449261107098347e1,
    1.17693950891312499e2,
    5.37181101862009858e2,
    1.62138957456669019e3,
    3.29079923573345963e3,
    4.36261909014324716e3,
    3.43936767414372164e3,
    1.23033935480374942e3,
)
_FAR_ABOVE = (
    1.63153871373020978e-2,
    3.05326634961232344e-1,
    3.60344899949804439e-1,
    1.25781726111229246e-1,
    1.60837851487422766e-2,
    6.58749161529837803e-4,
)
_FAR_BELOW = (
    1.0,
    2.56852019228982242e0,
    1.87295284992346725e0,
    5.27905102951428412e-1,
    6.05183413124413191e-2,
    2.33520497626869185e-3,
)
