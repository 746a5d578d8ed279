"""SSD's loss: values by hand, PyTorch's losses and autograd over priors matched by loops, and what it refuses."""

import json

import numpy as np
import pytest

from caffe_pylayers.multibox_loss import MultiBoxLoss, encode_priors, hardest_priors, match_priors
from caffe_pylayers.ssd import decode_priors
from caffe_pylayers.testing import LayerRun
from tests.layers.cases import multibox_loss as cases

rng = np.random.RandomState(31)

PRIORS = np.array([[0.1, 0.1, 0.3, 0.3], [0.12, 0.1, 0.32, 0.3], [0.5, 0.5, 0.9, 0.9]])
OBJECT = np.array([[[[0, 1, 0, 0.1, 0.1, 0.3, 0.3, 0]]]])


def run(bottoms, **parameters):
    return LayerRun(MultiBoxLoss, bottoms, param_str=json.dumps({"code_type": "center_size", **parameters}))


# --- by hand -------------------------------------------------------------------------------------


def by_hand(objects=OBJECT, locations=None, scores=None, more=(), **parameters):
    priors = np.stack([PRIORS.ravel(), np.tile([0.1, 0.1, 0.2, 0.2], 3)])[None]
    locations = np.zeros((1, 12)) if locations is None else locations
    scores = np.zeros((1, 6)) if scores is None else scores
    return run([locations, scores, priors, objects, *more], **{"num_classes": 2, **parameters})


def test_the_loss_by_hand():
    """The second prior has an IoU of 0.818 and the code -1: smooth L1 0.5; three cross entropies of ln 2."""
    assert by_hand().forward()[0] == pytest.approx((0.5 + 3 * np.log(2)) / 2)
    assert by_hand(match_type="bipartite").forward()[0] == pytest.approx(2 * np.log(2))
    assert by_hand(normalization="none").forward()[0] == pytest.approx(0.5 + 3 * np.log(2))
    assert by_hand(overlap_threshold=0.9, neg_overlap=0.9, normalization="none").forward()[0] == pytest.approx(
        3 * np.log(2)
    )
    assert by_hand(conf_loss_type="logistic", normalization="none").forward()[0] == pytest.approx(0.5 + 6 * np.log(2))


def test_without_objects_there_is_no_loss():
    run = by_hand(OBJECT - np.eye(8)[0])
    assert run.forward()[0] == [0]
    assert not any(d.any() for d in run.backward([np.ones(1)]))


def test_refinedets_first_stage():
    """What it takes for background is no negative; it moves the third prior to where the object is."""
    assert by_hand(more=[np.array([[0, 1, 0, 1, 1, 0.0]])], normalization="none").forward()[0] == pytest.approx(
        0.5 + 2 * np.log(2)
    )
    code = encode_priors(PRIORS, np.repeat(PRIORS[:1], 3, 0), "center_size", [0.1, 0.1, 0.2, 0.2])
    moved = by_hand(more=[np.ones((1, 6)), code.reshape(1, 12)], normalization="none")
    assert moved.forward()[0] == pytest.approx(3 * np.log(2))


def test_agnostic_classes():
    seventh = OBJECT + np.eye(8)[1] * 6
    assert by_hand(seventh, map_object_to_agnostic=True).forward()[0] == by_hand().forward()[0]


def test_the_gradient_of_ssds_caffe():
    """It leaves the predictions' division by the variances out."""
    options = {"encode_variance_in_target": True, "normalization": "none"}
    true, legacy = by_hand(**options), by_hand(legacy_gradient=True, **options)
    assert true.forward()[0] == legacy.forward()[0]
    variances = np.tile([0.1, 0.1, 0.2, 0.2], 3)
    assert true.backward([np.ones(1)])[0] * variances == pytest.approx(legacy.backward([np.ones(1)])[0])


@pytest.mark.parametrize("code_type", ["corner", "center_size", "corner_size"])
def test_codes_lead_back(code_type):
    boxes = np.array([[0.2, 0.1, 0.5, 0.6], [0.0, 0.3, 0.1, 0.4], [0.4, 0.4, 1.2, 0.8]])
    codes = encode_priors(PRIORS, boxes, code_type, [0.1, 0.1, 0.2, 0.2])
    assert decode_priors(PRIORS, codes, code_type, [0.1, 0.1, 0.2, 0.2]) == pytest.approx(boxes)


