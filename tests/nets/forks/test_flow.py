"""FlowNet2's and LiteFlowNet's nets in small: as they deploy, and in training beside PyTorch."""

import numpy as np
import pytest

from tests.layers import opencv
from tests.nets.forks.lowered import computed_by, layer_of

torch = pytest.importorskip("torch")

from caffe_pylayers import pycaffe  # noqa: E402

rng = np.random.RandomState(6)

DEPLOY = """
input: "img0" input_shape { dim: 1 dim: 3 dim: 21 dim: 30 } input: "img1" input_shape { dim: 1 dim: 3 dim: 21 dim: 30 }
layer { name: "scale0" type: "Eltwise" bottom: "img0" top: "img0s" eltwise_param { operation: SUM coeff: 0.0039215 } }
layer { name: "scale1" type: "Eltwise" bottom: "img1" top: "img1s" eltwise_param { operation: SUM coeff: 0.0039215 } }
layer { name: "aug0" type: "DataAugmentation" bottom: "img0s" top: "mean0"
  augmentation_param { max_multiplier: 1 augment_during_test: false recompute_mean: 1000 mean_per_pixel: false } }
layer { name: "aug1" type: "DataAugmentation" bottom: "img1s" top: "mean1"
  augmentation_param { max_multiplier: 1 augment_during_test: false recompute_mean: 1000 mean_per_pixel: false } }
layer { name: "resize0" type: "Resample" bottom: "mean0" top: "in0"
  resample_param { width: 32 height: 24 type: LINEAR antialias: true } }
layer { name: "resize1" type: "Resample" bottom: "mean1" top: "in1"
  resample_param { width: 32 height: 24 type: LINEAR antialias: true } }
layer { name: "conv1a" type: "Convolution" bottom: "in0" top: "a" param { name: "w" } param { name: "b" }
  convolution_param { num_output: 6 kernel_size: 3 pad: 1 stride: 2 engine: CUDNN weight_filler { type: "msra" } } }
layer { name: "relu1a" type: "ReLU" bottom: "a" top: "a" relu_param { negative_slope: 0.1 } }
layer { name: "conv1b" type: "Convolution" bottom: "in1" top: "b" param { name: "w" } param { name: "b" }
  convolution_param { num_output: 6 kernel_size: 3 pad: 1 stride: 2 engine: CUDNN weight_filler { type: "msra" } } }
layer { name: "relu1b" type: "ReLU" bottom: "b" top: "b" relu_param { negative_slope: 0.1 } }
layer { name: "corr" type: "Correlation" bottom: "a" bottom: "b" top: "corr"
  correlation_param { pad: 4 kernel_size: 1 max_displacement: 4 stride_1: 1 stride_2: 2 } }
layer { name: "relu_corr" type: "ReLU" bottom: "corr" top: "corr" relu_param { negative_slope: 0.1 } }
layer { name: "predict" type: "Convolution" bottom: "corr" top: "flow1"
  convolution_param { num_output: 2 kernel_size: 3 pad: 1 weight_filler { type: "msra" } } }
layer { name: "up" type: "Deconvolution" bottom: "flow1" top: "flow0"
  convolution_param { num_output: 2 kernel_size: 4 pad: 1 stride: 2 weight_filler { type: "msra" } } }
layer { name: "resize" type: "Resample" bottom: "flow0" top: "flow"
  resample_param { width: 30 height: 21 type: LINEAR } }
layer { name: "warped" type: "FlowWarp" bottom: "img1s" bottom: "flow" top: "warped" }
layer { name: "error" type: "Eltwise" bottom: "img0s" bottom: "warped" top: "error"
  eltwise_param { coeff: 1 coeff: -1 } }
layer { name: "brightness" type: "ChannelNorm" bottom: "error" top: "brightness" }
layer { name: "scale_flow" type: "Convolution" bottom: "flow" top: "final" convolution_param { num_output: 2
  kernel_size: 1 bias_term: false weight_filler { type: "diagonal" diag_val: 0.9375 diag_val: 0.875 } } }
"""


def test_a_deploy_net(tmp_path):
    path = tmp_path / "deploy.prototxt"
    path.write_text(DEPLOY)
    net = pycaffe.Net(str(path), pycaffe.TEST)
    images = {name: rng.uniform(0, 255, (1, 3, 21, 30)) for name in ("img0", "img1")}
    net.forward(**images)
    assert {name: [blob.data.shape for blob in blobs] for name, blobs in net.params.items() if "aug" in name} == {
        name: [(1, 1, 1, 1), (1, 3, 21, 30), (1, 3, 1, 1)] for name in ("aug0", "aug1")
    }
    scaled = images["img0"] * 0.0039215
    mean = scaled.mean((0, 2, 3), keepdims=True)
    np.testing.assert_allclose(net.params["aug0"][2].data, mean, rtol=1e-5)
    np.testing.assert_allclose(net.blobs["mean0"].data, scaled - mean, atol=1e-6)
    assert net.blobs["corr"].data.shape == (1, 25, 12, 16)
    flow, final = net.blobs["flow"].data, net.blobs["final"].data
    np.testing.assert_allclose(final, flow * np.array([0.9375, 0.875]).reshape(2, 1, 1), rtol=1e-5)
    assert np.abs(flow).max() > 0
    np.testing.assert_allclose(
        net.blobs["brightness"].data[:, 0], np.sqrt((net.blobs["error"].data ** 2).sum(1)), rtol=1e-5, atol=1e-6
    )


