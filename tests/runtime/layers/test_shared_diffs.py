"""Layers whose tops have their gradients in one tensor with others: theirs are the same, and the others' stay."""

import numpy as np
import pytest
import torch

from caffe_pylayers.runtime.layers.layer import LayerError
from caffe_pylayers.runtime.memory.memory import CHANNELS_LAST, CONTIGUOUS, Memory
from tests.parity.families import FAMILIES, cases
from tests.parity.plan import top_diff
from tests.parity.replay import Run


def lend(blob, values, layout):
    """Give a blob gradients that another memory has too; return that memory."""
    lender = Memory(blob._diff.capacity)
    lender.write(values.shape, layout).copy_(torch.from_numpy(values))
    blob._diff.equal(lender, values.shape, layout)
    return lender


def gradients(case, learned, layout):
    """The bottoms' gradients and the learned blobs' of a case, None where it has none.

    layout: of the tops' gradients that others have too; None for their own.
    """
    run = Run(case, learned)
    for blob, values in zip(run.bottoms, case.bottoms):
        blob.reshape(*values.shape)
        blob.data[...] = values
        blob._diff = Memory(blob.count)  # of which no array was handed out
    for blob, values in zip(run.layer.blobs, run.learned.values()):
        blob.data[...], blob.diff[...] = values, 0
    run.step.reshape(always=True)
    torch.manual_seed(0)
    run.step.run_forward()
    views = {blob.diff_id for blob in run.bottoms} & {blob.diff_id for blob in run.tops} and not case.in_place
    if views or any(run.weights) or not any(run.down):
        return None
    lenders = []
    for i, blob in enumerate(run.tops):
        values = np.array(top_diff(i, blob.shape), np.float32)
        if layout is None:
            blob.write_diff().copy_(torch.from_numpy(values))
        else:
            lenders.append((lend(blob, values, layout if values.ndim == 4 else CONTIGUOUS), values))
    run.step.run_backward()
    found = [blob.read_diff().clone().cpu().numpy() for blob, wanted in zip(run.bottoms, run.down) if wanted]
    found += [blob.read_diff().clone().cpu().numpy() for blob in run.layer.blobs]
    for blob in run.bottoms:
        blob.update_diff(blob.diff_layout).fill_(7)
    for lender, values in lenders:
        np.testing.assert_array_equal(lender.read(values.shape).cpu().numpy(), values)
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_backward_from_gradients_that_others_have(family):
    for case in cases(family):
        if case.before or not all(x.size for x in case.bottoms):
            continue
        with torch.no_grad():
            try:
                learned = list(Run(case, ()).learned.values())
            except (LayerError, ValueError, ModuleNotFoundError):
                continue  # what only real Caffe tells, or what it refuses
            wanted = gradients(case, learned, None)
            for layout in (CONTIGUOUS, CHANNELS_LAST) if wanted is not None else ():
                for mine, own in zip(gradients(case, learned, layout), wanted):
                    np.testing.assert_allclose(mine, own, 1e-4, 1e-5, err_msg=f"{case.type} {case.param} {layout}")
