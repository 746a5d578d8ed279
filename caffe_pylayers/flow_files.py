"""Optical flow written to files.

layer {
  name: "flow_files"  type: "Python"
  bottom: "final_flow"
  python_param { module: "caffe_pylayers.flow_files"  layer: "FlowWriter"  param_str: "{folder: out, prefix: sintel}" }
}
"""

from __future__ import annotations

import os

import numpy as np

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.bases.no_gradient import NoGradient
from caffe_pylayers._layer.bases.scheduled import Scheduled

__all__ = ["FlowWriter", "flo_bytes"]

_TAG = b"PIEH"


def flo_bytes(flow):
    """Return what a .flo file of the Middlebury benchmark has for a flow (2, H, W): tag, width, height, x and y."""
    _, height, width = flow.shape
    return _TAG + np.array([width, height], "<i4").tobytes() + flow.transpose(1, 2, 0).astype("<f4").tobytes()


class FlowWriter(Scheduled, NoGradient):
    """Flows written to .flo files, one for each image: FOLDER/PREFIX0000000SUFFIX.flo, with the number of the forward.

    Of several images each has its place in the batch too: PREFIX0000000(000)SUFFIX.flo.

    Bottom:
        [0] flow (N, 2, H, W), in pixels: to the right, and down
    Top:
        none
    Backward:
        Zeros.
    Raises:
        ValueError for a bottom that is no flow, and for several images in one file; OSError for a file that cannot be
        written.
    References:
        Baker et al., "A Database and Evaluation Methodology for Optical Flow", 2011. FLOWriter of
        lmb-freiburg/flownet2, with its writer_param; there the number is that of the solver's iteration, and file
        is left with the last image of several.
    Example:
        >>> import os, tempfile
        >>> from caffe_pylayers.testing import LayerRun
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     text = '{"folder": "%s", "prefix": "a"}' % folder
        ...     _ = LayerRun(FlowWriter, [[[[[0.5]], [[-1]]]]], tops=0, param_str=text).forward()
        ...     print(os.listdir(folder))
        ['a0000000.flo']
    """

    counts_tests = True

    folder = Parameter(str, "", doc="is made where it is missing; default: where the net runs")
    prefix = Parameter(str, "", doc="before the number")
    suffix = Parameter(str, "", doc="behind the number")
    file = Parameter(str, "", doc="in place of these: each forward, of one image, writes it anew")

    def setup(self, bottom, top):
        checks.bottoms(self, bottom, "flow")
        checks.tops(self, top)

    def plan(self, flow):
        if len(flow.shape) != 4 or flow.shape[1] != 2:
            raise checks.error(self, f"bottom[0] (flow) must have the shape (N, 2, H, W), got {tuple(flow.shape)}")
        if self.file and flow.shape[0] > 1:
            raise checks.error(self, f"file is for one image, got {flow.shape[0]}: give folder or prefix in its place")
        return []

    def forward(self, bottom, top):
        flows, number = arrays.to_numpy(bottom[0].data), self.next_iteration()
        for i, flow in enumerate(flows):
            with open(self._path(number, i, len(flows)), "wb") as file:
                file.write(flo_bytes(flow))

    def _path(self, number, i, count):
        if self.file:
            return self.file
        if self.folder:
            os.makedirs(self.folder, exist_ok=True)
        place = f"({i:03d})" if count > 1 else ""
        return os.path.join(self.folder, f"{self.prefix}{number:07d}{place}{self.suffix}.flo")
