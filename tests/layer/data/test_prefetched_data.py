"""PrefetchedData: the same batches however they are made, and an end that leaves nothing behind."""

import gc
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

from caffe_pylayers import PrefetchedData
from caffe_pylayers._layer.solvers import drawing_alike
from caffe_pylayers.testing import LayerRun, check_layer
from tests.layer.data.data_layers import Numbers, Plain, Shapes

DRAWS = [0.81335406, 0.07515115, 0.54768558, 0.74009635, 0.9511874]
WAYS = [(0, "thread"), (1, "thread"), (3, "thread"), (1, "process"), (3, "process")]


def run(layer=Numbers, tops=2, phase=0, **options):
    return LayerRun(layer, param_str=json.dumps(options), tops=tops, phase=phase)


def batches(made, count):
    """The tops of the next batches, copied."""
    return [[top.copy() for top in made.forward()] for _ in range(count)]


def indices(made, count):
    return np.concatenate([tops[0] for tops in batches(made, count)]).astype(int).tolist()


def test_it_keeps_caffes_contract():
    check_layer(Numbers, param_str='{"batch_size": 3}', tops=2, repeatable=False)
    check_layer(Shapes, param_str='{"batch_size": 3, "varied": "pad"}', tops=2, repeatable=False)


# --- order -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("workers", "kind"), WAYS)
@pytest.mark.parametrize("prefetch", [1, 3])
def test_batches_follow_from_the_seed(workers, kind, prefetch):
    options = {"batch_size": 4, "seed": 7}
    expected = batches(run(workers=0, **options), 8)
    found = batches(run(workers=workers, worker_type=kind, prefetch=prefetch, **options), 8)
    np.testing.assert_array_equal(found, expected)
    assert not np.array_equal(batches(run(workers=0, batch_size=4, seed=8), 8), expected)


def test_the_numbers_of_a_seed():
    """The same with each NumPy, so on both engines, and in the next version of this package."""
    index, random = batches(run(batch_size=5, seed=1), 1)[0]
    assert index.tolist() == [5, 4, 7, 0, 1]
    np.testing.assert_allclose(random, DRAWS, rtol=1e-6)


def test_an_epoch_has_every_item_once_and_goes_on_into_the_next():
    found = indices(run(batch_size=4, seed=1), 5)
    assert sorted(found[:10]) == sorted(found[10:]) == list(range(10))
    assert found[:10] != found[10:]


def test_without_shuffling_items_come_in_order():
    assert indices(run(batch_size=4, shuffle=False), 3) == [*range(10), 0, 1]


def test_in_the_test_phase_every_pass_is_alike():
    found = batches(run(phase=1, batch_size=5, workers=2), 4)
    assert found[0][0].tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_array_equal(found[:2], found[2:])


def test_a_batch_may_be_larger_than_an_epoch():
    assert sorted(indices(run(items=2, batch_size=5, seed=0), 2)) == [0] * 5 + [1] * 5


def test_the_default_seed_is_drawn_from_numpy():
    def of(seed):
        np.random.seed(seed)
        return indices(run(batch_size=10), 1)

    assert of(3) == of(3) != of(4)


@pytest.mark.parametrize(("workers", "kind"), WAYS)
def test_it_goes_on_at_any_batch(workers, kind):
    options = {"batch_size": 3, "seed": 5, "workers": workers, "worker_type": kind}
    expected = batches(run(**options), 7)
    made = run(**options)
    made.layer.start_at_batch(4)
    np.testing.assert_array_equal(batches(made, 3), expected[4:])
    made.layer.start_at_batch(1)  # also in the middle
    np.testing.assert_array_equal(batches(made, 3), expected[1:4])


@pytest.mark.parametrize("number", [-1, 1.0, True, "4", None, 2**62])
def test_it_goes_on_at_a_number_of_batches_alone(number):
    made = run(batch_size=3, seed=5)
    message = r"^Numbers: start_at_batch takes the number of batches before, in \[0, \d+\], got"
    with pytest.raises(ValueError, match=message):
        made.layer.start_at_batch(number)
    made.layer.start_at_batch(np.int64(2**40))
    made.forward()