# --- matching and mining -------------------------------------------------------------------------


def test_each_object_has_a_prior_before_a_prior_chooses():
    """Both objects are nearest to the first prior: the one that overlaps it less gets the second."""
    objects = np.array([[0.11, 0.1, 0.31, 0.3], [0.1, 0.1, 0.3, 0.29]])
    matched, overlaps = match_priors(PRIORS, objects, 0.5)
    assert matched.tolist() == [1, 0, -1]
    assert overlaps == pytest.approx([0.95, 0.19 / 0.21, 0])
    assert match_priors(PRIORS, objects[:1])[0].tolist() == [0, -1, -1]  # equal ones: the first


def test_priors_beyond_the_image():
    priors = np.concatenate([PRIORS - [0.11, 0, 0, 0], PRIORS])
    assert match_priors(priors, PRIORS[:1], 0.5, ignore_outside=True)[0].tolist() == [-2, 0, -1, 0, 0, -1]


def test_the_hardest():
    losses, candidates = np.array([1, 5, np.nan, 3, 4.0]), np.array([True, True, True, True, False])
    assert hardest_priors(losses, candidates, 3).tolist() == [2, 1, 3]
    boxes = np.array([[0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 1, 1e-6], [0, 0, 0.5, 1], [0, 0, 1, 1]])
    assert hardest_priors(losses, candidates, 3, boxes, 0.4).tolist() == [1]
    assert hardest_priors(losses, candidates, 3, boxes, 0.5).tolist() == [1, 3]
    assert hardest_priors(losses, candidates, 3, boxes, 0.5, top_k=2).tolist() == [1]


# --- PyTorch's losses ----------------------------------------------------------------------------


def iou(a, b):
    width, height = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    shared = max(width, 0) * max(height, 0)
    return shared / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - shared)


def matches_by_loops(boxes, objects, threshold):
    """SSD's two rules, a pair at a time."""
    overlaps = {(p, g): iou(boxes[p], objects[g]) for p in range(len(boxes)) for g in range(len(objects))}
    found, objects_left = {}, set(range(len(objects)))
    while objects_left:
        pairs = [pair for pair in overlaps if pair[0] not in found and pair[1] in objects_left and overlaps[pair] > 0]
        if not pairs:
            break
        prior, which = max(pairs, key=overlaps.get)
        found[prior] = which
        objects_left.remove(which)
    best = [max(overlaps[p, g] for g in range(len(objects))) for p in range(len(boxes))]
    for p in range(len(boxes)):
        if threshold is not None and p not in found and best[p] >= threshold:
            found[p] = max(range(len(objects)), key=lambda g, p=p: overlaps[p, g])
    return found, best


