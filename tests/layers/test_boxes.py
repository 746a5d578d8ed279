"""BoxEncode, BoxDecode and BoxIoU: values by hand, PyTorch's gradients, COCO's overlaps, and what they refuse."""

import numpy as np
import pytest

from caffe_pylayers.boxes import BoxDecode, BoxEncode, BoxIoU
from caffe_pylayers.testing import LayerRun
from tests.layers.cases.boxes import boxes

rng = np.random.RandomState(3)


def run(layer, *bottoms, **options):
    return LayerRun(layer, bottoms, param_str=str(options))


@pytest.mark.parametrize("plus_one", [True, False])
def test_decoding_undoes_encoding(plus_one):
    options = {"legacy_plus_one": plus_one, "means": [0.1, 0, 0.2, 0], "stds": [0.1, 0.1, 0.2, 0.2]}
    start, end = boxes(50), boxes(50)
    (deltas,) = run(BoxEncode, start, end, **options).forward()
    (found,) = run(BoxDecode, start, deltas, exact_inverse=True, **options).forward()
    np.testing.assert_allclose(found, end)
    (further,) = run(BoxDecode, start, deltas, **options).forward()
    np.testing.assert_allclose(further, np.add(end, [0, 0, plus_one, plus_one]))


def test_deltas_by_hand():
    # 10 x 20 pixels, centre (15, 30); 20 x 10 pixels, centre (20, 25)
    (deltas,) = run(BoxEncode, [[10, 20, 19, 39]], [[10, 20, 29, 29]]).forward()
    np.testing.assert_allclose(deltas, [[0.5, -0.25, np.log(2), -np.log(2)]])


def test_boxes_are_cut_to_their_own_image():
    rois = [[1, 0, 0, 9, 9], [0, 0, 0, 9, 9]]
    deltas = np.tile([0.5, -0.5, 1e4, 0.0], (2, 2))
    (found,) = run(BoxDecode, rois, deltas, [[8, 300, 1], [100, 50, 1]]).forward()
    np.testing.assert_allclose(found, [[0, 0, 49, 5] * 2, [0, 0, 299, 5] * 2])


def test_gradients_are_autograds():
    torch = pytest.importorskip("torch")
    start, end, means, stds = boxes(6), boxes(6), [0.1, 0, 0.2, 0], [0.1, 0.1, 0.2, 0.2]
    mean, std = (torch.tensor(x, dtype=torch.float64) for x in (means, stds))
    weights = rng.standard_normal((6, 4))

    def sized(x):
        size = x[:, 2:] - x[:, :2] + 1
        return x[:, :2] + size / 2, size

    a, b = (torch.tensor(x, requires_grad=True) for x in (start, end))
    (centre, size), (to, to_size) = sized(a), sized(b)
    deltas = (torch.cat([(to - centre) / size, (to_size / size).log()], 1) - mean) / std
    (deltas * torch.tensor(weights)).sum().backward()
    encode = run(BoxEncode, start, end, means=means, stds=stds)
    np.testing.assert_allclose(encode.forward()[0], deltas.detach().numpy())
    for ours, theirs in zip(encode.backward([weights]), (a, b)):
        np.testing.assert_allclose(ours, theirs.grad.numpy())

    a, t = (torch.tensor(x, requires_grad=True) for x in (start, rng.uniform(-1, 1, (6, 4))))
    centre, size = sized(a)
    u = t * std + mean
    middle, half = centre + u[:, :2] * size, u[:, 2:].exp() * size / 2
    found = torch.cat([middle - half, middle + half], 1).clamp(0, 30)
    (found * torch.tensor(weights)).sum().backward()
    info = [[31, 31, 1]]
    decode = run(BoxDecode, start, t.detach().numpy(), info, means=means, stds=stds)
    np.testing.assert_allclose(decode.forward()[0], found.detach().numpy())
    d_boxes, d_deltas, d_info = decode.backward([weights])
    np.testing.assert_allclose(d_boxes, a.grad.numpy())
    np.testing.assert_allclose(d_deltas, t.grad.numpy())
    assert not d_info.any()


