"""SegNet's and PSPNet's blocks, as their nets have them, trained beside the same written in PyTorch."""

import csv

import numpy as np
import pytest

pytest.importorskip("torch")  # which the runtime needs

from caffe_pylayers import pycaffe
from caffe_pylayers.cli import main
from caffe_pylayers.cli.train import train

torch = pytest.importorskip("torch")
functional = torch.nn.functional

HEIGHT, WIDTH, CLASSES, IGNORED = 13, 16, 3, 255
ITERATIONS, BATCHES = 50, 5
LR, MOMENTUM, DECAY = 0.05, 0.9, 5e-4

SOLVER = (
    f"base_lr: {LR} lr_policy: 'fixed' momentum: {MOMENTUM} weight_decay: {DECAY} random_seed: 1 net: 'net.prototxt'"
)
INPUTS = (
    f"input: 'data' input_shape {{ dim: 2 dim: 3 dim: {HEIGHT} dim: {WIDTH} }} "
    f"input: 'label' input_shape {{ dim: 2 dim: 1 dim: {HEIGHT} dim: {WIDTH} }} "
)


def layer(kind, name, bottoms, tops, param=""):
    ends = " ".join([*(f"bottom: '{b}'" for b in bottoms.split()), *(f"top: '{t}'" for t in tops.split())])
    return f"layer {{ name: '{name}' type: '{kind}' {ends} {param} }} "


def conv(name, bottom, outputs, kernel=3):
    fillers = "weight_filler { type: 'msra' }"
    sizes = f"num_output: {outputs} kernel_size: {kernel} pad: {kernel // 2}"
    return layer("Convolution", name, bottom, name, f"convolution_param {{ {sizes} {fillers} }}")


def batches():
    """Images, and labels that follow from them; some are ignored."""
    rng = np.random.RandomState(0)
    images = rng.standard_normal((BATCHES, 2, 3, HEIGHT, WIDTH)).astype(np.float32)
    labels = (images + np.roll(images, 1, 3)).argmax(2)
    labels[rng.rand(*labels.shape) < 0.1] = IGNORED
    return images, labels


