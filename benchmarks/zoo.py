"""The prototxts of well-known nets, for benchmarks and tests: ``train(name, batch)`` and ``deploy(name, batch)``.

Layers, names and parameters are those of the papers' Caffe releases; the data are Input blobs.
"""

from __future__ import annotations

GAUSSIAN = 'weight_filler { type: "gaussian" std: 0.01 } bias_filler { type: "constant" value: %g }'
XAVIER = 'weight_filler { type: "xavier" } bias_filler { type: "constant" value: 0.2 }'
MSRA = 'weight_filler { type: "msra" } bias_term: false'
RATES = "param { lr_mult: 1 decay_mult: 1 } param { lr_mult: 2 decay_mult: 0 }"


class Net:
    """The text of a net, layer by layer; each method returns the name of its top."""

    def __init__(self, train: bool) -> None:
        self.train = train
        self.layers: list[str] = []

    def add(self, kind: str, name: str, bottoms: str | list[str], top: str | None = None, rest: str = "") -> str:
        bottoms = [bottoms] if isinstance(bottoms, str) else bottoms
        wires = " ".join(f'bottom: "{bottom}"' for bottom in bottoms)
        self.layers.append(f'layer {{ name: "{name}" type: "{kind}" {wires} top: "{top or name}" {rest} }}')
        return top or name

    def conv(self, name: str, bottom: str, outputs: int, kernel: int, rest: str, rates: str = RATES) -> str:
        param = f"convolution_param {{ num_output: {outputs} kernel_size: {kernel} {rest} }}"
        return self.add("Convolution", name, bottom, rest=f"{rates} {param}")

    def fully(self, name: str, bottom: str, outputs: int, rest: str) -> str:
        return self.add(
            "InnerProduct", name, bottom, rest=f"{RATES} inner_product_param {{ num_output: {outputs} {rest} }}"
        )

    def relu(self, name: str, bottom: str) -> str:
        return self.add("ReLU", name, bottom, top=bottom)

    def pool(self, name: str, bottom: str, rest: str) -> str:
        return self.add("Pooling", name, bottom, rest=f"pooling_param {{ {rest} }}")

    def lrn(self, name: str, bottom: str) -> str:
        return self.add("LRN", name, bottom, rest="lrn_param { local_size: 5 alpha: 0.0001 beta: 0.75 }")

    def dropout(self, name: str, bottom: str, ratio: float = 0.5) -> str:
        return self.add("Dropout", name, bottom, top=bottom, rest=f"dropout_param {{ dropout_ratio: {ratio} }}")

    def finish(self, scores: str, weight: str = "", name: str = "loss") -> None:
        """The loss of the scores, or their probabilities."""
        if self.train:
            self.add("SoftmaxWithLoss", name, [scores, "label"], rest=weight)
        else:
            self.add("Softmax", "prob", scores)


def _alexnet(net: Net, norm_first: bool) -> None:
    """AlexNet (Krizhevsky et al. 2012) normalizes before it pools, CaffeNet after."""

    def shrink(number: int, bottom: str) -> str:
        steps = [
            lambda x: net.lrn(f"norm{number}", x),
            lambda x: net.pool(f"pool{number}", x, "kernel_size: 3 stride: 2"),
        ]
        for step in steps if norm_first else reversed(steps):
            bottom = step(bottom)
        return bottom

    first = 0.1 if norm_first else 1
    x = net.relu("relu1", net.conv("conv1", "data", 96, 11, f"stride: 4 {GAUSSIAN % 0}"))
    x = net.relu("relu2", net.conv("conv2", shrink(1, x), 256, 5, f"pad: 2 group: 2 {GAUSSIAN % first}"))
    x = net.relu("relu3", net.conv("conv3", shrink(2, x), 384, 3, f"pad: 1 {GAUSSIAN % 0}"))
    x = net.relu("relu4", net.conv("conv4", x, 384, 3, f"pad: 1 group: 2 {GAUSSIAN % first}"))
    x = net.relu("relu5", net.conv("conv5", x, 256, 3, f"pad: 1 group: 2 {GAUSSIAN % first}"))
    x = net.pool("pool5", x, "kernel_size: 3 stride: 2")
    narrow = GAUSSIAN.replace("0.01", "0.005") % first
    x = net.dropout("drop6", net.relu("relu6", net.fully("fc6", x, 4096, narrow)))
    x = net.dropout("drop7", net.relu("relu7", net.fully("fc7", x, 4096, narrow)))
    net.finish(net.fully("fc8", x, 1000, GAUSSIAN % 0))


