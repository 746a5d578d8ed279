"""A MobileNet-SSD in small, as SSD's Caffe has it: its prototxt, scenes of digits, and the same net in PyTorch."""

import numpy as np
import pytest

from caffe_pylayers import pycaffe
from caffe_pylayers.cli._mnist import source

torch = pytest.importorskip("torch")

CLASSES, SIZE = 11, 64
VARIANCES = (0.1, 0.1, 0.2, 0.2)
# By the layer that has a head: cells on a side, the sides of priors in pixels; beside 1 the ratios 2 and 1 / 2.
HEADS = {"conv3": (16, 10, 16), "conv5": (8, 16, 26), "conv6": (4, 26, 40)}
PRIORS = 4  # of a cell
# A block's channels and stride: a depthwise convolution of 3 x 3, then one of 1 x 1.
BLOCKS = {"conv1": (32, 1), "conv2": (64, 2), "conv3": (64, 1), "conv4": (128, 2), "conv5": (128, 1), "conv6": (128, 2)}


def layer(name, kind, bottoms, text="", top=None):
    bottoms = " ".join(f'bottom: "{bottom}"' for bottom in bottoms)
    return f'layer {{ name: "{name}" type: "{kind}" {bottoms} top: "{top or name}" {text} }}'


def convolution(name, bottom, outputs, size, stride, groups=1):
    param = (
        f"convolution_param {{ num_output: {outputs} kernel_size: {size} stride: {stride} pad: {size // 2} "
        f'bias_term: false engine: CAFFE group: {groups} weight_filler {{ type: "msra" }} }}'
    )
    return [
        layer(name, "DepthwiseConvolution" if groups > 1 else "Convolution", [bottom], param),
        layer(f"{name}/bn", "BatchNorm", [name], "batch_norm_param { moving_average_fraction: 0.9 }", name),
        layer(f"{name}/scale", "Scale", [name], "scale_param { bias_term: true filler { value: 1 } }", name),
        layer(f"{name}/relu", "ReLU", [name], top=name),
    ]


def prototxt(batch, objects):
    """Return the net that trains and tests, with Input layers for scenes and their objects."""
    layers = [
        layer("data", "Input", [], f"input_param {{ shape {{ dim: [{batch}, 1, {SIZE}, {SIZE}] }} }}"),
        layer("label", "Input", [], f"input_param {{ shape {{ dim: [1, 1, {batch * objects}, 8] }} }}"),
        *convolution("conv0", "data", 16, 3, 2),
    ]
    bottom, channels = "conv0", 16
    for name, (outputs, stride) in BLOCKS.items():
        layers += convolution(f"{name}/dw", bottom, channels, 3, stride, channels)
        layers += convolution(name, f"{name}/dw", outputs, 1, 1)
        bottom, channels = name, outputs
    for name, (_, low, high) in HEADS.items():
        for which, values in (("loc", 4), ("conf", CLASSES)):
            head = f"{name}_mbox_{which}"
            param = (
                f"convolution_param {{ num_output: {PRIORS * values} kernel_size: 1 "
                'weight_filler { type: "gaussian" std: 0.01 } bias_filler { type: "constant" value: 0 } }'
            )
            order = "permute_param { order: 0 order: 2 order: 3 order: 1 }"
            layers += [
                layer(head, "Convolution", [name], param),
                layer(f"{head}_perm", "Permute", [head], order),
                layer(f"{head}_flat", "Flatten", [f"{head}_perm"], "flatten_param { axis: 1 }"),
            ]
        variances = " ".join(f"variance: {v}" for v in VARIANCES)
        param = f"min_size: {low} max_size: {high} aspect_ratio: 2 flip: true clip: false {variances}"
        layers.append(layer(f"{name}_mbox_priorbox", "PriorBox", [name, "data"], f"prior_box_param {{ {param} }}"))
    for which, axis in (("loc_flat", 1), ("conf_flat", 1), ("priorbox", 2)):
        names = [f"{name}_mbox_{which}" for name in HEADS]
        layers.append(layer(f"mbox_{which}", "Concat", names, f"concat_param {{ axis: {axis} }}"))
    heads = ["mbox_loc_flat", "mbox_conf_flat", "mbox_priorbox"]
    loss = (
        f"include {{ phase: TRAIN }} propagate_down: [true, true, false, false] loss_param {{ normalization: VALID }} "
        f"multibox_loss_param {{ loc_loss_type: SMOOTH_L1 conf_loss_type: SOFTMAX loc_weight: 1 num_classes: {CLASSES} "
        "share_location: true match_type: PER_PREDICTION overlap_threshold: 0.5 use_prior_for_matching: true "
        "background_label_id: 0 use_difficult_gt: true neg_pos_ratio: 3 neg_overlap: 0.5 code_type: CENTER_SIZE "
        "ignore_cross_boundary_bbox: false mining_type: MAX_NEGATIVE }"
    )
    test = "include { phase: TEST }"
    shape = f"reshape_param {{ shape {{ dim: [0, -1, {CLASSES}] }} }}"
    output = (
        f"detection_output_param {{ num_classes: {CLASSES} share_location: true background_label_id: 0 "
        "nms_param { nms_threshold: 0.45 top_k: 100 } code_type: CENTER_SIZE keep_top_k: 50 "
        "confidence_threshold: 0.05 }"
    )
    layers += [
        layer("mbox_loss", "MultiBoxLoss", [*heads, "label"], loss),
        layer("mbox_conf_reshape", "Reshape", ["mbox_conf_flat"], f"{test} {shape}"),
        layer("mbox_conf_softmax", "Softmax", ["mbox_conf_reshape"], f"{test} softmax_param {{ axis: 2 }}"),
        layer("mbox_conf", "Flatten", ["mbox_conf_softmax"], f"{test} flatten_param {{ axis: 1 }}"),
        layer("detection_out", "DetectionOutput", [heads[0], "mbox_conf", heads[2]], f"{test} {output}"),
        layer(
            "detection_eval",
            "DetectionEvaluate",
            ["detection_out", "label"],
            f"{test} detection_evaluate_param {{ num_classes: {CLASSES} overlap_threshold: 0.5 }}",
        ),
    ]
    return "\n".join(layers)


