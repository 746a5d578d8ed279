"""Representations of a value: which one is current, and what is converted when."""

import numpy as np
import pytest
import torch

from caffe_pylayers.runtime.memory import device
from caffe_pylayers.runtime.memory.memory import CHANNELS_LAST, CONTIGUOUS, Memory

SHAPE = (2, 3, 4, 5)
VALUES = np.arange(120, dtype=np.float32).reshape(SHAPE)


def given(value, count=120):
    return torch.full((count,), float(value), device=device.current()).view(SHAPE if count == 120 else (count,))


@pytest.fixture
def memory():
    made = Memory(120)
    made.array(SHAPE)[...] = VALUES
    return made


def test_zero_at_first():
    assert Memory(6).read((2, 3)).eq(0).all()
    assert Memory(120).read(SHAPE, CHANNELS_LAST).eq(0).all()


@pytest.mark.parametrize("layout", [CONTIGUOUS, CHANNELS_LAST])
def test_read_gives_the_values_in_a_layout(memory, layout):
    tensor = memory.read(SHAPE, layout)
    np.testing.assert_array_equal(tensor.cpu().numpy(), VALUES)
    wanted = torch.channels_last if layout == CHANNELS_LAST else torch.contiguous_format
    assert tensor.is_contiguous(memory_format=wanted)


def test_written_in_one_layout_read_in_the_other(memory):
    memory.write(SHAPE, CHANNELS_LAST).copy_(torch.from_numpy(VALUES + 1))
    assert memory.layout(SHAPE) == CHANNELS_LAST
    np.testing.assert_array_equal(memory.read(SHAPE).cpu().numpy(), VALUES + 1)
    assert memory.layout(SHAPE) == CONTIGUOUS
    memory.update(SHAPE).add_(1)
    np.testing.assert_array_equal(memory.read(SHAPE, CHANNELS_LAST).cpu().numpy(), VALUES + 2)


@pytest.mark.parametrize("shape", [(120,), (6, 20), (3, 2, 5, 4)])
@pytest.mark.parametrize("layout", [CONTIGUOUS, CHANNELS_LAST])
def test_another_shape_sees_the_values_in_caffes_order(memory, shape, layout):
    memory.write(SHAPE, CHANNELS_LAST).copy_(torch.from_numpy(VALUES))
    layout = layout if len(shape) == 4 else CONTIGUOUS
    np.testing.assert_array_equal(memory.read(shape, layout).cpu().numpy(), VALUES.reshape(shape))


