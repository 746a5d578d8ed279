"""OpenCV's dnn module as an oracle: what it computes from a net of a fork, read as it is."""

import numpy as np
import pytest

from caffe_pylayers import _engine

_WHOLE = (4, 14)  # the first version of which a test may expect every layer


def forward(text, inputs, outputs, learned=None):
    """Return the arrays of the blobs named in outputs; skips the test where this OpenCV cannot compute them.

    text: a prototxt. inputs: arrays by the names of the net's inputs.
    learned: by a layer's name the arrays of its learned blobs.
    """
    cv2 = pytest.importorskip("cv2")
    version = tuple(int(part) for part in cv2.__version__.split(".")[:2])
    if version >= (5, 0):
        pytest.skip("OpenCV 5 reads no nets of Caffe")
    try:
        net = cv2.dnn.readNetFromCaffe(_buffer(text.encode()), _buffer(caffemodel(learned or {})))
        for name, array in inputs.items():
            net.setInput(np.ascontiguousarray(array, np.float32), name)
        return [np.array(net.forward(name)) for name in outputs]
    except cv2.error as error:
        if version < _WHOLE:
            pytest.skip(f"OpenCV {cv2.__version__}: {error}")
        raise


def caffemodel(learned):
    """Return a file of weights, bytes, with these arrays by the names of layers."""
    net = _engine.messages().NetParameter(name="net")
    for name, arrays in learned.items():
        layer = net.layer.add(name=name)
        for array in arrays:
            blob = layer.blobs.add(data=np.ravel(array))
            blob.shape.dim.extend(np.shape(array))
    return net.SerializeToString()


def _buffer(data):
    return np.frombuffer(data, np.uint8)
