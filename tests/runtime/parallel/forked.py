"""Run a function in several forked processes that meet, and see how each of them ends."""

import multiprocessing
import os
import signal

from caffe_pylayers import pycaffe as caffe

LIMIT = 30  # seconds, until all have to have ended once one has
FORK = multiprocessing.get_context("fork")


def outcomes(count, work, *args, uid=None, ranks=None):
    """Return for each process what work(uid, rank, *args) returns, raises ("Kind: message") or is killed by (-9)."""
    uid = uid or caffe.NCCL.new_uid()
    queue = FORK.SimpleQueue()
    ranks = list(range(count)) if ranks is None else ranks
    processes = [
        FORK.Process(target=_run, args=(queue, i, work, uid, rank, *args), daemon=True) for i, rank in enumerate(ranks)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(LIMIT)
        assert process.exitcode is not None, "it does not end"
    found = [process.exitcode for process in processes]
    while not queue.empty():
        i, outcome = queue.get()
        found[i] = outcome
    return found


def _run(queue, i, work, *args):
    try:
        queue.put((i, work(*args)))
    except Exception as error:
        queue.put((i, f"{type(error).__name__}{' (quiet)' if getattr(error, 'quiet', False) else ''}: {error}"))
        raise


def die():
    """End this process as nothing else does."""
    os.kill(os.getpid(), signal.SIGKILL)