def test_fewer_values_are_the_first_ones(memory):
    np.testing.assert_array_equal(memory.read((2, 3)).cpu().numpy(), [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(memory.array(SHAPE), VALUES)


def test_the_array_is_the_memory(memory):
    memory.array(SHAPE)[0, 0, 0, 0] = 7
    assert memory.read(SHAPE)[0, 0, 0, 0] == 7
    memory.update(SHAPE).zero_()
    assert not memory.array(SHAPE).any()


@pytest.mark.parametrize("part", [slice(None), (1, slice(1, 3))])
def test_an_array_held_outside_follows_what_is_written_in_another_layout(memory, part):
    held = memory.array(SHAPE)[part]
    memory.begin()
    memory.write(SHAPE, CHANNELS_LAST).copy_(torch.from_numpy(VALUES * 2))
    memory.end()
    np.testing.assert_array_equal(held, (VALUES * 2)[part])


def test_an_array_of_another_shape_is_not_forgotten(memory):
    held = memory.array((6, 20))
    assert memory.array(SHAPE).shape == SHAPE
    memory.begin()
    memory.write(SHAPE, CHANNELS_LAST).copy_(torch.from_numpy(VALUES * 2))
    memory.end()
    np.testing.assert_array_equal(held, (VALUES * 2).reshape(6, 20))


def test_what_is_written_through_a_held_array_counts(memory):
    held = memory.array(SHAPE)
    memory.read(SHAPE, CHANNELS_LAST)
    held[...] = 5
    memory.begin()
    assert memory.read(SHAPE, CHANNELS_LAST).eq(5).all()


def test_an_array_that_nobody_holds_costs_no_conversion(memory):
    memory.write(SHAPE, CHANNELS_LAST)
    memory.begin()
    memory.end()
    assert memory.layout(SHAPE) == CHANNELS_LAST


def test_an_array_outlives_its_memory():
    held = Memory(3).array((3,))
    held[...] = 4
    np.testing.assert_array_equal(held, [4, 4, 4])


@pytest.mark.parametrize("layout", [CONTIGUOUS, CHANNELS_LAST])
def test_taken_values_are_the_values(memory, layout):
    wanted = torch.channels_last if layout == CHANNELS_LAST else torch.contiguous_format
    memory.clear()
    memory.take(given(2).contiguous(memory_format=wanted), layout)
    assert memory.layout(SHAPE) == layout
    np.testing.assert_array_equal(memory.read(SHAPE).cpu().numpy(), np.full(SHAPE, 2))


def test_a_taken_tensor_does_not_limit_the_capacity():
    memory = Memory(240)
    memory.take(given(1).contiguous(memory_format=torch.channels_last), CHANNELS_LAST)
    larger = (4, 3, 4, 5)
    assert memory.read(larger, CHANNELS_LAST).shape == larger


def test_what_is_held_shows_what_was_taken(memory):
    held = memory.array(SHAPE)
    memory.begin()
    memory.take(given(2).contiguous(memory_format=torch.channels_last), CHANNELS_LAST)
    memory.end()
    np.testing.assert_array_equal(held, np.full(SHAPE, 2))


def test_deferred_values_are_written_when_they_are_looked_at(memory):
    memory.defer(lambda: memory.write(SHAPE).fill_(3))
    np.testing.assert_array_equal(memory.array(SHAPE), np.full(SHAPE, 3))


def test_deferred_values_are_not_written_over_others(memory):
    memory.defer(lambda: memory.write(SHAPE).fill_(3))
    memory.write(SHAPE).fill_(4)
    assert memory.read(SHAPE).eq(4).all()


@pytest.mark.parametrize(
    "change",
    [
        lambda source: source.write(SHAPE).fill_(4),
        lambda source: source.update(SHAPE).fill_(4),
        lambda source: source.take(given(4)),
        lambda source: source.clear(),
        lambda source: source.array(SHAPE).fill(4),
        lambda source: source.tensor(SHAPE).fill_(4),
    ],
)
@pytest.mark.parametrize("handed_out", [False, True])
def test_deferred_values_are_written_before_their_source_changes(memory, change, handed_out):
    source = Memory(memory.capacity)
    source.write(SHAPE).fill_(3)
    if handed_out:
        source.array(SHAPE)
    memory.defer(lambda: memory.write(SHAPE).copy_(source.read(SHAPE)), source)
    change(source)
    assert memory.read(SHAPE).eq(3).all()


def test_deferred_values_whose_source_is_held_are_written_at_once(memory):
    source = Memory(memory.capacity)
    held = source.array(SHAPE)
    memory.defer(lambda: memory.write(SHAPE).copy_(source.read(SHAPE)), source)
    held.fill(4)
    assert memory.read(SHAPE).eq(0).all()


def test_deferred_values_that_were_replaced_do_not_come_back(memory):
    source = Memory(memory.capacity)
    memory.defer(lambda: memory.write(SHAPE).copy_(source.read(SHAPE)), source)
    memory.write(SHAPE).fill_(3)
    source.write(SHAPE).fill_(4)
    assert memory.read(SHAPE).eq(3).all()


@pytest.mark.parametrize("held", [False, True])
def test_a_layout_that_is_not_current_is_given_back_unless_it_is_held(memory, held):
    array = memory.array(SHAPE)
    array.fill(2)
    kept = array[1:] if held else None
    del array
    memory.update(SHAPE, CHANNELS_LAST).add_(1)
    memory.compact()
    assert len(memory._stores) == 1 + held
    np.testing.assert_array_equal(memory.array(SHAPE), np.full(SHAPE, 3))
    if held:
        np.testing.assert_array_equal(kept, np.full(SHAPE, 3)[1:])


@pytest.mark.parametrize("layout", [CONTIGUOUS, CHANNELS_LAST])
@pytest.mark.parametrize("written", [CONTIGUOUS, CHANNELS_LAST])
def test_cleared_values_are_zero(memory, written, layout):
    memory.write(SHAPE, written).fill_(3)
    memory.read(SHAPE, layout)
    memory.clear()
    assert memory.read(SHAPE, layout).eq(0).all()
    assert not memory.array(SHAPE).any()
    memory.clear()
    memory.update(SHAPE, layout).add_(1)
    assert (memory.array(SHAPE) == 1).all()


def test_clearing_replaces_deferred_values(memory):
    memory.defer(lambda: memory.write(SHAPE).fill_(3))
    memory.clear()
    assert memory.read(SHAPE).eq(0).all()


def test_a_held_array_shows_that_values_were_cleared(memory):
    held = memory.array(SHAPE)[1]
    memory.begin()
    memory.clear()
    memory.end()
    assert not held.any()


@pytest.mark.parametrize("layout", [CONTIGUOUS, CHANNELS_LAST])
def test_added_to_cleared_values_and_to_others(memory, layout):
    memory.clear()
    assert memory.read(SHAPE).eq(0).all()
    memory.clear()
    for total in (1, 2):
        memory.add(given(1), layout)
        assert memory.read(SHAPE).eq(total).all()


def test_the_version_tells_that_values_may_have_changed(memory):
    seen = memory.version
    memory.read(SHAPE)
    assert memory.version == seen
    memory.update(SHAPE)
    assert memory.version > seen
    seen, held = memory.version, memory.array(SHAPE)
    seen = memory.version
    memory.begin()  # held may have been written to
    assert memory.version > seen, held


def test_taken_memory_is_the_representation_and_what_it_replaces_is_the_makers(memory):
    first, second = given(1), given(2)
    before = memory.read(SHAPE).data_ptr()
    assert memory.take(first).data_ptr() == before
    assert memory.read(SHAPE).data_ptr() == first.data_ptr()
    assert memory.take(second).data_ptr() == first.data_ptr()
    assert (memory.array(SHAPE) == 2).all()
    assert memory.read(SHAPE, CHANNELS_LAST).eq(2).all()
    memory.array(SHAPE)[...] = 3
    assert second.eq(3).all()


def test_taken_where_nothing_was_before():
    memory = Memory(120)
    assert memory.take(given(1)) is None
    assert memory.read((2, 3)).eq(1).all()


@pytest.mark.parametrize("layout", [CONTIGUOUS, CHANNELS_LAST])
def test_taken_values_replace_those_of_other_layouts(memory, layout):
    memory.write(SHAPE, layout).fill_(5)
    memory.take(given(1))
    assert memory.read(SHAPE, layout).eq(1).all()


@pytest.mark.parametrize("part", [slice(None), (1, slice(1, 3))])
def test_an_array_held_outside_stays_the_memory(memory, part):
    held, values = memory.array(SHAPE)[part], given(1)
    assert memory.take(values) is values
    values.fill_(2)
    assert (held == 1).all()
    held[...] = 7
    assert (memory.array(SHAPE)[part] == 7).all()


@pytest.mark.parametrize("part", [slice(None), (1, slice(1, 3))])
def test_an_array_that_was_let_go_does_not(memory, part):
    held, values = memory.array(SHAPE)[part], given(1)
    memory.array((120,))
    assert memory.take(values) is values
    del held
    assert memory.take(values) is not values


def test_a_tensor_held_outside_stays_the_memory(memory):
    held, values = memory.tensor(SHAPE), given(1)
    assert memory.take(values) is values
    assert held.eq(1).all()


def test_a_tensor_held_outside_follows_what_is_written_in_another_layout(memory):
    held = memory.tensor(SHAPE)
    memory.begin()
    memory.write(SHAPE, CHANNELS_LAST).fill_(2)
    memory.end()
    assert held.eq(2).all()


def test_what_is_written_through_a_held_tensor_counts(memory):
    held = memory.tensor(SHAPE)
    memory.read(SHAPE, CHANNELS_LAST)
    held.fill_(5)
    memory.begin()
    assert memory.read(SHAPE, CHANNELS_LAST).eq(5).all()


def test_fewer_values_than_there_is_room_for_are_copied(memory):
    values = given(1, 6).view(2, 3)
    assert memory.take(values) is values
    assert memory.read((2, 3)).eq(1).all()
    assert memory.array(SHAPE).shape == SHAPE


def test_values_in_another_order_are_copied(memory):
    values = given(1).transpose(2, 3).contiguous().transpose(2, 3)
    values[0, 0, 0, 1] = 2
    assert memory.take(values) is values
    assert memory.read(SHAPE)[0, 0, 0].tolist() == [1, 2, 1, 1, 1]


def pair(layout):
    """Two memories of equal values, and what they are."""
    ours, theirs = Memory(120), Memory(120)
    theirs.write(SHAPE, layout).copy_(torch.from_numpy(VALUES))
    ours.equal(theirs, SHAPE, layout)
    return ours, theirs


@pytest.mark.parametrize("layout", [CONTIGUOUS, CHANNELS_LAST])
def test_equal_values_are_one_tensor(layout):
    ours, theirs = pair(layout)
    for memory in (ours, theirs):
        assert memory.layout(SHAPE) == layout
        np.testing.assert_array_equal(memory.read(SHAPE, layout).cpu().numpy(), VALUES)
    assert ours.read(SHAPE, layout).data_ptr() == theirs.read(SHAPE, layout).data_ptr()


WRITES = {
    "write": lambda memory, layout: memory.write(SHAPE, layout).fill_(7),
    "update": lambda memory, layout: memory.update(SHAPE, layout).fill_(7),
    "part": lambda memory, layout: memory.update(SHAPE, layout)[0].add_(1),
    "take": lambda memory, layout: memory.take(given(7), CONTIGUOUS),
    "add": lambda memory, layout: memory.add(given(7), CONTIGUOUS),
    "clear": lambda memory, layout: (memory.clear(), memory.read(SHAPE, layout)),
    "array": lambda memory, layout: memory.array(SHAPE).fill(7),
    "tensor": lambda memory, layout: memory.tensor(SHAPE).fill_(7),
    "give back": lambda memory, layout: (memory.give_back(lambda: None), memory.write(SHAPE, layout).fill_(7)),
    "other layout": lambda memory, layout: (memory.write(SHAPE).fill_(7), memory.read(SHAPE, layout)),
    "convert back": lambda memory, layout: (
        memory.read(SHAPE, CONTIGUOUS),
        memory.update(SHAPE, CONTIGUOUS).add_(1),
        memory.read(SHAPE, layout),
    ),
    "fewer": lambda memory, layout: memory.write((1, *SHAPE[1:]), layout).fill_(7),
    "another shape": lambda memory, layout: memory.read((3, 2, 5, 4), CHANNELS_LAST),
}


@pytest.mark.parametrize("layout", [CONTIGUOUS, CHANNELS_LAST])
@pytest.mark.parametrize("of", ["ours", "theirs"])
@pytest.mark.parametrize("write", WRITES)
def test_who_writes_to_equal_values_leaves_the_others(write, of, layout):
    ours, theirs = pair(layout)
    writer, other = (ours, theirs) if of == "ours" else (theirs, ours)
    alone = Memory(120)
    alone.write(SHAPE, layout).copy_(torch.from_numpy(VALUES))
    for memory in (writer, alone):
        WRITES[write](memory, layout)
    np.testing.assert_array_equal(writer.read(SHAPE).cpu().numpy(), alone.read(SHAPE).cpu().numpy())
    np.testing.assert_array_equal(other.read(SHAPE).cpu().numpy(), VALUES)


def test_the_last_of_equal_values_writes_where_they_are():
    for gone in (lambda memory: memory.give_back(lambda: None), lambda memory: memory.write(SHAPE)):
        ours, theirs = pair(CONTIGUOUS)
        where = theirs.read(SHAPE).data_ptr()
        gone(theirs)
        assert ours.update(SHAPE).data_ptr() == where


def test_the_memory_that_equal_values_replace_is_nobodys():
    ours, theirs = pair(CONTIGUOUS)
    assert ours.take(given(0)) is None
    np.testing.assert_array_equal(theirs.read(SHAPE).cpu().numpy(), VALUES)


@pytest.mark.parametrize("held", ["ours", "theirs"])
def test_what_is_held_has_equal_values_in_a_copy(held):
    ours, theirs = Memory(120), Memory(120)
    array = (ours if held == "ours" else theirs).array(SHAPE)
    theirs.write(SHAPE).copy_(torch.from_numpy(VALUES))
    ours.equal(theirs, SHAPE)
    np.testing.assert_array_equal(array, VALUES)
    array[...] = 7
    np.testing.assert_array_equal((theirs if held == "ours" else ours).read(SHAPE).cpu().numpy(), VALUES)


def test_three_with_equal_values():
    ours, theirs = pair(CONTIGUOUS)
    third = Memory(120)
    third.equal(ours, SHAPE)
    ours.update(SHAPE).zero_()
    theirs.update(SHAPE).fill_(1)
    np.testing.assert_array_equal(third.read(SHAPE).cpu().numpy(), VALUES)
    third.equal(third, SHAPE)
    np.testing.assert_array_equal(third.read(SHAPE).cpu().numpy(), VALUES)


@pytest.mark.parametrize("layout", [CONTIGUOUS, CHANNELS_LAST])
@pytest.mark.parametrize("write", WRITES)
def test_deferred_values_are_those_before_equal_ones_are_written_to(write, layout):
    ours, _ = pair(layout)
    deferred = Memory(120)
    deferred.defer(lambda: deferred.write(SHAPE, layout).copy_(ours.read(SHAPE, layout)), ours)
    WRITES[write](ours, layout)
    np.testing.assert_array_equal(deferred.read(SHAPE).cpu().numpy(), VALUES)


def test_deferred_values_are_those_before_others_take_their_place():
    ours, theirs, deferred = Memory(120), Memory(120), Memory(120)
    ours.write(SHAPE).copy_(torch.from_numpy(VALUES))
    deferred.defer(lambda: deferred.write(SHAPE).copy_(ours.read(SHAPE)), ours)
    ours.equal(theirs, SHAPE)
    np.testing.assert_array_equal(deferred.read(SHAPE).cpu().numpy(), VALUES)
