"""SSD's layers: OpenCV's numbers, autograd's gradients, values by hand, and what they refuse."""

import numpy as np
import pytest

from caffe_pylayers.ssd import (
    DetectionOutput,
    Normalize,
    PriorBox,
    candidates,
    detections,
    normalize_backward,
    normalize_backward_scale,
)
from caffe_pylayers.testing import LayerRun
from tests.layers.cases.ssd import BY_CHANNEL

rng = np.random.RandomState(5)

# --- Normalize -----------------------------------------------------------------------------------


def test_normalize_by_hand():
    x = np.array([[[[3.0, 1], [0, 2]], [[4, 1], [5, 2]]]])
    run = LayerRun(Normalize, [x], param_str="{across_spatial: false, channel_shared: false, scale: 10}")
    run.layer.blobs[0].data[...] = [10, 20]
    by_channel = run.forward()[0]
    assert by_channel[0, 0] == pytest.approx(np.array([[6, 7.07107], [0, 7.07107]]), abs=1e-5)
    assert by_channel[0, 1] == pytest.approx(np.array([[16, 14.14214], [20, 14.14214]]), abs=1e-5)
    (over_all,) = LayerRun(Normalize, [x], param_str="scale: 2").forward()
    assert over_all.ravel() == pytest.approx([0.7746, 0.2582, 0, 0.5164, 1.0328, 0.2582, 1.29099, 0.5164], abs=1e-5)


def test_the_gradient_of_ssds_caffe():
    x, d_y = np.array([[[3.0], [4.0]]]), np.array([[[1.0], [0.0]]])
    scale, lengths = np.array([[[10.0], [20.0]]]), np.array([[[5.0]]])
    assert normalize_backward(np, x, scale, lengths, d_y, (1,), legacy=True).ravel() == pytest.approx([1.28, -1.92])
    assert normalize_backward_scale(x, lengths, d_y, scale.shape).ravel() == pytest.approx([0.6, 0])


@pytest.mark.parametrize("text", ["{scale: 20}", BY_CHANNEL])
def test_normalize_is_autograds(text):
    torch = pytest.importorskip("torch")
    x, d_y = rng.randn(2, 3, 4, 5), rng.randn(2, 3, 4, 5)
    run = LayerRun(Normalize, [x], param_str=text)
    y = run.forward()[0]
    d_x = run.backward([d_y])[0]
    bottom = torch.tensor(x, requires_grad=True)
    scale = torch.tensor(np.array(run.layer.blobs[0].data), requires_grad=True)
    axes = (1, 2, 3) if scale.ndim == 0 else (1,)
    expected = bottom / (bottom.square().sum(axes, keepdim=True) + 1e-10).sqrt() * scale.reshape(1, -1, 1, 1)
    expected.backward(torch.tensor(d_y))
    assert y == pytest.approx(expected.detach().numpy(), abs=1e-9)
    assert d_x == pytest.approx(bottom.grad.numpy(), abs=1e-9)
    assert run.layer.blobs[0].diff == pytest.approx(scale.grad.numpy(), abs=1e-9)


def test_normalize_refuses_another_number_of_channels():
    run = LayerRun(Normalize, [np.ones((1, 3, 2, 2))], param_str="channel_shared: false")
    run.bottom[0].reshape(1, 4)
    with pytest.raises(ValueError, match=r"^Normalize: bottom\[0\] \(x\) has shape \(1, 4\), but the scale is of 3 ch"):
        run.forward()


# --- PriorBox ------------------------------------------------------------------------------------


def priors_of(text, cells=(1, 1), image=(100, 100)):
    bottoms = np.zeros((1, 8, *cells)), np.zeros((1, 3, *image))
    found, variances = LayerRun(PriorBox, bottoms, param_str=text).forward()[0][0]
    return found.reshape(-1, 4), variances.reshape(-1, 4)


def test_priors_by_hand():
    found, variances = priors_of("{min_size: [30], max_size: [60], aspect_ratio: [2]}")
    assert found == pytest.approx(
        np.array(
            [
                [0.35, 0.35, 0.65, 0.65],
                [0.28787, 0.28787, 0.71213, 0.71213],
                [0.28787, 0.39393, 0.71213, 0.60607],
                [0.39393, 0.28787, 0.60607, 0.71213],
            ]
        ),
        abs=1e-5,
    )
    assert variances == pytest.approx(np.full((4, 4), 0.1))


