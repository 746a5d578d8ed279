"""The prototxts of SSD's detectors, as its fork has them: ``ssd300()`` on VGG-16, and ``mobilenet_ssd()``.

Sizes, boxes and names are those of the published nets for the 21 classes of VOC; the data are Input blobs.
"""

from __future__ import annotations

from typing import NamedTuple

from zoo import Net

CLASSES, SIZE = 21, 300


class Source(NamedTuple):
    """A feature map that boxes are predicted from. step: pixels between its cells, the image's size over it if 0."""

    blob: str
    min_size: float
    max_size: float
    ratios: tuple[int, ...]
    step: int = 0

    @property
    def boxes(self) -> int:
        return 1 + bool(self.max_size) + 2 * len(self.ratios)


def ssd300() -> str:
    """Liu et al. 2016, SSD300 on VGG-16: 8,732 boxes."""
    net = Net(train=False)
    x = "data"
    for block, (outputs, convs) in enumerate([(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)], 1):
        for i in range(1, convs + 1):
            x = _relu(net, net.conv(f"conv{block}_{i}", x, outputs, 3, "pad: 1", ""))
        shrink = "kernel_size: 3 stride: 1 pad: 1" if block == 5 else "kernel_size: 2 stride: 2"
        x = net.pool(f"pool{block}", x, shrink)
    x = _relu(net, net.conv("fc6", x, 1024, 3, "pad: 6 dilation: 6", ""))
    x = _relu(net, net.conv("fc7", x, 1024, 1, "", ""))
    for block, outputs, rest in [
        (6, 256, "pad: 1 stride: 2"),
        (7, 128, "pad: 1 stride: 2"),
        (8, 128, ""),
        (9, 128, ""),
    ]:
        x = _relu(net, net.conv(f"conv{block}_1", x, outputs, 1, "", ""))
        x = _relu(net, net.conv(f"conv{block}_2", x, max(2 * outputs, 256), 3, rest, ""))
    scale = "across_spatial: false channel_shared: false scale_filler { type: 'constant' value: 20 }"
    norm = net.add("Normalize", "conv4_3_norm", "conv4_3", rest=f"norm_param {{ {scale} }}")
    sources = [
        Source(norm, 30, 60, (2,), 8),
        Source("fc7", 60, 111, (2, 3), 16),
        Source("conv6_2", 111, 162, (2, 3), 32),
        Source("conv7_2", 162, 213, (2, 3), 64),
        Source("conv8_2", 213, 264, (2,), 100),
        Source("conv9_2", 264, 315, (2,), 300),
    ]
    return _detector(net, sources, "kernel_size: 3 pad: 1", keep=200, found=400)


def mobilenet_ssd() -> str:
    """MobileNet-SSD, its batch norms folded into the convolutions: 1,917 boxes."""
    net = Net(train=False)
    x = _relu(net, net.conv("conv0", "data", 32, 3, "pad: 1 stride: 2", ""))
    inputs, blocks = 32, [64, (128, 2), 128, (256, 2), 256, (512, 2), 512, 512, 512, 512, 512, (1024, 2), 1024]
    for i, block in enumerate(blocks, 1):
        outputs, stride = block if isinstance(block, tuple) else (block, 1)
        x = _relu(net, net.conv(f"conv{i}/dw", x, inputs, 3, f"pad: 1 stride: {stride} group: {inputs}", ""))
        x = _relu(net, net.conv(f"conv{i}", x, outputs, 1, "", ""))
        inputs = outputs
    for i, outputs in [(14, 512), (15, 256), (16, 256), (17, 128)]:
        x = _relu(net, net.conv(f"conv{i}_1", x, outputs // 2, 1, "", ""))
        x = _relu(net, net.conv(f"conv{i}_2", x, outputs, 3, "pad: 1 stride: 2", ""))
    maps = ["conv13", "conv14_2", "conv15_2", "conv16_2", "conv17_2"]
    sizes = [105, 150, 195, 240, 285, 300]
    sources = [Source("conv11", 60, 0, (2,))]
    sources += [Source(blob, low, high, (2, 3)) for blob, low, high in zip(maps, sizes, sizes[1:])]
    return _detector(net, sources, "kernel_size: 1", keep=100, found=100)


def _relu(net: Net, blob: str) -> str:
    return net.relu(f"{blob}/relu", blob)


def _detector(net: Net, sources: list[Source], kernel: str, keep: int, found: int) -> str:
    """Return the net with the predictions of boxes and classes from its sources, and what is detected."""
    parts: dict[str, list[str]] = {"loc": [], "conf": [], "priorbox": []}
    for source in sources:
        for kind, each in (("loc", 4), ("conf", CLASSES)):
            name = f"{source.blob}_mbox_{kind}"
            param = f"convolution_param {{ num_output: {source.boxes * each} {kernel} }}"
            x = net.add("Convolution", name, source.blob, rest=param)
            order = "permute_param { order: 0 order: 2 order: 3 order: 1 }"
            x = net.add("Permute", f"{name}_perm", x, rest=order)
            parts[kind].append(net.add("Flatten", f"{name}_flat", x))
        text = f"min_size: {source.min_size} flip: true clip: false offset: 0.5 "
        text += f"max_size: {source.max_size} " if source.max_size else ""
        text += f"step: {source.step} " if source.step else ""
        text += " ".join(f"aspect_ratio: {ratio}" for ratio in source.ratios)
        text += " variance: 0.1 variance: 0.1 variance: 0.2 variance: 0.2"
        box = net.add(
            "PriorBox", f"{source.blob}_mbox_priorbox", [source.blob, "data"], rest=f"prior_box_param {{ {text} }}"
        )
        parts["priorbox"].append(box)
    loc = net.add("Concat", "mbox_loc", parts["loc"])
    conf = net.add("Concat", "mbox_conf", parts["conf"])
    priors = net.add("Concat", "mbox_priorbox", parts["priorbox"], rest="concat_param { axis: 2 }")
    shape = f"reshape_param {{ shape {{ dim: 0 dim: -1 dim: {CLASSES} }} }}"
    conf = net.add("Reshape", "mbox_conf_reshape", conf, rest=shape)
    conf = net.add("Softmax", "mbox_conf_softmax", conf, rest="softmax_param { axis: 2 }")
    conf = net.add("Flatten", "mbox_conf_flatten", conf)
    param = (
        f"num_classes: {CLASSES} share_location: true background_label_id: 0 code_type: CENTER_SIZE "
        f"nms_param {{ nms_threshold: 0.45 top_k: {found} }} keep_top_k: {keep} confidence_threshold: 0.01"
    )
    net.add("DetectionOutput", "detection_out", [loc, conf, priors], rest=f"detection_output_param {{ {param} }}")
    shape = f"shape {{ dim: 1 dim: 3 dim: {SIZE} dim: {SIZE} }}"
    data = f'layer {{ name: "data" type: "Input" top: "data" input_param {{ {shape} }} }}'
    return "\n".join([data, *net.layers, ""])
