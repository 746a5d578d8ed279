"""check_layer finds every breach of Caffe's contract and says what it comes from; and runs layers in a net."""

import re

import numpy as np
import pytest

from caffe_pylayers import Layer, Parameter
from caffe_pylayers.testing import Case, GradientError, LayerRun, check_gradient, check_layer, layer_net
from tests.testing import faulty

rng = np.random.RandomState(0)
BOTTOM = rng.standard_normal((3, 4))
PAIR = list(rng.standard_normal((2, 5, 3)))


class Scaled(Layer):
    """top = factor * bottom[0] + learned offset."""

    factor = Parameter(float, 2.0, doc="the factor")

    def setup(self, bottom, top):
        self.blobs.add_blob(1)

    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].data.shape)

    def forward(self, bottom, top):
        top[0].data[...] = self.factor * bottom[0].data + self.blobs[0].data[0]

    def backward(self, top, propagate_down, bottom):
        self.blobs[0].diff[0] += top[0].diff.sum()
        if propagate_down[0]:
            bottom[0].diff[...] = self.factor * top[0].diff


class WrongInANet(Scaled):
    """Right in float64, wrong in float32."""

    def forward(self, bottom, top):
        super().forward(bottom, top)
        if bottom[0].data.dtype == np.float32:
            top[0].data[...] += 1


class NoSetup(Layer):
    plan = Scaled.reshape
    setUp = forward = backward = Scaled.setup


class Noise(Scaled):
    def forward(self, bottom, top):
        super().forward(bottom, top)
        top[0].data[...] += np.random.standard_normal(top[0].data.shape)


class OneRow(Scaled):
    def reshape(self, bottom, top):
        if len(bottom[0].data) != 1:
            raise ValueError("one row, please")
        super().reshape(bottom, top)


class Counts(Layer):
    """Data without bottoms."""

    def plan(self):
        return [(2, 3)]

    def forward(self, bottom, top):
        top[0].data[...] = 7

    def backward(self, top, propagate_down, bottom):
        pass


