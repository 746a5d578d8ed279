"""``caffe-pylayers layers``."""

import inspect
import sys

import pytest

from caffe_pylayers import _engine
from caffe_pylayers._layer.parameter import declared, read_parameters
from caffe_pylayers.cli import main
from caffe_pylayers.cli._layer_pages import all_layers, bottom_names, snippet


def layers(capsys, *args):
    assert main(list(args), verb="layers") == 0
    return capsys.readouterr().out


def test_the_list_has_every_layer_once_in_its_group(capsys):
    out = layers(capsys)
    assert "\n\nBlobs\n" in out
    assert "  pyloss.EuclideanLossLayer" in out
    assert out.count("  Labels to one-hot codes, shaped like the features they belong to.\n") == 1
    listed = [line.split()[0] for line in out.splitlines() if line.startswith("  ")]
    assert sorted(listed) == sorted(all_layers())


def test_a_search(capsys):
    out = layers(capsys, "one-hot", "SMOOTHING")
    assert out.startswith(
        "caffe_pylayers.one_hot.label2one_hot\n"
        "  Labels to one-hot codes, shaped like the features they belong to.\n"
        "  param_str: num_classes=not given, axis=1, ignore_label=not given, on_value=1.0, off_value=0.0\n"
    )
    assert "caffe_pylayers.pyloss.EuclideanLossLayer\n" in layers(capsys, "euclidean")


@pytest.mark.parametrize("name", ["label2one_hot", "one_hot.label2one_hot", "caffe_pylayers.one_hot.label2one_hot"])
def test_a_page(capsys, name):
    out = layers(capsys, name)
    assert out.startswith("caffe_pylayers.one_hot.label2one_hot\n\nLabels to one-hot codes")
    assert "\nBottom:\n    [0] labels" in out
    assert (
        "  name          accepts          default    meaning\n"
        "  num_classes   an integer >= 1  not given  C; default: the size of the features' class axis\n"
    ) in out
    assert out.endswith(
        "In a prototxt:\n"
        "    layer {\n"
        '      name: "one_hot"  type: "Python"\n'
        '      bottom: "label"  bottom: "ip2"  top: "one_hot_label"\n'
        '      python_param { module: "caffe_pylayers.one_hot"  layer: "label2one_hot" }\n'
        "    }\n"
    )


def test_choices_are_listed(capsys):
    shown = "  normalization  one of batch, full, valid, weights, none  batch    Z; batch: N"
    assert shown in layers(capsys, "EuclideanLossLayer")


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["mIoU"], ["segmentation_metrics.MeanIoU"]),
        (["hard", "mining"], ["triplet.TripletSelection", "triplet.BatchTripletLoss"]),
        (["MAE"], ["regression.L1Loss"]),
        (["BCE"], ["cross_entropy.SigmoidCrossEntropyLoss"]),
        (["EER"], ["retrieval.Verification"]),
        (["mAcc"], ["segmentation_metrics.PixelAccuracy"]),
        (["FPN"], ["roi_levels.ROIsToLevels"]),
        (["hardest"], ["triplet.TripletSelection", "triplet.BatchTripletLoss"]),
    ],
)
def test_words_that_people_search_for(capsys, words, found):
    out = layers(capsys, *words)
    assert [name for name in found if f"caffe_pylayers.{name}\n" in out] == found


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        (
            "Interp",
            ["hszhao/PSPNet, is here:\n\ncaffe_pylayers.resizing.ResizeFeatures\n\nMaps resized", "zoom_factor"],
        ),
        ("Upsample", ["caffe_pylayers.unpooling.MaxUnpool\n", "caffe_pylayers.resizing.ResizeFeatures\n"]),
        ("DepthwiseConvolution", ["is here:\n\nCaffe's own Convolution\n"]),
    ],
)
def test_a_layer_type_of_a_fork(capsys, kind, found):
    out = layers(capsys, kind)
    assert out.startswith(f"{kind}, a layer type of ")
    assert all(text in out for text in found)


