"""Ctrl-C while a library is imported that does not survive it."""

import signal

import pytest

from caffe_pylayers._engine.interrupts import held


def interrupt(times, reached):
    """Interrupt a held block, which then adds to a list."""
    with held():
        for _ in range(times):
            signal.raise_signal(signal.SIGINT)
        reached.append(True)


def test_the_first_waits_for_the_end_of_the_block():
    before, reached = signal.getsignal(signal.SIGINT), []
    with pytest.raises(KeyboardInterrupt):
        interrupt(1, reached)
    assert reached
    assert signal.getsignal(signal.SIGINT) is before
    interrupt(0, reached)


def test_a_second_does_not():
    reached = []
    with pytest.raises(KeyboardInterrupt):
        interrupt(2, reached)
    assert not reached


def test_one_that_is_ignored_stays_ignored():
    before, reached = signal.signal(signal.SIGINT, signal.SIG_IGN), []
    try:
        interrupt(1, reached)
        assert reached
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
