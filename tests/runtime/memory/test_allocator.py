"""The process's memory: what is done where the C library or PyTorch's messages are others."""

import pytest
import torch

from caffe_pylayers.runtime.memory import allocator


def test_another_c_library(monkeypatch):
    monkeypatch.setattr(allocator, "_glibc", lambda: None)
    assert allocator.keep_pages.__wrapped__() is False
    allocator.return_pages()


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
