"""A training that goes on takes its data from where it stopped."""

import json

import numpy as np
import pytest

NET = """
layer {{
  name: "data" type: "Python" top: "data" top: "label"
  python_param {{ module: "caffe_pylayers.table_data" layer: "NPZData" param_str: '{param_str}' }}
}}
layer {{ name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
        inner_product_param {{ num_output: 2 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }}
"""


@pytest.fixture
def trained(project):
    """A project whose net reads 12 rows in batches of 5; iterations end within epochs."""
    rng = np.random.RandomState(0)
    np.savez(project.root / "data.npz", x=rng.standard_normal((12, 3)), y=np.arange(12) % 2)
    options = {"source": "data.npz", "arrays": ["x", "y"], "batch_size": 5, "workers": 2}
    project.net().write_text(NET.format(param_str=json.dumps(options)))
    return project


@pytest.mark.parametrize("iter_size", [1, 2])
def test_it_equals_a_training_without_a_break(trained, iter_size):
    trained.solver(test_iter=None, test_interval=None, iter_size=iter_size)
    whole = trained.train()
    expected, losses = trained.weights(whole.model), [row["loss"] for row in trained.rows()]
    trained.train(max_iter=5, overwrite=True)
    result = trained.train(resume=True)
    assert trained.weights(result.model) == expected
    assert [row["loss"] for row in trained.rows()] == losses


def test_from_a_snapshot_that_a_bare_solver_took(trained):
    import caffe

    trained.solver(test_iter=None, test_interval=None)
    expected = trained.weights(trained.train(output_dir="whole").model)
    trained.out.mkdir()
    np.random.seed(1)  # as the driver does by random_seed
    plain = caffe.get_solver(str(trained.path))
    plain.step(7)
    plain.snapshot()
    assert trained.weights(trained.train(snapshot=trained.out / "tiny_iter_7.solverstate").model) == expected


def test_a_solver_of_ones_own_says_where_to_go_on(trained):
    """The runtime's restore does; on real Caffe this is the call."""
    import caffe

    trained.solver(test_iter=None, test_interval=None)
    trained.out.mkdir()
    np.random.seed(1)
    straight = caffe.get_solver(str(trained.path))
    straight.step(7)
    straight.snapshot()
    straight.step(3)
    np.random.seed(1)
    resumed = caffe.get_solver(str(trained.path))
    resumed.restore(str(trained.out / "tiny_iter_7.solverstate"))
    if not caffe.SGDSolver.__module__.startswith("caffe_pylayers"):
        resumed.net.layers[0].start_at_batch(7)
    resumed.step(3)
    np.testing.assert_array_equal(resumed.net.params["ip"][0].data, straight.net.params["ip"][0].data)