def digits_and_labels(which):
    """Return some of the package's digits, in [0, 1], and what they are."""
    images, labels = source.sample()
    return images[which] / np.float32(255), labels[which]


def scenes(rng, digits, labels, batch, objects):
    """Return (data, label): digits, some of half the size, pasted on canvases, and their boxes, ``objects`` on each."""
    data = np.zeros((batch, 1, SIZE, SIZE), np.float32)
    rows = np.zeros((batch, objects, 8), np.float32)
    for n, k in np.ndindex(batch, objects):
        which, step = rng.randint(len(digits)), rng.randint(1, 3)
        digit = digits[which][::step, ::step]
        y, x = rng.randint(0, SIZE - digit.shape[0] + 1, 2)
        window = data[n, 0, y : y + digit.shape[0], x : x + digit.shape[1]]
        np.maximum(window, digit, out=window)
        rows_of, columns_of = np.nonzero(digit > 0.3)
        box = x + columns_of.min(), y + rows_of.min(), x + columns_of.max() + 1, y + rows_of.max() + 1
        rows[n, k] = n, labels[which] + 1, k, *(np.array(box) / SIZE), 0
    return data, rows.reshape(1, 1, -1, 8)


def priors():
    """Return (P, 4), the priors' corners as shares of the image."""
    found = []
    for cells, low, high in HEADS.values():
        middle = np.sqrt(low * high)
        sides = [(low, low), (middle, middle), (low * 2**0.5, low / 2**0.5), (low / 2**0.5, low * 2**0.5)]
        y, x, side = np.meshgrid(np.arange(cells), np.arange(cells), np.arange(len(sides)), indexing="ij")
        centres, half = (np.stack([x, y], -1) + 0.5) / cells, np.array(sides)[side] / 2 / SIZE
        found.append(np.concatenate([centres - half, centres + half], -1).reshape(-1, 4))
    return np.concatenate(found)


