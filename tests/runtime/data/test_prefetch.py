"""Batches made ahead: their order, errors, and that no thread is left."""

import gc
import signal
import subprocess
import sys
import textwrap
import threading
import time
import weakref

import pytest

from caffe_pylayers.runtime.data.prefetch import Batch, Prefetch
from caffe_pylayers.runtime.memory.blob import Blob
from tests.runtime.layers.one_layer import one_layer


@pytest.fixture
def workers():
    """Gives the threads that the test has started and that have not ended."""
    before = set(threading.enumerate())
    return lambda: [thread for thread in threading.enumerate() if thread not in before]


def counter(fail_at=None):
    """A fill that counts its batches."""
    state = {"made": 0}

    def fill(batch):
        if state["made"] == fail_at:
            raise RuntimeError(f"batch {fail_at}")
        batch.reshape((2,))[0][:] = state["made"]
        state["made"] += 1

    return fill, state


def take(prefetch, blob=None):
    blob = blob or Blob()
    prefetch.give([blob])
    return float(blob.data[0])


def wait(condition):
    end = time.monotonic() + 20
    while not condition() and time.monotonic() < end:
        time.sleep(0.001)
    assert condition()


@pytest.mark.parametrize("depth", [0, 1, 4])
def test_in_order_and_no_more_than_depth_ahead(depth, workers):
    fill, state = counter()
    prefetch = Prefetch(fill, depth)
    assert state["made"] == 0, "nothing is made before it is asked for"
    assert [take(prefetch) for _ in range(9)] == list(range(9))
    wait(lambda: state["made"] == 9 + depth)
    assert len(workers()) == (depth > 0)
    del prefetch
    gc.collect()
    wait(lambda: not workers())


@pytest.mark.parametrize("depth", [0, 2])
def test_what_is_held_is_not_filled_anew(depth):
    """An array of a blob shows what the blob has, not what is made ahead."""
    fill, state = counter()
    prefetch, blob = Prefetch(fill, depth), Blob()
    take(prefetch, blob)
    held = blob.data
    for i in range(1, 9):
        assert take(prefetch, blob) == i
        wait(lambda made=i + 1 + depth: state["made"] == made)
        assert (held == i).all()


def test_batches_may_differ_in_shape():
    state = {"made": 0}

    def fill(batch):
        state["made"] += 1
        batch.reshape((1 + state["made"] % 3,))[0][:] = state["made"]

    prefetch, blob = Prefetch(fill, 2), Blob()
    for i in range(1, 10):
        prefetch.give([blob])
        assert blob.data.tolist() == [i] * (1 + i % 3)


@pytest.mark.parametrize("depth", [0, 2])
def test_an_error_reaches_the_batch_that_it_is_about(depth, workers):
    fill, _ = counter(fail_at=3)
    prefetch = Prefetch(fill, depth)
    assert [take(prefetch) for _ in range(3)] == [0, 1, 2]
    for _ in range(2):
        with pytest.raises(RuntimeError, match="batch 3"):
            take(prefetch)
    del prefetch
    gc.collect()
    wait(lambda: not workers())


PROGRAM = """
    import threading, time
    from caffe_pylayers.runtime.data.prefetch import Prefetch

    def fill(batch):
        batch.reshape((2,))
        time.sleep(SECONDS)

    prefetch = Prefetch(fill, 2)
    print("ready", flush=True)
    prefetch.give([])
    END
"""


def start(seconds, end):
    program = textwrap.dedent(PROGRAM).replace("SECONDS", str(seconds)).replace("END", end)
    return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("depth", [0, 3])
def test_stopped_it_begins_anew(depth, workers):
    """With what fill makes then; also after an error."""
    fill, state = counter(fail_at=4)
    prefetch = Prefetch(fill, depth)
    for made in (range(4), range(2), range(4)):
        assert [take(prefetch) for _ in made] == list(made)
        if len(made) == 4:
            with pytest.raises(RuntimeError, match=r"^batch 4$"):
                take(prefetch)
        prefetch.stop()
        assert not workers()
        state["made"] = 0


def test_ends_with_the_process():
    said, errors = start(0.01, "print(threading.active_count())").communicate(timeout=60)
    assert (said, errors) == ("ready\n2\n", "")


def test_interrupted_while_it_waits():
    program = start(1, "")
    assert program.stdout.readline() == "ready\n"
    time.sleep(0.3)
    program.send_signal(signal.SIGINT)
    _, errors = program.communicate(timeout=60)
    assert errors.endswith("KeyboardInterrupt\n")
    assert errors.count("Traceback") == 1
    assert program.returncode == -signal.SIGINT


def test_a_net_that_is_collected_ends_its_threads(workers):
    """Those that decode, too."""
    images = "tests/parity/files"
    text = f'source: "{images}/same_size.txt" root_folder: "{images}/images/" batch_size: 5'
    layer, bottom, top = one_layer("ImageData", f"image_data_param {{ {text} }}", tops=2)
    layer.forward(bottom, top)
    assert workers()
    del layer
    gc.collect()
    wait(lambda: not workers())


def test_a_prefetch_that_has_failed_is_collected():
    fill, _ = counter(fail_at=0)
    prefetch = Prefetch(fill, 1)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="batch 0"):
            take(prefetch)
    held = weakref.ref(prefetch)
    del prefetch
    gc.collect()
    assert held() is None


def test_a_thread_is_kept_until_another_sees_that_it_has_ended(workers):
    """Freed by itself at its end, while the process ends too, it makes PyTorch abort: its batches are tensors."""
    prefetch = Prefetch(counter()[0], 2)
    prefetch.give([Blob()])
    worker = weakref.ref(*workers())
    del prefetch
    worker().join()
    gc.collect()
    assert worker() is not None
    Prefetch(counter()[0], 2).give([Blob()])
    gc.collect()
    assert worker() is None


def test_a_batch_larger_than_a_blob():
    with pytest.raises(ValueError, match=r"a blob has at most 2147483647 values, got shape \(65536, 32768\)"):
        Batch().reshape((3,), (65536, 32768))