# --- several solvers ---------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [2, 3, 4, 8])
@pytest.mark.parametrize(("workers", "start"), [(0, 0), (2, 0), (2, 3)])
def test_solvers_share_the_items(solvers, count, workers, start):
    iterations = 20 // (2 * count) + 2  # more than two epochs
    one = run(batch_size=2 * count, seed=3)
    one.layer.start_at_batch(start)
    shares = []
    for rank in range(count):
        solvers(rank, count)
        share = run(batch_size=2, seed=3, workers=workers)
        share.layer.start_at_batch(start)
        shares.append(batches(share, iterations))
    np.testing.assert_array_equal(np.concatenate(shares, -1), batches(one, iterations))


@pytest.mark.parametrize("count", [2, 3])
def test_solvers_share_rows_and_padded_items(solvers, count):
    """A solver pads to its own largest item, and counts its own items from 0 in the rows."""
    one = batches(run(Shapes, batch_size=2 * count, seed=3, varied="pad"), 5)
    for rank in range(count):
        solvers(rank, count)
        mine = slice(2 * rank, 2 * rank + 2)
        for (data, rows), (all_data, all_rows) in zip(batches(run(Shapes, batch_size=2, seed=3, varied="pad"), 5), one):
            np.testing.assert_array_equal(data, all_data[mine, : data.shape[1]])
            assert (all_data[mine, data.shape[1] :] == -1).all()
            expected = all_rows[all_rows[:, 0] // 2 == rank] - [2 * rank, 0, 0, 0]
            np.testing.assert_array_equal(rows, expected)


def test_each_solver_tests_on_all(solvers):
    solvers(1, 2)
    assert indices(run(phase=1, batch_size=4), 1) == [0, 1, 2, 3]


def test_solvers_need_a_seed_or_draw_alike(solvers):
    found = []
    for rank in range(2):
        solvers(rank, 2)
        np.random.seed(3)
        with drawing_alike():
            found += indices(run(batch_size=5), 2)
    assert sorted(found) == sorted([*range(10)] * 2)
    with pytest.raises(ValueError, match=r"^Numbers: needs the parameter seed where several solvers train together"):
        run()


# --- shapes ------------------------------------------------------------------------------------------


def test_items_of_other_shapes_are_refused():
    with pytest.raises(
        ValueError,
        match=r"^Shapes: item 1: data of shape \(2, 2\), the batch's first item has \(1, 2\); make them alike, or set "
        "varied: pad$",
    ):
        run(Shapes, 1, batch_size=2, shuffle=False).forward()


@pytest.mark.parametrize("workers", [0, 2])
def test_items_of_other_shapes_are_padded(workers):
    made = run(Shapes, 1, batch_size=3, shuffle=False, varied="pad", workers=workers, worker_type="process")
    data = made.forward()[0]
    assert data.shape == (3, 3, 2)
    assert data[:, :, 0].tolist() == [[0, -1, -1], [1, 1, -1], [2, 2, 2]]


@pytest.mark.parametrize(("workers", "kind"), WAYS)
def test_batches_of_other_shapes_follow_each_other(workers, kind):
    made = run(Shapes, 1, batch_size=1, items=40, shuffle=False, workers=workers, worker_type=kind)
    for i in range(40):
        data = made.forward()[0]
        assert data.shape == (1, i + 1, 2)
        assert (data == i).all()


def test_rows_of_all_items_have_their_place_before_them():
    made = run(Shapes, 2, batch_size=3, shuffle=False, varied="pad")
    assert made.forward()[1].tolist() == [[1, 10, 10, 10], [2, 20, 20, 20], [2, 20, 20, 20]]


def test_a_batch_without_rows_is_empty():
    made = run(Shapes, 2, batch_size=1, shuffle=False)
    assert made.top[1].shape == (1, 4)  # before: real Caffe has no memory for a blob that was always empty
    assert made.forward()[1].shape == (0, 4)
    assert made.forward()[1].shape == (1, 4)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ((1, 2), r"item must return an array for each top \(data\), got 2$"),
        ("text", "data must be an array of numbers, got array"),
        (None, r"item must return an array for each top \(data\), got None$"),
        ([None], "data must be an array of numbers, got array"),
    ],
)
def test_what_is_no_item_is_refused(made, message, monkeypatch):
    monkeypatch.setattr(Plain, "made", made)
    with pytest.raises(ValueError, match=rf"^Plain: item 0: {message}"):
        run(Plain, 1)