def test_a_mean_of_other_images(tmp_path):
    """The weights have the mean of the images that the net was trained on, pixel by pixel, in their own size."""
    (tmp_path / "deploy.prototxt").write_text(DEPLOY)
    means = [np.full((1, 1, 1, 1), 5000), np.zeros((1, 3, 4, 6)), np.reshape([0.1, 0.2, 0.3], (1, 3, 1, 1))]
    (tmp_path / "trained.caffemodel").write_bytes(opencv.caffemodel({"aug0": means, "aug1": means}))
    net = pycaffe.Net(str(tmp_path / "deploy.prototxt"), pycaffe.TEST, weights=str(tmp_path / "trained.caffemodel"))
    images = rng.uniform(0, 255, (1, 3, 21, 30))
    net.forward(img0=images, img1=images)
    np.testing.assert_allclose(net.blobs["mean0"].data, images * 0.0039215 - means[2], atol=1e-6)
    assert net.params["aug0"][0].data.item() == 5001
    net.save(str(tmp_path / "saved.caffemodel"))
    again = pycaffe.Net(str(tmp_path / "deploy.prototxt"), pycaffe.TEST, weights=str(tmp_path / "saved.caffemodel"))
    assert [blob.data.shape for blob in again.params["aug1"]] == [mean.shape for mean in means]


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        (
            "type: 'L1Loss' l1_loss_param { l2_per_location: true epsilon: 0.1 }",
            {"p": [2], "q": [0.5], "q_epsilon": 0.1, "channel_mean": False, "plateau": 0, "normalization": "batch"},
        ),
        (
            "type: 'L1Loss' l1_loss_param { normalize_by_num_entries: true plateau: 1 }",
            {
                "p": [1],
                "q": [1],
                "q_epsilon": 0,
                "by_location": False,
                "channel_mean": False,
                "plateau": 1,
                "normalization": "valid",
            },
        ),
        (
            "type: 'Resample' bottom: 'a' bottom: 'b' resample_param { width: 3 height: 2 type: CUBIC }",
            {"mode": "bicubic", "antialias": True, "legacy_offsets": True},
        ),
        ("type: 'Downsample' bottom: 'a' downsample_param { top_height: 2 top_width: 3 }", {"size": [2, 3]}),
        ("type: 'ExpMax' expmax_param { scale: 2 }", {"scale": 2, "shift": 0}),
        (
            "type: 'Mean' mean_param { operation: SUBTRACT value: 104 mean_scale: 0.1 }",
            {"mean": [104], "mean_scale": -0.1, "input_scale": 1, "output_scale": 1},
        ),
        (
            "type: 'Mean' mean_param { operation: ADD value: 104 output_scale: 2 }",
            {"mean": [104], "mean_scale": 1, "input_scale": 1, "output_scale": 2},
        ),
        (  # its mean counts without that of pixels
            "type: 'DataAugmentation' augmentation_param { mean: 104 mean: 117 mean: 123 }",
            {"iterations": 0, "mean_per_pixel": True},
        ),
        (
            "type: 'DataAugmentation' augmentation_param { mean: 104 mean: 117 mean: 0.1 mean_per_pixel: false }",
            {"iterations": 0, "mean_per_pixel": False, "mean": [104, 117, 0.1]},
        ),
    ],
)
def test_what_layers_become(text, parameters):
    assert computed_by(text)[1] == parameters


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("type: 'DataAugmentation' augmentation_param { mirror { prob: 0.5 } }", "augmentation_param.mirror"),
        ("type: 'ExpMax' expmax_param { base: 2 }", "expmax_param.base"),
        ("type: 'Mean' mean_param { operation: ADD file: 'mean' }", "mean_param.file"),
    ],
)
def test_what_nothing_here_does(text, place):
    with pytest.raises(ValueError, match=f"nothing here does what {place} asks for"):
        layer_of(text)


