"""A net and the solvers of it."""

import itertools

import numpy as np
from google.protobuf import text_format

from caffe_pylayers.runtime.proto import caffe_pb2

TEXT = """
name: "small"
layer {{ name: "in" type: "Input" top: "data" top: "label"
         input_param {{ shape {{ dim: 4 dim: 3 }} shape {{ dim: 4 dim: 2 }} }} }}
layer {{ name: "ip" type: "InnerProduct" bottom: "data" top: "ip" {params}
         inner_product_param {{ num_output: 2 weight_filler {{ type: "gaussian" }} }} }}
layer {{ name: "loss" type: "EuclideanLoss" bottom: "ip" bottom: "label" top: "loss" loss_weight: 2 }}
"""


class NET:
    """The net of these tests: one InnerProduct, 3 to 2, on Input blobs."""

    @staticmethod
    def text(params=""):
        return TEXT.format(params=params)

    @classmethod
    def solver(cls, text, params=""):
        """A SolverParameter with the net in it."""
        net = cls.text(params)
        return text_format.Parse(f"net_param {{ {net} }} {text}", caffe_pb2.SolverParameter())


def feed(net, start=0):
    """Give the net another batch before each forward, from the start-th on."""
    batches = itertools.count(start)

    def before(layer):
        if layer == 0:
            rng = np.random.RandomState(next(batches))
            for name in ("data", "label"):
                net.blobs[name].data[...] = rng.standard_normal(net.blobs[name].shape)

    net.before_forward(before)


def weights(net):
    """All learned values, in one array."""
    return np.concatenate([blob.data.ravel() for blob in net.learnable])