def losses_beside(tmp_path, monkeypatch, net, twin):
    """The losses of a training, of a net of the fork and of its twin, a function of data, label and learned blobs."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.prototxt").write_text(INPUTS + net)
    (tmp_path / "solver.prototxt").write_text(SOLVER)
    solver = pycaffe.SGDSolver("solver.prototxt")
    learned = {
        name: [torch.tensor(blob.data.astype(np.float64), requires_grad=True) for blob in blobs]
        for name, blobs in solver.net.params.items()
    }
    blobs = [blob for of_layer in learned.values() for blob in of_layer]
    optimizer = torch.optim.SGD(blobs, LR, momentum=MOMENTUM, weight_decay=DECAY)
    images, labels = batches()
    ours, theirs = [], []
    for i in range(ITERATIONS):
        data, label = images[i % BATCHES], labels[i % BATCHES]
        solver.net.blobs["data"].data[...] = data
        solver.net.blobs["label"].data[...] = label[:, None]
        solver.step(1)
        ours.append(solver.net.blobs["loss"].data.item())
        optimizer.zero_grad()
        loss = twin(torch.tensor(data, dtype=torch.float64), torch.tensor(label), learned)
        loss.backward()
        optimizer.step()
        theirs.append(loss.item())
    return ours, theirs


def standardized(x, eps):
    return (x - x.mean((0, 2, 3), keepdim=True)) / torch.sqrt(x.var((0, 2, 3), unbiased=False, keepdim=True) + eps)


def convolved(x, blobs):
    return functional.conv2d(x, *blobs, padding=blobs[0].shape[2] // 2)


# --- SegNet ---------------------------------------------------------------------------------------

FREQUENCIES = [0.5, 1, 2]
POOL = "pooling_param { pool: MAX kernel_size: 2 stride: 2 }"
FILLERS = "scale_filler { type: 'constant' value: 1 } shift_filler { type: 'constant' value: 0.001 }"


def block(name, bottom, outputs=6):
    norm = layer("BN", f"{name}_bn", name, name, f"bn_param {{ {FILLERS} }}")
    return conv(name, bottom, outputs) + norm + layer("ReLU", f"{name}_relu", name, name)


SEGNET = (
    block("conv1", "data")
    + layer("Pooling", "pool1", "conv1", "pool1 pool1_mask", POOL)
    + block("conv2", "pool1")
    + layer("Pooling", "pool2", "conv2", "pool2 pool2_mask", POOL)
    + layer("Upsample", "upsample2", "pool2 pool2_mask", "pool2_D", "upsample_param { scale: 2 pad_out_h: true }")
    + block("conv2_D", "pool2_D")
    + layer(
        "Upsample",
        "upsample1",
        "conv2_D pool1_mask",
        "pool1_D",
        f"upsample_param {{ scale: 2 upsample_h: {HEIGHT} upsample_w: {WIDTH} }}",
    )
    + conv("conv1_D", "pool1_D", CLASSES)
    + layer(
        "SoftmaxWithLoss",
        "loss",
        "conv1_D label",
        "loss",
        f"softmax_param {{ engine: CAFFE }} loss_param {{ weight_by_label_freqs: true ignore_label: {IGNORED} "
        + " ".join(f"class_weighting: {w}" for w in FREQUENCIES)
        + " }",
    )
)


def segnet(data, label, learned):
    def block(name, x):
        scale, shift = (blob.reshape(1, -1, 1, 1) for blob in learned[f"{name}_bn"])
        return torch.relu(standardized(convolved(x, learned[name]), 1e-9) * scale + shift)

    first = block("conv1", data)
    x, mask1 = functional.max_pool2d(first, 2, 2, ceil_mode=True, return_indices=True)
    second = block("conv2", x)
    x, mask2 = functional.max_pool2d(second, 2, 2, ceil_mode=True, return_indices=True)
    x = block("conv2_D", functional.max_unpool2d(x, mask2, 2, 2, output_size=second.shape[2:]))
    x = convolved(functional.max_unpool2d(x, mask1, 2, 2, output_size=first.shape[2:]), learned["conv1_D"])
    weights = torch.tensor(FREQUENCIES, dtype=x.dtype)
    total = functional.cross_entropy(x, label, weights, ignore_index=IGNORED, reduction="sum")
    return total / (label != IGNORED).sum()


def test_segnets_encoder_and_decoder(tmp_path, monkeypatch):
    ours, theirs = losses_beside(tmp_path, monkeypatch, SEGNET, segnet)
    np.testing.assert_allclose(ours, theirs, atol=1e-3)
    assert np.mean(ours[-BATCHES:]) < 0.8 * np.mean(ours[:BATCHES])


# --- PSPNet ---------------------------------------------------------------------------------------

NORM = "bn_param { slope_filler { type: 'constant' value: 1 } bias_filler { type: 'constant' value: 0 } frozen: false }"
FOUR = "param { lr_mult: 1 decay_mult: 1 } param { lr_mult: 1 decay_mult: 1 } param { lr_mult: 0 } param { lr_mult: 0 }"
SMALL = (7, 8)  # of the features, which the data's size follows from by a factor of 2, a row and a column less


def branch(height, width):
    name = f"pool{height}"
    pool = f"pooling_param {{ pool: AVE kernel_h: {height} kernel_w: {width} stride_h: {height} stride_w: {width} }}"
    size = f"interp_param {{ height: {SMALL[0]} width: {SMALL[1]} }}"
    return (
        layer("Pooling", name, "features", name, pool)
        + conv(f"{name}_conv", name, 2, 1)
        + layer("BN", f"{name}_bn", f"{name}_conv", f"{name}_conv", f"{FOUR} {NORM}")
        + layer("ReLU", f"{name}_relu", f"{name}_conv", f"{name}_conv")
        + layer("Interp", f"{name}_interp", f"{name}_conv", f"{name}_interp", size)
    )


PSPNET = (
    layer("Interp", "data_small", "data", "data_small", "interp_param { shrink_factor: 2 }")
    + conv("features", "data_small", 6)
    + layer("BN", "features_bn", "features", "features", f"{FOUR} {NORM}")
    + layer("ReLU", "features_relu", "features", "features")
    + branch(7, 8)
    + branch(4, 4)
    + layer("Concat", "concat", "features pool7_interp pool4_interp", "concat")
    + conv("score", "concat", CLASSES)
    + layer("Interp", "up", "score", "up", f"interp_param {{ height: {HEIGHT} width: {WIDTH} }}")
    + layer("SoftmaxWithLoss", "loss", "up label", "loss", f"loss_param {{ ignore_label: {IGNORED} }}")
)


def pspnet(data, label, learned):
    def normed(name, x):
        slope, bias = (blob.reshape(1, -1, 1, 1) for blob in learned[name][:2])
        return torch.relu(standardized(x, 1e-5) * slope + bias)

    def resized(x, size):
        return functional.interpolate(x, size, mode="bilinear", align_corners=True)

    def branch(height, width):
        x = functional.avg_pool2d(x_features, (height, width), (height, width), ceil_mode=True)
        return resized(normed(f"pool{height}_bn", convolved(x, learned[f"pool{height}_conv"])), SMALL)

    x_features = normed("features_bn", convolved(resized(data, SMALL), learned["features"]))
    x = torch.cat([x_features, branch(7, 8), branch(4, 4)], 1)
    return functional.cross_entropy(
        resized(convolved(x, learned["score"]), (HEIGHT, WIDTH)), label, ignore_index=IGNORED
    )


def test_pspnets_pyramid(tmp_path, monkeypatch):
    ours, theirs = losses_beside(tmp_path, monkeypatch, PSPNET, pspnet)
    np.testing.assert_allclose(ours, theirs, atol=1e-3)
    assert np.mean(ours[-BATCHES:]) < 0.95 * np.mean(ours[:BATCHES])


@pytest.mark.parametrize("said", ["", "loss_param { balanced: true }", "loss_param { balanced: false }"])
def test_heds_loss_is_the_same_however_it_is_run(tmp_path, monkeypatch, capsys, said):
    """A net is read by the program, and what has been read by the runtime again."""
    cv2 = pytest.importorskip("cv2")
    monkeypatch.chdir(tmp_path)
    rng = np.random.RandomState(0)
    cv2.imwrite("a.png", rng.randint(0, 256, (6, 5, 3)).astype(np.uint8))
    cv2.imwrite("e.png", (255 * (rng.rand(6, 5) < 0.2)).astype(np.uint8))
    (tmp_path / "list.txt").write_text("a.png e.png\n")
    (tmp_path / "net.prototxt").write_text(
        'layer { name: "d" type: "ImageLabelmapData" top: "d" top: "l" '
        'image_data_param { root_folder: "./" source: "list.txt" batch_size: 1 } }\n'
        'layer { name: "c" type: "Convolution" bottom: "d" top: "c" convolution_param { '
        'num_output: 1 kernel_size: 1 weight_filler { type: "constant" value: 0.001 } } }\n'
        f'layer {{ name: "loss" type: "SigmoidCrossEntropyLoss" bottom: "c" bottom: "l" top: "loss" {said} }}'
    )
    (tmp_path / "solver.prototxt").write_text(
        'net: "net.prototxt" base_lr: 0 lr_policy: "fixed" max_iter: 1 snapshot_prefix: "out/x" display: 1'
    )
    net = pycaffe.Net("net.prototxt", pycaffe.TRAIN)
    loss = net.forward()["loss"].item()
    net.save("x.caffemodel")
    with open(train("solver.prototxt").log) as rows:
        (row,) = csv.DictReader(rows)
    assert float(row["loss"]) == pytest.approx(loss, rel=1e-5)
    capsys.readouterr()
    assert main(["test", "--model", "net.prototxt", "--weights", "x.caffemodel", "--iterations", "1", "--quiet"]) == 0
    assert float(capsys.readouterr().out.split()[1]) == pytest.approx(loss, rel=1e-4)