def twin():
    """Return the net as a torch module, whose call returns locations (N, P, 4) and scores (N, P, CLASSES) of scenes."""

    def block(inputs, outputs, size, stride, groups=1):
        convolution = torch.nn.Conv2d(inputs, outputs, size, stride, size // 2, groups=groups, bias=False)
        return torch.nn.Sequential(convolution, torch.nn.BatchNorm2d(outputs), torch.nn.ReLU())

    class Twin(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = block(1, 16, 3, 2)
            self.blocks, self.heads, channels = torch.nn.ModuleDict(), torch.nn.ModuleDict(), 16
            for name, (outputs, stride) in BLOCKS.items():
                depthwise = block(channels, channels, 3, stride, channels)
                self.blocks[name] = torch.nn.Sequential(depthwise, block(channels, outputs, 1, 1))
                channels = outputs
            for name in HEADS:
                outputs = BLOCKS[name][0]
                self.heads[name] = torch.nn.ModuleList(torch.nn.Conv2d(outputs, PRIORS * n, 1) for n in (4, CLASSES))

        def forward(self, x):
            x, found = self.stem(x), []
            for name, layers in self.blocks.items():
                x = layers(x)
                if name in HEADS:
                    found.append([head(x).permute(0, 2, 3, 1).flatten(1) for head in self.heads[name]])
            locations, scores = (torch.cat(parts, 1) for parts in zip(*found))
            return locations.unflatten(1, (-1, 4)), scores.unflatten(1, (-1, CLASSES))

        def learn_from(self, net):
            """Take the learned blobs of the runtime's net."""
            blocks = {"conv0": self.stem}
            for name, (depthwise, pointwise) in self.blocks.items():
                blocks.update({f"{name}/dw": depthwise, name: pointwise})
            pairs = [(head, net.params[f"{name}_mbox_{which}"]) for name, heads in self.heads.items()
                     for which, head in zip(("loc", "conf"), heads)]  # fmt: skip
            for name, (convolution, norm, _) in blocks.items():
                pairs += [(convolution, net.params[name]), (norm, net.params[f"{name}/scale"])]
            for module, blobs in pairs:
                for parameter, blob in zip(module.parameters(), blobs):
                    parameter.data.copy_(torch.from_numpy(blob.data))

    return Twin()


def loss_of_twin(locations, scores, label):
    """Return SSD's loss of a batch in PyTorch's operations."""
    boxes, variances = torch.from_numpy(priors()).float(), torch.tensor(VARIANCES)
    size, centre = boxes[:, 2:] - boxes[:, :2], (boxes[:, :2] + boxes[:, 2:]) / 2
    targets, labels = torch.zeros_like(locations), torch.zeros(scores.shape[:2], dtype=torch.int64)
    near = torch.zeros(scores.shape[:2], dtype=torch.bool)
    for n in range(len(locations)):
        of = torch.from_numpy(label.reshape(-1, 8)[label.reshape(-1, 8)[:, 0] == n])
        objects, classes = of[:, 3:7], of[:, 1].long()
        ends = torch.minimum(objects[:, None, 2:], boxes[:, 2:]) - torch.maximum(objects[:, None, :2], boxes[:, :2])
        shared = ends.clamp(min=0).prod(2)
        iou = shared / ((objects[:, 2:] - objects[:, :2]).prod(1)[:, None] + size.prod(1) - shared)
        overlaps, which = iou.max(0)
        near[n] = overlaps >= 0.5
        matched = overlaps >= 0.5
        left = iou.clone()
        for _ in range(len(objects)):
            g, p = divmod(int(left.argmax()), len(boxes))
            which[p], matched[p] = g, True
            left[g], left[:, p] = -1, -1
        found = objects[which]
        shift = ((found[:, :2] + found[:, 2:]) / 2 - centre) / size
        targets[n] = torch.cat([shift, torch.log((found[:, 2:] - found[:, :2]) / size)], 1) / variances
        labels[n] = torch.where(matched, classes[which], 0)
    positive = labels > 0
    with torch.no_grad():
        losses = scores.logsumexp(2) - scores[:, :, 0]
        losses[positive | near] = -1
        ranks = losses.argsort(1, descending=True).argsort(1)
        counts = positive | ((ranks < 3 * positive.sum(1, keepdim=True)) & (losses >= 0))
    wrong = torch.nn.functional.smooth_l1_loss(locations[positive], targets[positive], reduction="sum")
    return (wrong + torch.nn.functional.cross_entropy(scores[counts], labels[counts], reduction="sum")) / positive.sum()


SOLVER = 'base_lr: 0.001 lr_policy: "fixed" momentum: 0.9 weight_decay: 0.0005 random_seed: 3'


def solver_of(folder, batch, objects, more=SOLVER):
    """Return the runtime's solver of the net."""
    (folder / "net.prototxt").write_text(prototxt(batch, objects))
    (folder / "solver.prototxt").write_text(f'net: "{folder / "net.prototxt"}" {more}')
    return pycaffe.SGDSolver(str(folder / "solver.prototxt"))


def first_losses(folder, iterations, batch, objects=3):
    """Return (iterations, 2): the runtime's losses and those of the net in PyTorch, of the same weights and scenes."""
    rng = np.random.RandomState(5)
    digits, labels = digits_and_labels(slice(0, 4000))
    solver, net = solver_of(folder, batch, objects), twin()
    net.learn_from(solver.net)
    velocities = [torch.zeros_like(parameter) for parameter in net.parameters()]
    losses = []
    for _ in range(iterations):
        data, label = scenes(rng, digits, labels, batch, objects)
        solver.net.blobs["data"].data[...], solver.net.blobs["label"].data[...] = data, label
        solver.step(1)
        net.zero_grad()
        loss = loss_of_twin(*net(torch.from_numpy(data)), label)
        loss.backward()
        with torch.no_grad():
            for parameter, velocity in zip(net.parameters(), velocities):
                velocity.mul_(0.9).add_(parameter.grad + 0.0005 * parameter, alpha=0.001)
                parameter.sub_(velocity)
        losses.append([solver.net.blobs["mbox_loss"].data.item(), loss.item()])
    return np.array(losses)