VARIANTS = [
    {},
    {"match_type": "bipartite", "loc_loss_type": "l2", "loc_weight": 2},
    {"conf_loss_type": "logistic", "neg_overlap": 0.3, "normalization": "full"},
    {"mining_type": "none", "normalization": "batch"},
    {"mining_type": "none", "share_location": False},
    {"mining_type": "hard_example", "sample_size": 4},
    {"use_prior_for_matching": False},
]


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_the_loss_is_pytorchs(options):
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    shared, mining = options.get("share_location", True), options.get("mining_type", "max_negative")
    (images, priors, classes), (boxes, variances) = (cases.N, cases.P, cases.C), cases.priors.reshape(2, -1, 4)
    given = cases.locations if shared else cases.by_class
    found = run([given, *cases.bottoms[1:]], num_classes=classes, **options)
    (loss,), (d_locations, d_scores, *rest) = found.forward(), found.backward([np.full(1, 0.7)])

    locations = torch.tensor(given.reshape(images, priors, -1, 4), requires_grad=True)
    scores = torch.tensor(cases.scores.reshape(images, priors, classes), requires_grad=True)
    entropies = {"softmax": lambda s, c: functional.cross_entropy(s[None], torch.tensor([c]), reduction="sum")}
    entropies["logistic"] = lambda s, c: functional.binary_cross_entropy_with_logits(
        s, torch.eye(classes, dtype=s.dtype)[c], reduction="sum"
    )
    entropy = entropies[options.get("conf_loss_type", "softmax")]
    location_loss = functional.mse_loss if "loc_loss_type" in options else functional.smooth_l1_loss
    total, count = 0, 0
    for n in range(images):
        objects = cases.objects[0, 0][cases.objects[0, 0, :, 0] == n]
        starts = boxes
        if not options.get("use_prior_for_matching", True):
            starts = decode_priors(boxes, given.reshape(images, priors, 4)[n], "center_size", variances)
        threshold = None if options.get("match_type") else 0.5
        matched, best = matches_by_loops(starts, objects[:, 3:7], threshold)
        of_location, of_scores = {}, {}
        for p in range(priors):
            label = int(objects[matched[p], 1]) if p in matched else 0
            of_scores[p] = entropy(scores[n, p], label)
            if p in matched:
                target = encode_priors(boxes[p], objects[matched[p], 3:7], "center_size", variances[p])
                of_location[p] = location_loss(
                    locations[n, p, 0 if shared else label], torch.tensor(target), reduction="sum"
                ) * (0.5 if "loc_loss_type" in options else 1)
        chosen = set(range(priors))
        if mining == "max_negative":
            others = [p for p in chosen if p not in matched and best[p] < options.get("neg_overlap", 0.5)]
            others.sort(key=lambda p: -of_scores[p].item())
            chosen = {*matched, *others[: 3 * len(matched)]}
        elif mining == "hard_example":
            chosen = set(sorted(chosen, key=lambda p: -(of_scores[p] + of_location.get(p, 0)).item())[:4])
        total = total + sum(of_scores[p] for p in chosen)
        total = total + options.get("loc_weight", 1) * sum(of_location[p] for p in chosen if p in matched)
        count += len(chosen & set(matched))
    how = options.get("normalization", "valid")
    total = total / {"valid": count, "full": images * priors, "batch": images}[how]
    (total * 0.7).backward()
    assert loss == pytest.approx(total.item(), rel=1e-9)
    assert d_locations.ravel() == pytest.approx(locations.grad.numpy().ravel(), abs=1e-9)
    assert d_scores.ravel() == pytest.approx(scores.grad.numpy().ravel(), abs=1e-9)
    assert not any(d.any() for d in rest)


# --- what it refuses -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"background_label": 2}, r"background_label 2 is outside \[0, 2\)"),
        ({"share_location": False}, "mining_type max_negative needs share_location"),
        ({"num_classes": 3, "map_object_to_agnostic": True}, "map_object_to_agnostic needs num_classes 2 and backgr"),
        (
            {
                "share_location": False,
                "mining_type": "none",
                "conf_loss_type": "logistic",
                "use_prior_for_matching": False,
            },
            "conf_loss_type logistic needs share_location or use_prior_for_matching",
        ),
        (
            {"num_classes": 3},
            r"bottom\[1\] of shape \(1, 6\) has not the 9 values for 1 images of 3 boxes and",
        ),
    ],
)
def test_parameters_that_do_not_go_together(parameters, message):
    with pytest.raises(ValueError, match=f"^MultiBoxLoss: {message}"):
        by_hand(**parameters)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        (1, 2, r"has the class 2, outside \[0, 2\)"),
        (0, 1, "has the batch index 1 in row 0; it must be one of the 1 images"),
        (4, np.nan, "must be finite, got nan"),
        (5, -0.5, r"has the box \[.*\], of which x2 < x1 or y2 < y1"),
    ],
)
def test_objects_that_there_are_not(column, value, message):
    objects = OBJECT.copy()
    objects[..., column] = value
    with pytest.raises(ValueError, match=rf"^MultiBoxLoss: bottom\[3\] \(gt_boxes\) {message}"):
        by_hand(objects).forward()


def test_a_loss_that_is_nan_shows():
    scores = np.zeros((1, 6))
    scores[0, 5] = np.nan
    assert np.isnan(by_hand(scores=scores).forward()[0])


def test_priors_are_numbers():
    run = by_hand()
    run.bottom[2].data[0, 1, 3] = np.nan
    with pytest.raises(ValueError, match=r"\(priors\) must be finite, got nan at index \(0, 1, 3\)"):
        run.forward()