def _vgg16(net: Net) -> None:
    """Simonyan, Zisserman 2014, configuration D."""
    x = "data"
    for block, (outputs, convs) in enumerate([(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)], 1):
        for i in range(1, convs + 1):
            conv = net.conv(f"conv{block}_{i}", x, outputs, 3, f"pad: 1 {GAUSSIAN % 0}")
            x = net.relu(f"relu{block}_{i}", conv)
        x = net.pool(f"pool{block}", x, "kernel_size: 2 stride: 2")
    for number in (6, 7):
        x = net.relu(f"relu{number}", net.fully(f"fc{number}", x, 4096, GAUSSIAN % 0))
        x = net.dropout(f"drop{number}", x)
    net.finish(net.fully("fc8", x, 1000, GAUSSIAN % 0))


def _googlenet(net: Net) -> None:
    """Szegedy et al. 2014, with its two auxiliary losses in training."""

    def conv(name: str, bottom: str, outputs: int, kernel: int, rest: str = "") -> str:
        prefix, _, last = name.rpartition("/")
        return net.relu(f"{prefix}/relu_{last}", net.conv(name, bottom, outputs, kernel, f"{rest} {XAVIER}"))

    def inception(name: str, bottom: str, sizes: tuple[int, ...]) -> str:
        one, reduce3, three, reduce5, five, projected = sizes
        name = f"inception_{name}"
        branches = [
            conv(f"{name}/1x1", bottom, one, 1),
            conv(f"{name}/3x3", conv(f"{name}/3x3_reduce", bottom, reduce3, 1), three, 3, "pad: 1"),
            conv(f"{name}/5x5", conv(f"{name}/5x5_reduce", bottom, reduce5, 1), five, 5, "pad: 2"),
            conv(
                f"{name}/pool_proj",
                net.pool(f"{name}/pool", bottom, "kernel_size: 3 stride: 1 pad: 1"),
                projected,
                1,
            ),
        ]
        return net.add("Concat", f"{name}/output", branches)

    def auxiliary(name: str, bottom: str) -> None:
        x = net.pool(f"{name}/ave_pool", bottom, "pool: AVE kernel_size: 5 stride: 3")
        x = conv(f"{name}/conv", x, 128, 1)
        x = net.relu(f"{name}/relu_fc", net.fully(f"{name}/fc", x, 1024, XAVIER))
        x = net.dropout(f"{name}/drop_fc", x, 0.7)
        net.finish(net.fully(f"{name}/classifier", x, 1000, XAVIER), "loss_weight: 0.3", f"{name}/loss")

    shrink = "kernel_size: 3 stride: 2"
    x = net.pool("pool1/3x3_s2", conv("conv1/7x7_s2", "data", 64, 7, "pad: 3 stride: 2"), shrink)
    x = conv("conv2/3x3_reduce", net.lrn("pool1/norm1", x), 64, 1)
    x = net.lrn("conv2/norm2", conv("conv2/3x3", x, 192, 3, "pad: 1"))
    x = net.pool("pool2/3x3_s2", x, shrink)
    x = inception("3a", x, (64, 96, 128, 16, 32, 32))
    x = inception("3b", x, (128, 128, 192, 32, 96, 64))
    x = net.pool("pool3/3x3_s2", x, shrink)
    x = inception("4a", x, (192, 96, 208, 16, 48, 64))
    if net.train:
        auxiliary("loss1", x)
    x = inception("4b", x, (160, 112, 224, 24, 64, 64))
    x = inception("4c", x, (128, 128, 256, 24, 64, 64))
    x = inception("4d", x, (112, 144, 288, 32, 64, 64))
    if net.train:
        auxiliary("loss2", x)
    x = inception("4e", x, (256, 160, 320, 32, 128, 128))
    x = net.pool("pool4/3x3_s2", x, shrink)
    x = inception("5a", x, (256, 160, 320, 32, 128, 128))
    x = inception("5b", x, (384, 192, 384, 48, 128, 128))
    x = net.dropout("pool5/drop", net.pool("pool5/7x7_s1", x, "pool: AVE kernel_size: 7 stride: 1"), 0.4)
    net.finish(net.fully("loss3/classifier", x, 1000, XAVIER), name="loss3/loss3")