def test_a_block_within_which_one_ends_is_whole(capsys):
    assert layers(capsys, "BootstrappingLoss").endswith(
        "      python_param {\n"
        '        module: "caffe_pylayers.noisy_labels"  layer: "BootstrappingLoss"\n'
        '        param_str: \'{"method": "soft", "beta": 0.95}\'\n'
        "      }\n"
        "      loss_weight: 1\n"
        "    }\n"
    )


def test_a_class_without_a_snippet_or_parameters():
    from caffe_pylayers import Layer
    from caffe_pylayers.cli._layer_pages import listing, page

    class Plain(Layer):
        pass

    assert listing(Plain) == f"{__name__}.Plain\n  (no description)"
    assert f'python_param {{ module: "{__name__}"  layer: "Plain" }}' in page(Plain)
    assert "Parameters" not in page(Plain)


def test_a_required_parameter():
    from caffe_pylayers import Layer, Parameter
    from caffe_pylayers.cli._layer_pages import listing, page

    class Margin(Layer):
        """A margin."""

        margin = Parameter(float, low=0, doc="in pixels")

    assert listing(Margin).endswith("\n  A margin.\n  param_str: margin=required")
    assert "  margin  a number >= 0  required  in pixels\n" in page(Margin)


def test_an_unknown_name(capsys):
    assert main(["EucildeanLossLayer"], verb="layers") == 1
    err = capsys.readouterr().err
    assert "no layer 'EucildeanLossLayer'; did you mean EuclideanLossLayer?; caffe-pylayers layers lists all" in err


OWN = """
from caffe_pylayers import Layer, Parameter

class Margin(Layer):
    \'\'\'A margin.\'\'\'

    margin = Parameter(float, 2.0, low=0, doc="in pixels")

number = 3
"""


def test_a_page_of_a_user_s_own(capsys, tmp_path, monkeypatch):
    (tmp_path / "own_layers.py").write_text(OWN)
    (tmp_path / "own_caffe_layers.py").write_text("import caffe\nclass Plain(caffe.Layer): pass")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    out = layers(capsys, "own_layers.Margin")
    assert out.startswith("own_layers.Margin\n\nA margin.\n")
    assert "  margin  a number >= 0  2.0      in pixels\n" in out
    assert 'python_param { module: "own_layers"  layer: "Margin" }' in out
    for name, message in (
        ("own_layers.Margn", "has no 'Margn' (did you mean 'Margin'?); its layers: Margin"),
        ("own_layers.number", "own_layers.number is no class but 3"),
        ("nowhere.Margin", "no module named 'nowhere' in this folder or on PYTHONPATH"),
    ):
        assert main([name], verb="layers") == 1
        err = capsys.readouterr().err
        assert message in err
        assert err.count("\n") == 1
    assert layers(capsys, "own_caffe_layers.Plain").startswith("own_caffe_layers.Plain\n\n(no description)")


def test_needs_no_caffe(run_program, root):
    program = (
        "import sys; sys.modules['caffe'] = sys.modules['torch'] = None\n"
        "from caffe_pylayers.cli import main; sys.exit(main(['label2one_hot'], 'layers'))"
    )
    done = run_program(sys.executable, "-c", program, cwd=root)
    assert done.returncode == 0, done.stdout
    assert "In a prototxt:" in done.stdout


@pytest.mark.parametrize("name", all_layers())
def test_the_block_to_paste_is_a_layer_of_the_class_with_parameters_that_it_takes(name):
    text_format = pytest.importorskip("google.protobuf.text_format")
    cls, net = all_layers()[name], _engine.messages().NetParameter()
    text_format.Parse(snippet(cls), net)
    (layer,) = net.layer
    assert (layer.type, layer.python_param.module, layer.python_param.layer) == ("Python", cls.__module__, cls.__name__)
    read_parameters(declared(cls), layer.python_param.param_str)
    needed, more = bottom_names(cls)
    plan = inspect.signature(cls.plan).parameters.values() if hasattr(cls, "plan") else ()
    any_number = not plan or any(parameter.kind is parameter.VAR_POSITIONAL for parameter in plan)
    assert len(needed) <= len(layer.bottom)
    assert any_number or len(layer.bottom) <= len(needed) + len(more)