HEAD = """
layer { name: "a" type: "Input" top: "a" input_param { shape { dim: 2 dim: 3 dim: 12 dim: 16 } } }
layer { name: "b" type: "Input" top: "b" input_param { shape { dim: 2 dim: 3 dim: 12 dim: 16 } } }
layer { name: "gt" type: "Input" top: "gt" input_param { shape { dim: 2 dim: 2 dim: 12 dim: 16 } } }
layer { name: "conv1a" type: "Convolution" bottom: "a" top: "fa" param { name: "w" } param { name: "b" }
  convolution_param { num_output: 8 kernel_size: 3 pad: 1 stride: 2 weight_filler { type: "msra" } } }
layer { name: "conv1b" type: "Convolution" bottom: "b" top: "fb" param { name: "w" } param { name: "b" }
  convolution_param { num_output: 8 kernel_size: 3 pad: 1 stride: 2 weight_filler { type: "msra" } } }
layer { name: "corr" type: "Correlation" bottom: "fa" bottom: "fb" top: "corr"
  correlation_param { pad: 4 kernel_size: 1 max_displacement: 4 stride_1: 1 stride_2: 2 } }
layer { name: "relu" type: "ReLU" bottom: "corr" top: "corr" relu_param { negative_slope: 0.1 } }
layer { name: "conv2" type: "Convolution" bottom: "corr" top: "flow1"
  convolution_param { num_output: 2 kernel_size: 3 pad: 1 weight_filler { type: "msra" } } }
layer { name: "up" type: "Deconvolution" bottom: "flow1" top: "flow"
  convolution_param { num_output: 2 kernel_size: 4 pad: 1 stride: 2 weight_filler { type: "msra" } } }
layer { name: "loss" type: "L1Loss" bottom: "flow" bottom: "gt" top: "loss" loss_weight: 0.1
  propagate_down: true propagate_down: false
  l1_loss_param { l2_per_location: true normalize_by_num_entries: true } }
"""
RATE, MOMENTUM, ITERATIONS = 0.05, 0.9, 50


def pairs():
    """Yield images, the same shifted, and the shifts, which are not known everywhere; four batches in turn."""
    for i in range(ITERATIONS):
        random = np.random.RandomState(i % 4)
        a, shift = random.standard_normal((2, 3, 12, 16)), random.randint(-2, 3, (2, 2))
        b = np.stack([np.roll(image, (dy, dx), (1, 2)) for image, (dx, dy) in zip(a, shift)])
        flow = np.tile(shift[:, :, None, None].astype(float), (1, 1, 12, 16))
        flow[np.broadcast_to(random.rand(2, 1, 12, 16) < 0.2, flow.shape)] = np.nan
        yield a, b, flow


def correlation(a, b):
    b = torch.nn.functional.pad(b, [4] * 4)
    h, w = a.shape[2:]
    return torch.stack([(a * b[:, :, y : y + h, x : x + w]).mean(1) for y in range(0, 9, 2) for x in range(0, 9, 2)], 1)


def test_flownets_head_trains_as_in_torch(tmp_path):
    (tmp_path / "net.prototxt").write_text(HEAD)
    (tmp_path / "solver.prototxt").write_text(
        f"net: '{tmp_path / 'net.prototxt'}' base_lr: {RATE} momentum: {MOMENTUM} lr_policy: 'fixed' random_seed: 1 "
        "snapshot_after_train: false"
    )
    solver = pycaffe.SGDSolver(str(tmp_path / "solver.prototxt"))
    twins = {
        (name, i): torch.tensor(blob.data, dtype=torch.float64, requires_grad=True)
        for name, blobs in solver.net.params.items()
        for i, blob in enumerate(blobs)
        if name != "conv1b"  # it shares conv1a's
    }
    functional = torch.nn.functional
    velocities = [torch.zeros_like(twin) for twin in twins.values()]
    losses, wanted = [], []
    for a, b, flow in pairs():
        for name, array in (("a", a), ("b", b), ("gt", flow)):
            solver.net.blobs[name].data[...] = array
        solver.step(1)
        losses.append(solver.net.blobs["loss"].data.item())
        first, second = (
            functional.conv2d(torch.tensor(x), twins["conv1a", 0], twins["conv1a", 1], 2, 1) for x in (a, b)
        )
        volume = functional.leaky_relu(correlation(first, second), 0.1)
        small = functional.conv2d(volume, twins["conv2", 0], twins["conv2", 1], 1, 1)
        found = functional.conv_transpose2d(small, twins["up", 0], twins["up", 1], 2, 1)
        known = torch.tensor(~np.isnan(flow))
        difference = torch.where(known, found - torch.tensor(np.nan_to_num(flow)), 0.0)
        loss = ((difference**2).sum(1) + 0.01).sqrt().sum() / (known.sum() / 2)
        gradients = torch.autograd.grad(0.1 * loss, list(twins.values()))
        with torch.no_grad():
            for twin, velocity, gradient in zip(twins.values(), velocities, gradients):
                velocity.mul_(MOMENTUM).add_(gradient, alpha=RATE)
                twin.sub_(velocity)
        wanted.append(loss.item())
    np.testing.assert_allclose(losses, wanted, rtol=1e-3)
    assert np.mean(losses[-4:]) < 0.9 * np.mean(losses[:4])
