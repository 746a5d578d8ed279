"""A disk that is full: no file of the process grows beyond a size."""

import contextlib
import resource


@contextlib.contextmanager
def limited(size):
    """No file grows beyond a size in bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