def test_no_items_are_refused():
    with pytest.raises(ValueError, match=r"^Numbers: has no items$"):
        run(items=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"data of shape \(1073741824, 1, 2\) has more than 2147483647 values, a blob's most$"),
        ({"workers": 9, "prefetch": 9}, r"makes 81 batches ahead, .* MiB in all, more than this"),
    ],
)
def test_more_than_memory_holds_is_refused(options, message):
    layer = Numbers if options else Shapes
    with pytest.raises(ValueError, match=rf"^{layer.__name__}: {message}"):
        run(layer, 1, shuffle=False, batch_size=2**30, **options)


@pytest.mark.parametrize(("name", "most"), [("workers", 256), ("prefetch", 1024)])
def test_more_workers_than_make_sense_are_refused(name, most):
    with pytest.raises(ValueError, match=rf"^Numbers: parameter {name} must be an integer in \[\d, {most}\], got 9999"):
        run(**{name: 9999})


def test_a_system_without_threads_to_give(monkeypatch):
    def start(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(ValueError, match=r"^Numbers: cannot start 3 workers of type thread: can't start new thread$"):
        run(workers=3).forward()


def test_a_count_that_is_no_number(monkeypatch):
    monkeypatch.setattr(Numbers, "item_count", lambda self: None)
    with pytest.raises(ValueError, match=r"^Numbers: item_count must return how many items there are, got None$"):
        run()


def test_tops_are_counted():
    with pytest.raises(ValueError, match=r"^Numbers: needs 1 to 2 tops \(index, \[random\]\), got 3$"):
        run(tops=3)


# --- errors ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("workers", "kind"), WAYS)
def test_an_items_error_reaches_forward(workers, kind, capfd):
    made = run(batch_size=2, shuffle=False, wrong=5, workers=workers, worker_type=kind)
    assert indices(made, 2) == [0, 1, 2, 3]
    for _ in range(2):  # the next forward tries the same batch
        with pytest.raises(ValueError, match=r"^Numbers: number 5: KeyError: 'of my own'$"):
            made.forward()
    assert "in go_wrong" in capfd.readouterr().err  # the item's own traceback, printed by the base class
    made.layer.wrong = None
    assert indices(made, 1) == [4, 5]


@pytest.mark.parametrize(("workers", "kind"), WAYS)
def test_an_interrupted_batch_comes_again(workers, kind, monkeypatch):
    made = run(batch_size=2, shuffle=False, workers=workers, worker_type=kind)
    assert indices(made, 1) == [0, 1]
    with monkeypatch.context() as patch:
        patch.setattr(made.layer, "_give", lambda arrays, top: signal.raise_signal(signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            made.forward()
    assert indices(made, 2) == [2, 3, 4, 5]


@pytest.mark.parametrize(("workers", "kind"), WAYS)
def test_an_items_keyboard_interrupt_is_one(workers, kind):
    before = {*threads(), *children()}
    made = run(batch_size=2, shuffle=False, wrong=5, end="interrupt", workers=workers, worker_type=kind)
    assert indices(made, 2) == [0, 1, 2, 3]
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt, match="^number 5$" if workers else "^$"):
            made.forward()
        assert until(lambda: {*threads(), *children()} <= before)
    made.layer.wrong = None
    assert indices(made, 1) == [4, 5]


def test_an_error_in_the_first_item_is_setups():
    with pytest.raises(ValueError, match=r"^Numbers: number 0: KeyError"):
        run(wrong=0, shuffle=False)


@pytest.mark.parametrize(
    ("end", "how"),
    [("kill", r"was ended by SIGKILL \(the machine may be out of memory\)"), ("exit", "has ended with status 3")],
)
def test_a_process_that_ends_is_noticed(end, how):
    made = run(batch_size=2, shuffle=False, wrong=3, end=end, workers=2, worker_type="process")
    assert indices(made, 1) == [0, 1]
    with pytest.raises(ValueError, match=rf"^Numbers: number 3: the worker process \d+ {how} while it was at"):
        made.forward()
    made.layer.wrong = None
    assert indices(made, 1) == [2, 3]


@pytest.mark.parametrize("kind", ["thread", "process"])
def test_it_says_what_it_waits_for(kind, monkeypatch, capsys):
    monkeypatch.setattr("caffe_pylayers._layer.data.workers.WAIT", 0.2)
    run(shuffle=False, worker_type=kind, wait=0.5, tops=1).forward()
    said = capsys.readouterr().err.splitlines()
    assert set(said) == {"Numbers: waits 0.2 seconds and more for number 0"}


def test_an_item_that_hangs_does_not_keep_the_process():
    before = children()
    made = run(batch_size=2, shuffle=False, wrong=4, end="hang", workers=1, worker_type="process")
    assert indices(made, 2) == [0, 1, 2, 3]
    begin = time.monotonic()
    made.layer.stop_workers()
    assert time.monotonic() - begin < 10
    assert set(children()) <= set(before)


# --- the end -----------------------------------------------------------------------------------------


def children(parent=None):
    """The processes that this one, or another, has started and that run."""
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return [pid for pid in pids if state_and_parent(pid)[1] == (parent or os.getpid())]


def alive(pid):
    return state_and_parent(pid) != ("Z", 0)


def state_and_parent(pid):
    """The state of a process and the one that started it; ("Z", 0) of one that has ended."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            state, parent = file.read().rpartition(")")[2].split()[:2]
    except OSError:
        return "Z", 0
    return ("Z", 0) if state == "Z" else (state, int(parent))


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "caffe-pylayers-data"]


def until(condition):
    end = time.monotonic() + 20
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


@pytest.mark.parametrize("kind", ["thread", "process"])
def test_a_layer_that_nobody_has_ends_its_workers(kind):
    gc.collect()  # of layers before, and their descriptors
    before = {*threads(), *children()}  # real Caffe never frees the layers of a net
    descriptors = len(os.listdir("/proc/self/fd"))
    made = run(batch_size=2, workers=3, worker_type=kind)
    batches(made, 3)
    workers = {*threads(), *children()} - before
    assert len(workers) == 3
    del made
    gc.collect()
    assert until(lambda: not workers.intersection([*threads(), *children()]))
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_the_layer_goes_on_in_a_forked_process():
    made = run(batch_size=2, seed=1, workers=2, worker_type="process")
    expected = batches(run(batch_size=2, seed=1), 4)
    batches(made, 2)
    child = os.fork()
    if not child:
        try:
            same = np.array_equal(batches(made, 2), expected[2:])
            made.layer.start_at_batch(0)
            os._exit(0 if same else 1)
        finally:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    np.testing.assert_array_equal(batches(made, 2), expected[2:])


PROGRAM = """
import json, sys, warnings
from tests.layer.data.data_layers import Numbers
from caffe_pylayers.testing import LayerRun
warnings.simplefilter("error")
made = LayerRun(Numbers, param_str=json.dumps(dict(batch_size=4, workers=2, **json.loads(sys.argv[1]))), tops=2)
made.forward()
print("ready", flush=True)
"""
LOOP = PROGRAM + "while True:\n    made.forward()\n"


def start(program, root, **options):
    command = [sys.executable, "-c", program, json.dumps(options)]
    return subprocess.Popen(
        command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


@pytest.mark.parametrize("kind", ["thread", "process"])
@pytest.mark.parametrize("last", ["", "made.kept = made", "sys.exit(0)", "del made"])
def test_a_program_ends_without_a_word(root, kind, last):
    process = start(PROGRAM + last, root, worker_type=kind)
    out, errors = process.communicate(timeout=60)
    assert (process.returncode, out, errors) == (0, "ready\n", "")


def test_ctrl_c_ends_it(root):
    """The terminal sends it to the workers, too."""
    process = start(LOOP, root, worker_type="process", wait=0.01)
    assert process.stdout.readline() == "ready\n"
    workers = children(process.pid)
    assert len(workers) == 2
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert errors.count("Traceback") == 1
    assert until(lambda: not any(map(alive, workers)))


def test_workers_of_a_killed_program_end(root):
    process = start(LOOP, root, worker_type="process", wait=0.01)
    assert process.stdout.readline() == "ready\n"
    workers = children(process.pid)
    assert len(workers) == 2
    process.kill()
    process.communicate(timeout=60)
    assert until(lambda: not any(map(alive, workers)))


# --- in nets -----------------------------------------------------------------------------------------

NET = """
layer { name: "data" type: "Python" top: "index" top: "random"
        python_param { module: "tests.layer.data.data_layers" layer: "Numbers" param_str: '%s' } }
layer { name: "one" type: "Reshape" bottom: "random" top: "one"
        reshape_param { shape { dim: 16 dim: 1 dim: 8 dim: 8 } } }
layer { name: "conv" type: "Convolution" bottom: "one" top: "conv"
        convolution_param { num_output: 16 kernel_size: 3 weight_filler { type: "constant" value: 0.1 } } }
"""


def test_workers_start_beside_the_threads_of_a_net(make_net):
    from caffe_pylayers import _engine

    _engine.caffe()
    options = {"batch_size": 1024, "seed": 1, "workers": 2}
    nets = [make_net(NET % json.dumps(dict(options, worker_type=kind))) for kind in ("thread", "process")]
    for _ in range(5):  # the first has computed, so that there are threads, when the second starts its processes
        found = [net.forward()["conv"].copy() for net in nets]
        np.testing.assert_array_equal(*found)
    assert found[0].std() > 0.01


# --- the guide ---------------------------------------------------------------------------------------


@pytest.fixture
def guide(tmp_path, monkeypatch):
    """The files that the class's docstring has its reader write, in the working directory: the text of the net."""
    blocks = [textwrap.dedent(block) for block in re.findall(r"::\n\n((?:        .*\n|\n)+)", PrefetchedData.__doc__)]
    module, layer = blocks
    name = f"my_data_{len(sys.modules)}"  # a module of its own for each test
    (tmp_path / f"{name}.py").write_text(module)
    np.savez(tmp_path / "pictures.npz", x=np.arange(60.0).reshape(10, 1, 2, 3), y=np.arange(10))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return layer.replace("my_data", name)


@pytest.mark.parametrize("kind", ["thread", "process"])
def test_the_guide_makes_a_layer(guide, make_net, kind):
    from caffe_pylayers import _engine

    _engine.caffe()
    net = make_net(guide.replace('"workers": 2', f'"workers": 2, "worker_type": "{kind}"'))
    seen = []
    for _ in range(5):
        net.forward()
        data, label = (net.blobs[name].data.copy() for name in ("data", "label"))
        left = np.arange(60.0).reshape(10, 1, 2, 3)[label.astype(int)]
        turned = (data == left[..., ::-1]).all((1, 2, 3))
        np.testing.assert_array_equal(data[~turned], left[~turned])
        seen.append((label, turned))
    labels, turned = map(np.concatenate, zip(*seen))
    assert sorted(labels) == sorted([*range(10)] * 2)
    assert 0 < turned.sum() < 20
    net.layers[0].start_at_batch(1)
    net.forward()
    np.testing.assert_array_equal(net.blobs["label"].data, seen[1][0])
    net.layers[0].stop_workers()