FOUND = {
    # reshape, forward
    faulty.NeverReshapes: [r"top\[0\] was never reshaped: reshape must give every top its shape$"],
    faulty.UsesItsTopBeforeReshape: [r"setup fails with RuntimeError: top\[0\].data before top\[0\].reshape"],
    faulty.ReshapesInSetupAlone: [
        r"forward fails with ValueError: .*: when the bottoms become \(4, 4\) between two iterations; "
        "reshape must follow them"
    ],
    faulty.ForgetsItsTop: [r"top\[0\] is \(3, 4\) instead of \(4, 4\) when the bottoms .*: reshape must follow them"],
    faulty.RemembersTheBatchSize: [r"top\[0\] is wrong when the bottoms become \(4, 4\)"],
    faulty.LeavesTopUnwritten: [
        r"forward leaves values of top\[0\] unwritten: at \(0, 0\) and 3 more places",
    ],
    faulty.AddsToTop: [r"forward reads top\[0\] before it writes it, as \+= does: everywhere"],
    faulty.ForwardGivesNaN: [r"forward gives NaN in top\[0\]: at \(0, 1\)$"],
    faulty.ModifiesBottom: [r"forward changes bottom\[0\].data, which other layers read"],
    faulty.RemembersTheCall: [r"another top\[0\]; repeatable=False where that is meant, in the shell --random$"],
    # backward
    faulty.ModifiesBottomInBackward: [r"backward changes bottom\[0\].data"],
    faulty.AddsToDiff: [
        r"backward adds to bottom\[0\].diff, which Caffe does not clear: write bottom\[0\].diff\[...\] ="
    ],
    faulty.ReadsDiff: [
        r"backward reads bottom\[0\].diff, which holds anything: everywhere",
        r"propagate_down \[True\] chang",
    ],
    faulty.BackwardGivesNaN: [r"backward gives NaN in bottom\[0\].diff: at \(0, 0\) and 3 more places"],
    faulty.LeavesDiffStale: [
        r"gradient of bottom\[0\] .* backward gives .*; they differ at \(0, 0\)",
        r"backward leaves values of bottom\[0\].diff stale, though propagate_down\[0\] is True: at \(0, 0\)$",
    ],
    faulty.IgnoresPropagateDown: [r"backward writes bottom\[0\].diff though propagate_down is \[False\]"],
    faulty.ReplacesLearnedGradient: [r"backward must add to blobs\[0\].diff, not replace it"],
    faulty.LearnsOnlyWithABottom: [r"backward does not add the same to blobs\[0\].diff whatever propagate_down is"],
    # in place
    faulty.NeedsItsBottom: [r"backward gives other gradients in place$"],
    faulty.NeedsItsTop: [r"backward gives other gradients in place", r"gradients below a layer that works in place"],
    # gradients
    faulty.WrongFactor: [r"gradient of bottom\[0\] .*; backward is 0.5 times forward's gradient everywhere \("],
    faulty.WrongInOnePlace: [r"gradient of bottom\[0\] .*; they differ at \(1, 2\) \("],
    faulty.IgnoresTopDiff: [
        r"gradient of bottom\[0\] .*; backward ignores top\[0\].diff, the loss weight: multiply by it \(",
        r"gradient of blobs\[0\] .*; backward ignores top\[0\].diff",
    ],
    faulty.WrongLearnedGradient: [r"gradient of blobs\[0\] of shape \(1,\)", r"does not add the same to blobs\[0\]"],
    # what real Caffe is stricter in
    faulty.IteratesBottoms: [
        r"reshape fails with TypeError: bottom cannot be iterated on real Caffe: write for i in range"
    ],
    faulty.AddsToAShape: [
        r"reshape fails with TypeError: blob.shape is no tuple on real Caffe: write tuple\(blob.shape\)"
    ],
    faulty.ComparesAShape: [r"setup fails with TypeError: blob.shape is no tuple on real Caffe"],
    faulty.ReshapesWithNumpy: [r"top\[0\].reshape takes Python integers on real Caffe, got numpy.int64: convert it"],
    faulty.ReshapesWithAList: [
        r"top\[0\].reshape takes the sizes one by one, got a list: write top\[0\].reshape\(\*shape\)"
    ],
    faulty.IndexesWithNumpy: [
        r"reshape fails with TypeError: bottom takes Python integers as an index, got numpy.int64"
    ],
    faulty.ReplacesTop: [r"forward fails with AttributeError: top\[0\].data cannot be replaced; write into it"],
    faulty.NeedsTwoBottoms: [r"setup fails with IndexError: bottom\[1\]: the layer has 1 bottoms"],
    # the class
    faulty.InitTakesNothing: [
        r"__init__ fails with TypeError: .*; Caffe calls the class with one argument, its LayerParam"
    ],
    faulty.MadeWithTwoArguments: [r"__init__ fails with TypeError: .*'more'"],
    faulty.ReadsParamStrInInit: [r"__init__ fails with AttributeError: .* no attribute 'param_str'"],
    faulty.Misspelt: [
        r"forward is not defined; `foward` is never called: did you mean `forward`\?",
        "backward is not defined$",
    ],
    NoSetup: [r"setup is not defined; `setUp` is never called: did you mean `setup`\?"],
}
LOSSES = {
    faulty.IgnoresLossWeight: r"; backward ignores top\[0\].diff, the loss weight: multiply by it \(",
    faulty.IgnoresLossWeightAndBatch: r"ignores top\[0\].diff, .*; it also is 5 times too large: divide by the batch",
    faulty.WrongSign: r"; backward has the wrong sign \(ratio -1\)",
    faulty.MissesBatchSize: r"; backward is 5 times too large: divide by the batch size \(ratio 5\)",
    faulty.DividesByBatchSizeTwice: r"; backward is 5 times too small: the batch size is divided by once too often",
    faulty.WrongByAThird: r"; backward is 3 times too small|0.333333 times",
}


