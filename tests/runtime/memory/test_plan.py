"""When memory is free, from who reads and writes what."""

from caffe_pylayers.runtime.memory.plan import Call, last_uses

A, B, C, D = range(4)


def test_free_after_the_last_reader():
    forward = [Call(writes=[A]), Call([A], [B]), Call([A, B], [C]), Call([C])]
    assert last_uses(forward) == [[], [], [A, B], [C]]


def test_written_and_read_by_nobody_is_free_at_once():
    assert last_uses([Call(writes=[A])]) == [[A]]


def test_kept_is_never_free():
    assert last_uses([Call(writes=[A]), Call([A], [B])], kept=[A]) == [[], [B]]


def test_what_an_earlier_round_has_left_is_never_free():
    assert last_uses([Call([A], [B]), Call([B], [A])]) == [[], [B]]
    assert last_uses([Call([D])]) == [[]], "that nobody writes"


def test_in_place():
    assert last_uses([Call(writes=[A]), Call([A], [A]), Call([A], [B])]) == [[], [], [A, B]]
