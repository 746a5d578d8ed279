"""Items made ahead by a thread: order, depth, errors, and how it ends."""

import gc
import itertools
import subprocess
import sys
import threading
import time

import pytest

from caffe_pylayers.runtime.prefetch import Ahead


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "prefetch"]


class Counting:
    """0, 1, 2, ... and how many have been made."""

    def __init__(self):
        self.made = 0

    def __next__(self):
        self.made += 1
        return self.made - 1


def test_gives_all_in_order():
    ahead = Ahead(itertools.count(), 3)
    assert [next(ahead) for _ in range(50)] == list(range(50))


def test_makes_no_more_than_its_depth():
    source = Counting()
    ahead = Ahead(source, 2)
    assert source.made == 0
    next(ahead)
    deadline = time.monotonic() + 10
    while source.made < 4 and time.monotonic() < deadline:  # the one taken, two kept, one in hand
        time.sleep(0.01)
    time.sleep(0.1)
    assert source.made == 4


def test_an_error_comes_in_its_turn_and_stays():
    def source():
        yield 1
        raise ValueError("the second is bad")

    ahead = Ahead(source(), 4)
    assert next(ahead) == 1
    for _ in range(2):
        with pytest.raises(ValueError, match="the second is bad"):
            next(ahead)


def test_the_thread_ends_with_its_object():
    before = threads()
    ahead = Ahead(itertools.count(), 2)
    next(ahead)
    assert len(threads()) == len(before) + 1
    del ahead
    gc.collect()
    assert threads() == before


@pytest.mark.parametrize(
    "ending", ["", "raise SystemExit(3)", "import os, signal; os.kill(os.getpid(), signal.SIGINT)"]
)
def test_the_process_ends_at_once(ending):
    code = f"""
import itertools
from caffe_pylayers.runtime.prefetch import Ahead
ahead = Ahead(itertools.count(), 2)
next(ahead)
{ending}
"""
    ended = subprocess.run([sys.executable, "-c", code], timeout=60, check=False, capture_output=True, text=True)
    expected = {"": 0, "raise SystemExit(3)": 3}
    assert ended.returncode == expected.get(ending, -2), ended.stderr
    assert ending.startswith("import") or not ended.stderr


def test_a_fork_is_told_what_it_lacks():
    ahead = Ahead(itertools.repeat(b"x"), 1)
    next(ahead)
    ahead._store.end()  # as if the thread had stayed behind in the parent
    ahead._thread.join()
    ahead._store._items.clear()
    with pytest.raises(RuntimeError, match="its parent's thread that reads data is not in it"):
        next(ahead)