def findings(layer, bottoms, error=AssertionError, **options):
    with pytest.raises(error) as caught:
        check_layer(layer, bottoms, **options)
    text = str(caught.value)
    assert text.startswith(f"{layer.__name__}: ")
    first, *found = text.split("\n- ")
    if found:
        assert first == f"{layer.__name__}: {len(found)} problems"
        return found
    return [text[len(layer.__name__) + 2 :]]


@pytest.mark.parametrize(("layer", "wanted"), FOUND.items(), ids=lambda x: getattr(x, "__name__", ""))
def test_a_faulty_layer(layer, wanted):
    found = findings(layer, [BOTTOM])
    assert len(found) == len(wanted), found
    for message in wanted:
        assert any(re.search(message, text) for text in found), found


@pytest.mark.parametrize(("layer", "why"), LOSSES.items(), ids=lambda x: getattr(x, "__name__", ""))
def test_a_faulty_loss(layer, why):
    found = findings(layer, PAIR, GradientError)
    assert [text[:21] for text in found] == ["gradient of bottom[0]", "gradient of bottom[1]"]
    for text in found:
        assert re.search(why, text), text


def test_labels_are_no_indices():
    (text,) = findings(faulty.LabelAsIndex, [BOTTOM, np.array([0, 3, 1])])
    assert text.startswith("forward fails with IndexError")
    assert text.endswith(
        "blobs hold floats, labels too: convert with astype(int) before using them as an index or a size"
    )


def test_integers_alone_check_nothing():
    integers = [np.arange(12).reshape(3, 4)]
    (text,) = findings(faulty.WrongFactor, integers)
    assert text.startswith("no bottom was varied, since all hold integers, so backward is not checked")
    with pytest.raises(GradientError, match=r"wrt=\[\] where no bottom can get a gradient"):
        check_gradient(faulty.WrongFactor, integers)
    check_layer(Scaled, integers, wrt=[])


@pytest.mark.parametrize("layer", [faulty.InFloat32, faulty.WrongInFloat32])
def test_a_layer_that_computes_in_float32(layer):
    if layer is faulty.InFloat32:
        with pytest.warns(
            UserWarning, match="InFloat32 computes in float32, though its blobs hold float64: its gradient"
        ):
            check_gradient(layer, PAIR)
    else:
        with pytest.raises(GradientError, match=r"the wrong sign .* compared at the accuracy of float32"):
            check_gradient(layer, PAIR)


def test_tolerance_and_step_reach_the_gradient():
    check_gradient(faulty.WrongFactor, [BOTTOM], rtol=1)
    with pytest.raises(GradientError, match=r"step 0.001, seed 3,"):
        check_layer(faulty.WrongFactor, [BOTTOM], step=1e-3, seed=3)
    with pytest.raises(AssertionError) as caught:  # it is no layer of Caffe, but nothing else is found
        check_layer(faulty.WrongFactor, [BOTTOM], gradient_rtol=1)
    assert not isinstance(caught.value, GradientError)


def test_a_right_layer():
    check_layer(Scaled, [BOTTOM], param_str="factor: -3")
    check_layer(Case(Scaled, [BOTTOM], param_str="factor: -3"))
    check_gradient(Case(Scaled, [BOTTOM], dtype=np.float32), step=1e-2, rtol=1e-2, atol=1e-3)
    assert LayerRun(Case(Scaled, [BOTTOM])).layer.factor == 2


def test_a_layer_with_an_init():
    LayerRun(faulty.SetsUpInInit, [BOTTOM]).forward()


def test_a_layer_that_repeats_nothing():
    assert any("repeatable=False where that is meant" in text for text in findings(Noise, [BOTTOM]))
    check_layer(Noise, [BOTTOM], repeatable=False)