def test_where_priors_are():
    found, _ = priors_of("{min_size: [10], step: 8, offset: 0.25}", (2, 3), (20, 40))
    centres = (found[:, :2] + found[:, 2:]) / 2 * [40, 20]
    assert centres == pytest.approx(np.array([[2, 2], [10, 2], [18, 2], [2, 10], [10, 10], [18, 10]]), abs=1e-5)


def test_denser_priors_are_those_of_textboxes():
    """Behind each box one with its centre at the lower edge of the cell, whatever the offset."""
    found, variances = priors_of(
        "{min_size: [10], aspect_ratio: [4], flip: false, offset: 0.25, denser_prior_boxes: true}", (1, 2)
    )
    expected = [(12.5, 25, 5, 5), (12.5, 100, 5, 5), (12.5, 25, 10, 2.5), (12.5, 100, 10, 2.5)]
    corners = [(x - w, y - h, x + w, y + h) for x, y, w, h in expected]
    assert found[:4] * 100 == pytest.approx(np.array(corners), abs=1e-4)
    assert found[4:, [0, 2]] == pytest.approx(found[:4, [0, 2]] + 0.5)
    assert len(variances) == 8


def test_a_ratio_counts_once():
    assert len(priors_of("{min_size: [10], aspect_ratio: [2, 0.5, 1, 2, 3]}")[0]) == 5  # 1, 2, 1/2, 3, 1/3


@pytest.mark.parametrize(("whole", "size"), [("true", 9), ("false", 9.6)])
def test_sizes_lose_what_is_behind_the_point(whole, size):
    found, _ = priors_of(f"{{min_size: [9.6], whole_sizes: {whole}}}")
    assert found[0, 2] - found[0, 0] == pytest.approx(size / 100, abs=1e-6)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{min_size: [30], max_size: [60, 70]}", "max_size has 2 sizes and min_size 1"),
        ("{min_size: [30], max_size: [30]}", "each min_size must be above 0 and below its max_size"),
        ("{min_size: [0.4]}", r"each min_size must be above 0 .*, see whole_sizes; got \[0.4\], \[\]"),
        ("{min_size: [9.5], max_size: [9.8]}", r".*see whole_sizes; got \[9.5\], \[9.8\]"),
        ("{min_size: [9.5], max_size: [9.4], whole_sizes: false}", r".*below its max_size; got \[9.5\], \[9.4\]"),
        ("{min_size: [30], variance: [0.1, 0.2]}", "variance must be one number or four, got 2"),
        ("{min_size: [30], step_h: 8}", "needs step, or step_h and step_w, or none of them"),
        ("{min_size: [30], img_size: 8, img_h: 8, img_w: 8}", "needs img_size, or img_h and img_w, or none of them"),
    ],
)
def test_what_priors_refuse(text, message):
    with pytest.raises(ValueError, match=f"^PriorBox: {message}"):
        priors_of(text)


# --- DetectionOutput -----------------------------------------------------------------------------

PRIORS = np.array([[[0.1, 0.1, 0.3, 0.3, 0.12, 0.1, 0.32, 0.3, 0.5, 0.5, 0.9, 0.9], [0.1, 0.1, 0.2, 0.2] * 3]])
LOCATIONS = np.array([[0, 0, 0, 0, 0, 0, 0, 0, 1, -1, 0.5, 0]])
SCORES = np.array([[0.1, 0.9, 0.3, 0.7, 0.2, 0.8]])


def detected(text, locations=LOCATIONS, scores=SCORES, priors=PRIORS, *more):
    text = f"{{num_classes: 2, code_type: center_size, {text}}}"
    return LayerRun(DetectionOutput, [locations, scores, priors, *more], param_str=text).forward()[0][0, 0]


def test_detections_by_hand():
    rows = [[0, 1, 0.9, 0.1, 0.1, 0.3, 0.3], [0, 1, 0.8, 0.51897, 0.46, 0.96103, 0.86]]
    assert detected("nms_threshold: 0.45") == pytest.approx(np.array(rows), abs=1e-5)
    rows.append([0, 1, 0.7, 0.12, 0.1, 0.32, 0.3])
    assert detected("nms_threshold: 0.9") == pytest.approx(np.array(rows), abs=1e-5)
    assert detected("nms_threshold: 0.9, keep_top_k: 2") == pytest.approx(np.array(rows[:2]), abs=1e-5)
    assert detected("nms_threshold: 0.9, top_k: 2") == pytest.approx(np.array(rows[:2]), abs=1e-5)


