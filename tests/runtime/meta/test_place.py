"""The meta device fails where a GPU would wait, and there alone."""

import numpy as np
import pytest
import torch

from tests.runtime.meta.place import META, WaitError, on_meta

WAITS = {
    "item": lambda x: x.sum().item(),
    "bool": lambda x: bool(x.any()),
    "float": lambda x: float(x.max()),
    "tolist": lambda x: x.tolist(),
    "cpu": lambda x: x.cpu(),
    "numpy": np.asarray,
    "to host": lambda x: torch.zeros(4, 3).copy_(x),
    "from host": lambda x: x.copy_(torch.zeros(4, 3)),
    "new from numbers": lambda x: torch.tensor([1.0, 2], device=x.device),
    "nonzero": lambda x: x.nonzero(),
    "where": lambda x: torch.where(x > 0),
    "index of booleans": lambda x: x[x > 0],
    "written index of booleans": lambda x: x.__setitem__(x > 0, x[0, 0]),
    "masked_select": lambda x: x.masked_select(x > 0),
    "unique": lambda x: x.unique(),
    "bincount": lambda x: x.flatten().long().bincount(),
    "repeat_interleave": lambda x: x[0].repeat_interleave(x[0].long()),
}
GOES_ON = {
    "sum": lambda x: x.sum(),
    "in place": lambda x: x.mul_(2).add_(x, alpha=0.5),
    "number": lambda x: x.fill_(3),
    "scalar of the host": lambda x: x * torch.tensor(2.0),
    "index": lambda x: x[torch.zeros(2, dtype=torch.long, device=x.device)],
    "choice": lambda x: torch.where(x > 0, x, 0),
    "copy that nobody waits for": lambda x: x.copy_(torch.zeros(4, 3), non_blocking=True),
}


@pytest.mark.parametrize("call", WAITS.values(), ids=WAITS)
def test_waits(call, monkeypatch):
    call(torch.ones(4, 3))  # where nothing waits
    refused = (WaitError, RuntimeError, NotImplementedError, TypeError)
    with on_meta(monkeypatch) as watched, watched(), pytest.raises(refused):
        call(torch.zeros(4, 3, device=META))


@pytest.mark.parametrize("call", GOES_ON.values(), ids=GOES_ON)
def test_goes_on(call, monkeypatch):
    with on_meta(monkeypatch) as watched, watched():
        call(torch.zeros(4, 3, device=META))
