"""How many of PyTorch's operators an iteration of LeNet calls: of a small net each costs as much as its arithmetic."""

from collections import Counter
from pathlib import Path

import pytest
from torch.utils._python_dispatch import TorchDispatchMode

from caffe_pylayers import pycaffe

LENET = Path(__file__).parents[3] / "prototxt" / "lenet" / "train_test_softmax.prototxt"
INPUT = """
layer { name: "in" type: "Input" top: "data" top: "label"
        input_param { shape { dim: 4 dim: 1 dim: 28 dim: 28 } shape { dim: 4 } } }
"""


class Counted(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.calls = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.calls[func.__name__] += 1
        return func(*args, **kwargs or {})


def lenet(path, phase):
    text = LENET.read_text()
    path.write_text(INPUT + text[text.index('layer {\n  name: "conv1"') :])
    return pycaffe.Net(path, phase)


@pytest.mark.parametrize(
    ("phase", "forward", "backward"), [(pycaffe.TEST, 50, 0), (pycaffe.TRAIN, 35, 45)], ids=["use", "train"]
)
def test_an_iteration_has_few_calls(tmp_path, phase, forward, backward):
    net = lenet(tmp_path / "net.prototxt", phase)
    for _ in range(2):  # the first makes memory
        net.clear_param_diffs()
        with Counted() as counted:
            net.forward_loss()
        assert counted.calls
        with Counted() as backwards:
            if phase == pycaffe.TRAIN:
                net.backward_all()
    assert counted.calls.total() <= forward, counted.calls
    assert backwards.calls.total() <= backward, backwards.calls
