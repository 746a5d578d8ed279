"""ConfusionMatrix against scikit-learn, over passes of batches of different size; and its picture."""

import numpy as np
import pytest

from caffe_pylayers.confusion import ConfusionMatrix
from caffe_pylayers.testing import LayerRun
from tests.layers.passes import class_batches, run_pass

NORMALIZE = {"none": None, "label": "true", "prediction": "pred", "all": "all"}


@pytest.mark.parametrize("how", NORMALIZE)
@pytest.mark.parametrize("weighted", [False, True])
def test_matrix(how, weighted):
    metrics = pytest.importorskip("sklearn.metrics")
    batches = class_batches(weighted=weighted)
    scores, labels, weights = map(np.concatenate, zip(*batches))
    expected = metrics.confusion_matrix(
        labels, scores.argmax(1), normalize=NORMALIZE[how], sample_weight=weights if weighted else None
    )
    given = batches if weighted else [batch[:2] for batch in batches]
    (found,) = run_pass(ConfusionMatrix, given, f"normalize: {how}")
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_predicted_classes_do_for_scores():
    batches = class_batches(places=(2, 3))
    (expected,) = run_pass(ConfusionMatrix, batches, "ignore_label: 3")
    predicted = [(scores.argmax(1)[:, None], labels, weights) for scores, labels, weights in batches]
    (found,) = run_pass(ConfusionMatrix, predicted, "{'ignore_label': 3, 'num_classes': 5}")
    np.testing.assert_array_equal(found, expected)
    assert not found[3].any()
    assert found.any()


NAMED = "{num_classes: 2, class_names: [cat, dog]}"


def test_picture():
    run = LayerRun(ConfusionMatrix, [[1, 1, 0, 0], [0, 1, 0, 0]], tops=0, param_str=NAMED)
    run.forward()
    picture = run.layer.picture()
    assert picture.title == "4 labels, 75.00% right"
    assert picture.names == ("cat", "dog")
    assert (picture.rows, picture.columns) == ("label", "prediction")
    np.testing.assert_array_equal(picture.values, [[2, 1], [0, 1]])


@pytest.mark.parametrize(
    ("shapes", "param_str", "message"),
    [
        ([(4, 2), (4,)], "num_classes: 2", r"bottom\[0\] \(predicted classes, .*\) must have the shape .* \(4,\), got"),
        ([(4, 2), (4,)], "class_names: [cat]", "parameter class_names must hold one for each of 2 classes, got 1"),
    ],
)
def test_refused(shapes, param_str, message):
    with pytest.raises(ValueError, match=f"^ConfusionMatrix: {message}"):
        LayerRun(ConfusionMatrix, [np.zeros(shape) for shape in shapes], param_str=param_str)


def test_a_prediction_that_is_no_class():
    run = LayerRun(ConfusionMatrix, [[0, 2], [0, 1]], param_str="num_classes: 2")
    with pytest.raises(ValueError, match=r"^ConfusionMatrix: prediction 2 at index 1 is outside \[0, 2\)"):
        run.forward()
