"""caffe-pylayers train: what is wrong is said before anything starts, and Caffe is not left to abort."""

import pytest

from caffe_pylayers.cli import UserError, main
from caffe_pylayers.cli._device import gpu_problem


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"net": None}, "needs one of net, net_param, train_net, train_net_param; has none"),
        ({"train_net": '"nets/net.prototxt"'}, "has net and train_net"),
        ({"test_iter": None, "test_net": '"nets/net.prototxt"'}, "needs a test_iter for each test net: has 0 for 1"),
        ({"net": None, "train_net": '"nets/net.prototxt"'}, "needs a test_iter for each test net: has 1 for 0"),
        ({"test_state": ["{}", "{}"]}, "needs a test_state for each test_iter, or none: has 2 for 1"),
        ({"test_iter": -1}, "test_iter must be at least 0"),
        ({"test_interval": None}, "has a test_iter, so it needs a test_interval above 0"),
        ({"lr_policy": '"constant"'}, 'lr_policy must be one of fixed, step, .*; is "constant"'),
        ({"lr_policy": None}, 'lr_policy must be one of .*; is ""'),
        ({"lr_policy": '"step"'}, 'lr_policy "step" needs a stepsize above 0'),
        ({"lr_policy": '"exp"', "gamma": -1}, "gamma must be at least 0; is -1"),
        (
            {"lr_policy": '"multistep"', "stepvalue": [5, 5]},
            "each stepvalue must be above the one before; .* 5, 5",
        ),
        ({"type": '"Adamax"'}, 'type must be one of SGD, .*; is "Adamax"'),
        ({"type": '"Adam"', "solver_type": "ADAM"}, "has both type and the old solver_type"),
        ({"type": '"AdaGrad"'}, "AdaGrad takes no momentum; drop it"),
        ({"type": '"RMSProp"', "momentum": 0, "rms_decay": 1}, r"rms_decay must be in \[0, 1\); is 1"),
        ({"regularization_type": '"L3"'}, 'regularization_type must be L1 or L2; is "L3"'),
        ({"average_loss": 0}, "average_loss must be at least 1; is 0"),
        ({"iter_size": 0}, "iter_size must be at least 1; is 0"),
        ({"max_iter": None}, "max_iter must be at least 1; is 0"),
    ],
)
def test_solver(project, fields, message):
    project.solver(**fields)
    with pytest.raises(UserError, match=message):
        project.train()
    assert not project.out.exists()


def test_all_that_is_wrong_with_a_solver_at_once(project):
    project.solver(iter_size=0, lr_policy='"no"')
    assert project.error().splitlines() == [
        f"{project.path} cannot be trained:",
        '  lr_policy must be one of fixed, step, exp, inv, multistep, poly, sigmoid; is "no"',
        "  iter_size must be at least 1; is 0",
    ]


def test_solver_is_missing_or_no_solver(project):
    project.path = project.root / "none.prototxt"
    assert project.error() == f"solver {project.path}: No such file or directory"
    project.path.write_text("base_lr: 0.1\nmax_itre: 3\n")
    assert project.error().startswith(f"{project.path}:2:1: ")
    project.path.write_bytes(b"\xff\xfe")
    assert project.error().startswith(f"{project.path}:1:1: ")
    project.path = project.root / "nets" / "net.prototxt"
    assert "This is a net; give the solver that names it" in project.error()


def test_net_is_missing_or_no_net(project):
    net = project.net()
    text = net.read_text()
    net.unlink()
    where = f"neither in {project.root} nor, from there up, in {project.path.parent}"
    assert project.error() == f'{project.path}: net "nets/net.prototxt" is {where}'
    net.write_text(text.replace("num_output", "num_outputs"))
    assert project.error().startswith("nets/net.prototxt:")


def test_all_that_is_wrong_with_the_nets_at_once(project):
    project.net_with("")
    net = project.root / "nets" / "net.prototxt"
    net.write_text(net.read_text().replace("train_layers", "no_such_module").replace("data/test.txt", "data/none.txt"))
    first, *problems = project.error().splitlines()
    assert first == f"{project.path} cannot be trained:"
    assert len(problems) == 2
    assert "no module named 'no_such_module'" in problems[0]
    assert 'layer "data" (HDF5Data): hdf5_data_param.source "data/none.txt" does not exist' in problems[1]
    assert not project.out.exists()


def test_nets_are_checked_in_their_own_states(project):
    """A layer that only another stage has is not looked at."""
    staged = """
    layer {{ name: "other" type: "Python" bottom: "data" top: "other" include {{ {} }}
             python_param {{ module: "no_such_module" layer: "None" }} }}
    """
    project.net(staged.format('stage: "deploy"'))
    project.train()
    project.net(staged.format('phase: TEST stage: "hard"'))
    project.train(overwrite=True)
    project.solver(test_state='{ stage: "hard" }')
    assert "no module named 'no_such_module'" in project.error()
    project.net(staged.format("min_level: 2"))
    project.solver(train_state="{ level: 2 }")
    assert "no module named 'no_such_module'" in project.error()


def test_output_that_cannot_be_written(project):
    project.out.write_text("a file")
    assert project.error().startswith(f"cannot write to {project.out}: ")
    assert project.error(output_dir="elsewhere", log_csv=project.out / "log.csv").startswith("cannot write to ")


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_seed_out_of_range(project, seed):
    assert project.error(seed=seed) == f"--seed must be in [0, 4294967296); is {seed}"


@pytest.fixture
def _without_gpu():
    if not gpu_problem(0):
        pytest.skip("there is a GPU")


@pytest.mark.usefixtures("_without_gpu")
def test_gpu_without_one(project):
    assert project.error(gpu=3).startswith("--gpu 3: GPU 3 cannot be used: ")
    assert project.error(gpu=0).endswith("; --cpu trains on the CPU")
    assert "set_mode_cpu" not in project.error(gpu=0)
    project.solver(solver_mode="GPU", device_id=1)
    assert project.error().startswith(f"{project.path}: solver_mode: GPU: GPU 1 cannot be used: ")
    assert not project.out.exists()
    assert "solver_mode: CPU" in project.train(cpu=True).solver.read_text()
    assert project.error(gpu=-1) == "--gpu takes device numbers from 0, each once; is -1"
    assert project.error(gpu=[0, 0]) == "--gpu takes device numbers from 0, each once; is 0,0"
    assert project.error(gpu=[0, 1]) == "--gpu names 2 GPUs, for 1 processes on this machine"


def test_no_solver_mode_is_cpu(project):
    project.solver(solver_mode=None)
    assert "solver_mode: CPU" in project.train().solver.read_text()


def test_exit_code(project, capsys):
    assert main(["--solver", "none"], verb="train") == 1
    assert capsys.readouterr().err.endswith(f": solver {project.root / 'none'}: No such file or directory\n")
    for options in (["--gpu", "0", "--cpu"], ["--max-iter", "many"], []):
        with pytest.raises(SystemExit) as caught:
            main(["--solver", str(project.path), *options] if options else [], verb="train")
        assert caught.value.code == 2