def test_nothing_is_detected():
    two = [np.tile(array, (2, 1)) for array in (LOCATIONS, SCORES)]
    found = detected("confidence_threshold: 0.95", *two)
    assert found.tolist() == [[0, -1, -1, -1, -1, -1, -1], [1, -1, -1, -1, -1, -1, -1]]


def test_refinedets_first_stage():
    arm_scores = np.array([[0.0, 1, 1, 0, 0, 1]])  # the second box is background there
    found = detected("nms_threshold: 0.9, confidence_threshold: 0.5", LOCATIONS, SCORES, PRIORS, arm_scores)
    assert found[:, 2] == pytest.approx([0.9, 0.8])
    moved = detected("nms_threshold: 0.9", LOCATIONS * 0, SCORES, PRIORS, arm_scores, LOCATIONS)
    assert moved[1] == pytest.approx([0, 1, 0.8, 0.51897, 0.46, 0.96103, 0.86], abs=1e-5)


def test_what_detection_output_refuses():
    with pytest.raises(
        ValueError, match=r"^DetectionOutput: bottom\[1\] of shape \(1, 5\) has not the 6 values for 1 im"
    ):
        detected("top_k: 3", LOCATIONS, SCORES[:, :5])
    with pytest.raises(ValueError, match=r"^DetectionOutput: bottom\[1\] \(scores\).* nan"):
        detected("top_k: 3", LOCATIONS, SCORES * np.nan)
    bad = np.where(np.arange(12) == 9, np.nan, LOCATIONS)
    with pytest.raises(ValueError, match=r"^DetectionOutput: bottom\[0\] must be finite, got nan at index \(0, 9\)"):
        detected("top_k: 3", bad)
    assert len(detected("confidence_threshold: 0.85", bad)) == 1  # the box of 0.8 is looked at no more


@pytest.mark.parametrize("eta", [1, 0.9])
@pytest.mark.parametrize("keep", [1, 3, 20])
def test_the_best_of_all_classes_are_those_of_all_candidates(keep, eta):
    """However many candidates are looked at: some of equal scores, and most of them dropped by a better one."""
    rng = np.random.RandomState(keep)
    corners = rng.uniform(0, 0.3, (400, 2))
    boxes = np.hstack([corners, corners + rng.uniform(0.4, 0.7, (400, 2))])
    scores = np.round(rng.rand(400, 5), 2)
    labels, found, kept = detections(boxes, scores, candidates(scores, 0.1, 300), 0.7, eta=eta)
    order = np.sort(np.argsort(-found, kind="stable")[:keep])
    expected = labels[order], found[order], kept[order]
    for ours, theirs in zip(detections(boxes, scores, candidates(scores, 0.1, 300), 0.7, keep, eta), expected):
        assert np.array_equal(ours, theirs)


# --- outlines, of TextBoxes++ --------------------------------------------------------------------

ONE_PRIOR = np.array([[[0.1, 0.2, 0.5, 0.3], [0.1, 0.2, 0.3, 0.4]]]).reshape(1, 2, 4)


@pytest.mark.parametrize(
    ("outline", "codes", "expected"),
    [
        ("polygon", [0] * 8, [0.1, 0.2, 0.5, 0.2, 0.5, 0.3, 0.1, 0.3]),
        ("polygon", [1, 2, 3, 4, 5, 6, 7, 8], [0.14, 0.24, 0.62, 0.28, 0.7, 0.42, 0.38, 0.46]),
        ("rotated", [0] * 5, [0.3, 0.25, 0.3, 0.25, 0.1]),
        ("rotated", [-5, -2, 5, 1, 5], [0.1, 0.21, 0.5, 0.27, 0.1 * np.exp(2)]),
    ],
)
def test_outlines_by_hand(outline, codes, expected):
    text = f"{{num_classes: 2, code_type: center_size, outline: {outline}}}"
    bottoms = np.array([[0, 0, 0, 0, *codes]]), np.array([[0.25, 0.75]]), ONE_PRIOR
    (found,) = LayerRun(DetectionOutput, bottoms, param_str=text).forward()
    assert found.ravel() == pytest.approx([0, 1, 0.75, 0.1, 0.2, 0.5, 0.3, *expected])


def test_outlines_are_relative_to_a_box_of_a_centre():
    bottoms = np.zeros((1, 12)), np.zeros((1, 2)), ONE_PRIOR
    with pytest.raises(ValueError, match=r"^DetectionOutput: outline polygon needs code_type center_size, got corner"):
        LayerRun(DetectionOutput, bottoms, param_str="{num_classes: 2, outline: polygon}")
