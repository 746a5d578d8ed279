"""Channels to other channels, channels to pixels, and pixels to channels.

layer {
  name: "shuffle"  type: "Python"  bottom: "conv"  top: "shuffled"
  python_param { module: "caffe_pylayers.shuffles"  layer: "ChannelShuffle"  param_str: "{groups: 4}" }
}
layer {
  name: "larger"  type: "Python"  bottom: "conv"  top: "larger"
  python_param { module: "caffe_pylayers.shuffles"  layer: "PixelShuffle"  param_str: "{upscale: 2}" }
}
layer {
  name: "reorg"  type: "Python"  bottom: "conv"  top: "reorg"
  python_param {
    module: "caffe_pylayers.shuffles"  layer: "SpaceToDepth"
    param_str: '{"block": 2, "channel_order": "darknet"}'
  }
}
"""

from __future__ import annotations

from caffe_pylayers._layer import checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.bases.rearrangement import Rearrangement

__all__ = ["ChannelShuffle", "PixelShuffle", "SpaceToDepth", "depth_arrangement"]

_CHANNEL_ORDER = Parameter(
    str,
    "channel",
    choices=("channel", "block", "darknet"),
    doc="which channel holds the pixel (i, j) of the b x b block of channel c; channel: c b b + i b + j; "
    "block: (i b + j) C + c; darknet: block, with the input's memory taken as (C / b / b, H b, W b)",
)


def depth_arrangement(shape, block, channel_order):
    """Return view, order of its axes and top's shape with which SpaceToDepth takes an input of this shape.

    shape: (N, C, H, W). The other three are rearrange_forward's, see caffe_pylayers._layer.bases.rearrangement.
    """
    count, channels, height, width = shape
    rows, columns, deep = height // block, width // block, channels * block**2
    if channel_order == "darknet":
        view = (count, channels // block**2, height, block, width, block)
        return view, (0, 3, 5, 1, 2, 4), (count, deep, rows, columns)
    view = (count, channels, rows, block, columns, block)
    return view, (0, 1, 3, 5, 2, 4) if channel_order == "channel" else (0, 3, 5, 1, 2, 4), (count, deep, rows, columns)


def _maps(layer, shape):
    if len(shape) != 4:
        raise checks.error(layer, f"bottom[0] must have shape (N, C, H, W), got {shape}")
    return shape


class ChannelShuffle(Rearrangement):
    """Channels dealt out, so that a next grouped convolution sees all groups.

    top[n, i G + g] = bottom[n, g C / G + i] for the groups g of G.

    Bottom:
        [0] features (N, C, ...), C divisible by G
    Top:
        [0] the same shape
    Backward:
        d_bottom[n, g C / G + i] = d_top[n, i G + g].
    Raises:
        ValueError for channels that the groups do not divide, and in place.
    References:
        Zhang et al., "ShuffleNet", 2018, arXiv:1707.01083. ShuffleChannel of farmingyard/ShuffleNet,
        shuffle_channel_param { group }; PyTorch's channel_shuffle.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> LayerRun(ChannelShuffle, [[[0, 1, 2, 3, 4, 5]]], param_str='{"groups": 2}').forward()[0]
        array([[0., 3., 1., 4., 2., 5.]])
    """

    groups = Parameter(int, 1, low=1, doc="G, the number of groups before; the next convolution's may be another")

    def arrangement(self, shape):
        if len(shape) < 2 or shape[1] % self.groups:
            raise checks.error(
                self, f"bottom[0] must have shape (N, C, ...) with C divisible by groups {self.groups}, got {shape}"
            )
        view = (shape[0], self.groups, shape[1] // self.groups, *shape[2:])
        return view, (0, 2, 1, *range(3, len(view))), shape


class PixelShuffle(Rearrangement):
    """Channels to pixels: maps r times as high and wide, of r r times fewer channels.

    top[n, c, h r + i, w r + j] = bottom[n, c r r + i r + j, h, w]; the other channel orders as in SpaceToDepth,
    whose inverse it is.

    Bottom:
        [0] features (N, C r r, H, W)
    Top:
        [0] (N, C, H r, W r)
    Backward:
        Every value's gradient, at its place before.
    Raises:
        ValueError for other shapes, for channels that r r does not divide, and in place.
    References:
        Shi et al., "Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel Convolutional Neural
        Network", 2016, arXiv:1609.05158; PyTorch's pixel_shuffle. Order block is TensorFlow's depth_to_space, and
        Reorg with reverse: true, which does not undo Reorg; darknet does.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> LayerRun(PixelShuffle, [[[[[0]], [[1]], [[2]], [[3]]]]], param_str='{"upscale": 2}').forward()[0]
        array([[[[0., 1.],
                 [2., 3.]]]])
    """

    upscale = Parameter(int, low=1, doc="r, the block's side b in channel_order")
    channel_order = _CHANNEL_ORDER

    def arrangement(self, shape):
        _maps(self, shape)
        count, deep, rows, columns = shape
        block, divisor = self.upscale, self.upscale ** (4 if self.channel_order == "darknet" else 2)
        if deep % divisor:
            raise checks.error(self, f"bottom[0] must have channels divisible by {divisor}, got {shape}")
        whole = (count, deep // block**2, rows * block, columns * block)
        view, order, _ = depth_arrangement(whole, block, self.channel_order)
        back = tuple(order.index(axis) for axis in range(len(order)))
        return tuple(view[axis] for axis in order), back, whole


class SpaceToDepth(Rearrangement):
    """Pixels to channels: maps b times less high and wide, of b b times as many channels, with no value lost.

    top[n, c b b + i b + j, h, w] = bottom[n, c, h b + i, w b + j], or as channel_order says.

    Bottom:
        [0] features (N, C, H, W), H and W divisible by b
    Top:
        [0] (N, C b b, H / b, W / b)
    Backward:
        Every value's gradient, at its place before.
    Raises:
        ValueError for other shapes, for a map that b does not divide, with channel_order darknet for channels that b b
        does not divide, and in place.
    References:
        channel_order darknet is Reorg of YOLOv2, as darknet and eric612/MobileNet-YOLO have it, reorg_param { stride }:
        Redmon and Farhadi, "YOLO9000", 2017, arXiv:1612.08242. That layer takes memory of shape (C, H, W) as
        (C / b / b, H b, W b), so its blocks are no b x b pixels of the image; a net trained with it needs it. Order
        channel is PyTorch's pixel_unshuffle, block is TensorFlow's space_to_depth.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> LayerRun(SpaceToDepth, [[[[[0, 1], [2, 3]]]]], param_str='{"block": 2}').forward()[0].ravel()
        array([0., 1., 2., 3.])
    """

    block = Parameter(int, low=1, doc="b, the side of a block, in pixels")
    channel_order = _CHANNEL_ORDER

    def arrangement(self, shape):
        _, channels, height, width = _maps(self, shape)
        if height % self.block or width % self.block:
            raise checks.error(self, f"bottom[0] must have maps divisible by block {self.block}, got {shape}")
        if self.channel_order == "darknet" and channels % self.block**2:
            raise checks.error(
                self,
                f"channel_order darknet needs channels divisible by {self.block**2}, got bottom[0] of shape {shape}",
            )
        return depth_arrangement(shape, self.block, self.channel_order)