def test_a_layer_that_takes_one_size():
    (text,) = findings(OneRow, [BOTTOM[:1]])
    assert text.startswith(
        "with bottoms of (2, 4): reshape fails with ValueError: one row, please; where the layer is right"
    )
    check_layer(OneRow, [BOTTOM[:1]], other_bottoms=[BOTTOM[:1, :2]])
    check_layer(OneRow, [BOTTOM[:1]], other_bottoms=())


def test_a_layer_without_bottoms():
    check_layer(Counts)


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        (("Scaled", [BOTTOM]), {}, TypeError, "layer_class must be the class itself, got the string 'Scaled': import"),
        (
            (faulty.Squares(), [BOTTOM]),
            {},
            TypeError,
            "layer_class must be a class, got an instance of Squares: write Sq",
        ),
        ((Scaled, BOTTOM), {}, TypeError, r"bottoms must be a list of arrays, got one array of shape \(3, 4\)"),
        ((Scaled, "x"), {}, TypeError, "bottoms must be a list of arrays, got 'x'"),
        ((Scaled, ["x"]), {}, TypeError, r"bottoms\[0\] must be an array of numbers, got 'x'"),
        (
            (Scaled, [BOTTOM]),
            {"param_str": {"factor": 2}},
            TypeError,
            "param_str must be a string, as in a prototxt, got {",
        ),
        ((Scaled, [BOTTOM]), {"tops": "a"}, TypeError, "tops must be the number of tops, got 'a'"),
        (
            (Scaled, [BOTTOM]),
            {"phase": "TRAIN"},
            ValueError,
            r"phase must be caffe.TRAIN \(0\) or caffe.TEST \(1\), got 'TR",
        ),
        (
            (Scaled, [BOTTOM]),
            {"parm_str": ""},
            TypeError,
            "unknown argument parm_str; a layer's case has param_str, tops,",
        ),
    ],
)
@pytest.mark.parametrize("function", [check_layer, check_gradient, LayerRun])
def test_wrong_arguments_are_named(function, arguments, options, error, message):
    with pytest.raises(error, match=message):
        function(*arguments, **options)


def test_a_layer_that_differs_in_a_net():
    (text,) = findings(WrongInANet, [BOTTOM])
    assert text.startswith("top[0] differs between a net and float64: everywhere, ")


def test_a_class_that_no_net_can_make():
    (text,) = findings(faulty.Squares, [BOTTOM])
    assert text.startswith("does not derive from caffe.Layer, nor from caffe_pylayers.Layer")
    local = type("Local", (Scaled,), {})
    (text,) = findings(local, [BOTTOM])
    assert text == f"is no class at the top of the module {__name__}, where a net looks for it"


STRICT = [
    faulty.IteratesBottoms,
    faulty.AddsToAShape,
    faulty.ReshapesWithNumpy,
    faulty.ReshapesWithAList,
    faulty.IndexesWithNumpy,
    faulty.ReplacesTop,
    faulty.NeedsTwoBottoms,
]


@pytest.mark.caffe
@pytest.mark.parametrize("layer", STRICT)
def test_real_caffe_refuses_what_the_stub_refuses(layer, monkeypatch):
    with pytest.raises(
        Exception, match=r"on real Caffe|one by one|as an index|cannot be replaced|has 1 bottoms"
    ) as stub:
        LayerRun(layer, [BOTTOM]).forward()
    monkeypatch.setattr(
        faulty, "OnCaffe", type("OnCaffe", (layer, Layer), {"__module__": faulty.__name__}), raising=False
    )
    with pytest.raises(stub.type):
        layer_net(faulty.OnCaffe, [BOTTOM.shape]).forward()


@pytest.mark.caffe
def test_layer_net_has_the_loss_weight():
    net = layer_net("caffe_pylayers.pyloss.EuclideanLossLayer", [(2, 3), (2, 3)], loss_weight=3.7)
    net.blobs["bottom0"].data[...], net.blobs["bottom1"].data[...] = 1, 0
    assert float(net.forward()["top0"]) == 1.5
    net.backward()
    np.testing.assert_allclose(net.blobs["bottom0"].diff, 3.7 / 2, rtol=1e-6)
