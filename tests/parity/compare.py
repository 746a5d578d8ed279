"""Two engines' arrays beside each other."""

import numpy as np

from caffe_pylayers.runtime.memory import device
from tests.parity.replay import replay

# Times a case's tolerances: cuDNN may compute a convolution by Winograd's or Fourier's transforms, whose rounding is
# that of the largest value, and sums of a GPU are taken in other orders.
ON_GPU = 10


def learned(recording):
    """The values of a recording's learned blobs."""
    names = (f"blob{i}" for i in range(len(recording.arrays)))
    return [recording.arrays[name] for name in names if name in recording.arrays]


def check(case, recording, used=False):
    """Run the case on the runtime; AssertionError where it is not what Caffe recorded.

    used: on a layer that has run before. Gives the largest error, relative to |value| + atol / rtol: rtol is allowed.
    """
    assert recording.refused is None, f"real Caffe refuses this case: {recording.refused}"
    found = replay(case, learned(recording), used)
    assert sorted(found) == sorted(recording.arrays), f"{sorted(found)}, in Caffe {sorted(recording.arrays)}"
    return max((_check(case, name, found[name], recording.arrays[name]) for name in found), default=0.0)


def _check(case, name, found, wanted):
    assert found.shape == wanted.shape, f"{name} has shape {found.shape}, in Caffe {wanted.shape}"
    shape, found, wanted = found.shape, found.ravel().astype(np.float64), wanted.ravel().astype(np.float64)
    same = (found == wanted) | (np.isnan(found) & np.isnan(wanted))
    with np.errstate(invalid="ignore"):
        off = np.where(same, 0.0, np.nan_to_num(np.abs(found - wanted), nan=np.inf))
    size = np.where(np.isfinite(wanted), np.abs(wanted), 0.0)
    more = 1 if device.current() == device.HOST else ON_GPU
    excess = off - (0.0 if case.exact else more * (case.atol + case.rtol * size))
    wrong = int((excess > 0).sum())
    if wrong:
        at = int(np.argmax(excess))
        where = f"{name}[{', '.join(str(i) for i in np.unravel_index(at, shape))}]"
        raise AssertionError(
            f"{where} is {found[at]:.9g}, in Caffe {wanted[at]:.9g}; {wrong} of {found.size} values are wrong"
        )
    return float((off / (size + case.atol / case.rtol)).max(initial=0.0))