def _resnet50(net: Net) -> None:
    """He et al. 2015."""

    def normal(suffix: str, bottom: str) -> str:
        net.add("BatchNorm", f"bn{suffix}", bottom, top=bottom)
        return net.add("Scale", f"scale{suffix}", bottom, top=bottom, rest="scale_param { bias_term: true }")

    def conv(suffix: str, bottom: str, outputs: int, kernel: int, rest: str = "") -> str:
        top = net.conv(f"res{suffix}", bottom, outputs, kernel, f"{rest} {MSRA}", rates="")
        return normal(suffix, top)

    x = net.conv("conv1", "data", 64, 7, f"pad: 3 stride: 2 {MSRA}", rates="")
    x = net.pool("pool1", net.relu("conv1_relu", normal("_conv1", x)), "kernel_size: 3 stride: 2")
    for stage, (blocks, width) in enumerate([(3, 64), (4, 128), (6, 256), (3, 512)], 2):
        for block in "abcdef"[:blocks]:
            name = f"{stage}{block}"
            stride = "stride: 2" if block == "a" and stage > 2 else ""
            shortcut = conv(f"{name}_branch1", x, 4 * width, 1, stride) if block == "a" else x
            y = net.relu(f"res{name}_branch2a_relu", conv(f"{name}_branch2a", x, width, 1, stride))
            y = net.relu(f"res{name}_branch2b_relu", conv(f"{name}_branch2b", y, width, 3, "pad: 1"))
            y = conv(f"{name}_branch2c", y, 4 * width, 1)
            x = net.relu(f"res{name}_relu", net.add("Eltwise", f"res{name}", [shortcut, y]))
    x = net.pool("pool5", x, "pool: AVE kernel_size: 7 stride: 1")
    net.finish(net.fully("fc1000", x, 1000, 'weight_filler { type: "msra" }'))


SIZES = {"caffenet": 227, "alexnet": 227, "googlenet": 224, "resnet50": 224, "vgg16": 224}


def _text(name: str, batch: int, train: bool) -> str:
    net = Net(train)
    if name in ("caffenet", "alexnet"):
        _alexnet(net, norm_first=name == "alexnet")
    else:
        {"googlenet": _googlenet, "resnet50": _resnet50, "vgg16": _vgg16}[name](net)
    size = SIZES[name]
    shapes = f"shape {{ dim: {batch} dim: 3 dim: {size} dim: {size} }}"
    tops = 'top: "data"'
    if train:
        shapes += f" shape {{ dim: {batch} }}"
        tops += ' top: "label"'
    data = f'layer {{ name: "data" type: "Input" {tops} input_param {{ {shapes} }} }}'
    return "\n".join([f'name: "{name}"', data, *net.layers, ""])


def train(name: str, batch: int) -> str:
    """The net to train: data (batch, 3, height, width) and labels (batch) in [0, 1000)."""
    return _text(name, batch, train=True)


def deploy(name: str, batch: int) -> str:
    """The net to use: the same data, and the probabilities ``prob`` of 1000 classes."""
    return _text(name, batch, train=False)