def test_iou_counts_pixels():
    corners = rng.randint(0, 20, (12, 2))
    some = np.concatenate([corners, corners + rng.randint(0, 12, (12, 2))], 1)
    y, x = np.mgrid[:40, :40]
    masks = [(x >= x1) & (x <= x2) & (y >= y1) & (y <= y2) for x1, y1, x2, y2 in some]
    expected = [[np.sum(a & b) / np.sum(a | b) for b in masks[5:]] for a in masks[:5]]
    np.testing.assert_allclose(run(BoxIoU, some[:5], some[5:]).forward()[0], expected)


def test_iou_is_cocos():
    mask = pytest.importorskip("pycocotools.mask")
    a, b = boxes(300), boxes(200)
    wide = [np.concatenate([x[:, :2], x[:, 2:] - x[:, :2]], 1) for x in (a, b)]
    expected = mask.iou(*wide, np.zeros(200, np.uint8))
    np.testing.assert_allclose(run(BoxIoU, a, b, legacy_plus_one=False).forward()[0], expected, atol=1e-12)


@pytest.mark.parametrize(
    ("layer", "shapes", "message"),
    [
        (BoxEncode, [(3, 4), (2, 4)], r"bottom\[1\] \(targets\) must have a row for each of the 3 of bottom\[0\]"),
        (BoxEncode, [(3, 6), (3, 4)], r"bottom\[0\] \(boxes\) must have shape \(R, 4\) or \(R, 5\), got \(3, 6\)"),
        (BoxIoU, [(3, 2, 4), (3, 4)], r"got \(3, 2, 4\)"),
        (BoxDecode, [(3, 4), (3, 6)], r"bottom\[1\] \(deltas\) must have shape \(3, 4 K\), .* got \(3, 6\)"),
        (BoxDecode, [(3, 4), (3, 4), (1, 4)], r"bottom\[2\] \(im_info\) must have shape \(R, 3\) or \(R, 2\)"),
    ],
)
def test_refused_shapes(layer, shapes, message):
    with pytest.raises(ValueError, match=f"^{layer.__name__}: .*{message}"):
        run(layer, *map(np.ones, shapes))


@pytest.mark.parametrize(
    ("layer", "bottoms", "message"),
    [
        (
            BoxEncode,
            [[[0, 0, 9, 9]], [[5, 5, 2, 9]]],
            r"a width and a height above 0, and finite, got \(5, 5, 2, 9\) in row 0",
        ),
        (BoxDecode, [[[0, 0, 9, 9]], np.zeros((1, 4)), np.ones((2, 3))], r"must be ROIs \(R, 5\) for the 2 images"),
        (BoxDecode, [[[2, 0, 0, 9, 9]], np.zeros((1, 4)), np.ones((2, 3))], "batch index 2 in row 0; .* the 2 images"),
        (BoxDecode, [[[0.5, 0, 0, 9, 9]], np.zeros((1, 4)), np.ones((2, 3))], "the batch index 0.5 in row 0"),
    ],
)
def test_refused_values(layer, bottoms, message):
    with pytest.raises(ValueError, match=f"^{layer.__name__}: .*{message}"):
        run(layer, *bottoms).forward()


def test_images_without_im_info():
    with pytest.raises(ValueError, match=r"^BoxDecode: .*it must be one of the 0 images"):
        run(BoxDecode, np.ones((2, 5)), np.zeros((2, 4)), np.zeros((0, 3))).forward()
    assert run(BoxDecode, np.ones((0, 5)), np.zeros((0, 4)), np.zeros((0, 3))).forward()[0].shape == (0, 4)


@pytest.mark.parametrize("layer", [BoxEncode, BoxDecode, BoxIoU])
def test_only_gradients_asked_for_are_written(layer):
    bottoms = [boxes(3), boxes(3) / 40 if layer is BoxDecode else boxes(3)]
    made = run(layer, *bottoms)
    (top,) = made.forward()
    weights = rng.standard_normal(top.shape)
    both = [x.copy() for x in made.backward([weights])]
    for i in range(2):
        for blob in made.bottom:
            blob.diff[...] = 7.25
        made.layer.backward(made.top, [j == i for j in range(2)], made.bottom)
        np.testing.assert_array_equal(made.bottom[i].diff, both[i])
        assert (made.bottom[1 - i].diff == 7.25).all()
