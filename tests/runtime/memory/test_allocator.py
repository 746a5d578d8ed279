"""The process's memory: what is done where the C library or PyTorch's messages are others."""

import numpy as np
import pytest
import torch

from caffe_pylayers.runtime.memory import allocator


def test_another_c_library(monkeypatch):
    monkeypatch.setattr(allocator, "_glibc", lambda: None)
    assert allocator.keep_pages.__wrapped__() is False
    allocator.return_pages()


FILES = {
    "version 2": {
        "memory.max": "1000\n",
        "memory.current": "700\n",
        "memory.stat": "anon 400\ninactive_file 50\nactive_file 60\n",
    },
    "version 1": {
        "memory/memory.limit_in_bytes": "1000\n",
        "memory/memory.usage_in_bytes": "700\n",
        "memory/memory.stat": "inactive_file 7\ntotal_inactive_file 50\n",
    },
    "no limit": {"memory.max": "max\n", "memory.current": "700\n", "memory.stat": "inactive_file 50\n"},
    "no group": {},
}


@pytest.mark.parametrize("version", FILES)
def test_what_a_control_group_has_left(tmp_path, version):
    """Its limit less what it uses, of which pages of files that nobody reads again do not count."""
    for name, text in FILES[version].items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert allocator._of_group(tmp_path) == (350 if version.startswith("version") else None)


@pytest.mark.parametrize("left", [(10, 20), (20, 10), (10, None), (None, 10)])
def test_the_tighter_limit_counts(monkeypatch, left):
    monkeypatch.setattr(allocator, "_of_system", lambda: left[0])
    monkeypatch.setattr(allocator, "_of_group", lambda: left[1])
    assert allocator.available() == 10


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (MemoryError(), "not enough memory"),
        (RuntimeError("[...] DefaultCPUAllocator: can't allocate memory: you tried to allocate 64 bytes."), "64 bytes"),
        (RuntimeError("another message"), ""),
        (ValueError("DefaultCPUAllocator: you tried to allocate 64 bytes"), ""),
    ],
)
def test_errors_that_are_a_shortage(error, message):
    found = allocator.shortage(error)
    assert message in found
    assert bool(found) == bool(message)


def test_pytorchs_own_message_is_recognized(monkeypatch):
    monkeypatch.setattr(allocator, "LARGE", 1 << 62)  # as if the system's files told nothing
    with pytest.raises(allocator.OutOfMemoryError, match=f"{1 << 48:,} bytes are needed"):
        allocator.empty((1 << 46,))
    assert allocator.empty((2, 3)).shape == torch.Size((2, 3))


@pytest.mark.parametrize(("rarely", "wanted"), [(1, [0, 4, 7, 10, 12]), (3, [0, 4, 7, 10]), (4, [0, 4, 8, 12])])
def test_free_memory_is_returned_after_the_first_round_and_where_rounds_have_grown(monkeypatch, rarely, wanted):
    sizes = [900, 500, 505, 530, 540, 500, 510, 700, 720, 720, 800, 500, 900]
    returned = []
    monkeypatch.setattr(allocator, "RARELY", rarely)
    monkeypatch.setattr(allocator, "resident", lambda: size << 20)
    monkeypatch.setattr(allocator, "return_pages", lambda: returned.append(i))
    rounds = allocator.Rounds()
    for i, size in enumerate(sizes):  # noqa: B007 - the functions above read both
        rounds.done()
    assert returned == wanted


def test_the_memory_of_this_process_is_told():
    held = np.ones(1 << 23)
    assert allocator.resident() == 0 or allocator.resident() > held.nbytes
