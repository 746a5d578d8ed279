"""Values of LMDB databases: those that the library gives, and an error where it would end the process."""

import random

import lmdb
import pytest

from caffe_pylayers._layer.data import lmdb_file

PAGE = 4096


def make(folder, sizes, key="%06d", deleted=0):
    """A database of random values of these sizes, the first of them deleted again; gives its file."""
    rng = random.Random(0)
    with lmdb.open(str(folder), map_size=1 << 25) as env:
        for start in range(0, len(sizes), 100):
            with env.begin(write=True) as txn:
                for i, size in enumerate(sizes[start : start + 100], start):
                    txn.put((key % i).encode(), rng.randbytes(size))
        with env.begin(write=True) as txn:
            for i in range(deleted):
                txn.delete((key % i).encode())
    return folder / "data.mdb"


def by_the_library(folder):
    with lmdb.open(str(folder), readonly=True, lock=False) as env, env.begin() as txn, txn.cursor() as cursor:
        return list(cursor.iternext(keys=False, values=True))


@pytest.mark.parametrize(
    ("sizes", "facts"),
    [
        ([], {}),
        ([0, 1, 2029, 2030, 2031, 2032, 4080, 4081, 8176, 8177, 600_000], {}),
        ([random.Random(i).randrange(5000) for i in range(2000)], {"deleted": 700}),
        ([9] * 2000, {"key": "%0300d"}),
    ],
)
def test_what_the_library_gives(tmp_path, sizes, facts):
    path = make(tmp_path, sizes, **facts)
    found = list(lmdb_file.values(str(path)))
    assert found == by_the_library(tmp_path)
    assert len(found) == len(sizes) - facts.get("deleted", 0)
    places = lmdb_file.places(str(path))
    assert [lmdb_file.value_at(str(path), place) for place in places] == found
    key = facts.get("key", "%06d")
    assert [place.key for place in places] == [(key % i).encode() for i in range(facts.get("deleted", 0), len(sizes))]


def zeros(page, rng):
    return bytes(PAGE)


def noise(page, rng):
    return rng.randbytes(PAGE)


def a_bit(page, rng):
    at = rng.randrange(40)
    return page[:at] + bytes([page[at] ^ 1 << rng.randrange(8)]) + page[at + 1 :]


@pytest.mark.parametrize("damage", [zeros, noise, a_bit])
def test_damaged_pages(tmp_path, damage):
    path = make(tmp_path, [700] * 150 + [9000] * 10)
    content, rng, told = path.read_bytes(), random.Random(1), 0
    wanted = list(lmdb_file.values(str(path)))
    for start in range(0, len(content), PAGE):
        page = damage(content[start : start + PAGE], rng)
        path.write_bytes(content[:start] + page + content[start + PAGE :])
        try:
            assert len(list(lmdb_file.values(str(path)))) == len(wanted)
        except ValueError:
            told += 1
    assert told > len(content) // PAGE // 4


def test_files_that_are_something_else(tmp_path):
    path = tmp_path / "data.mdb"
    for content, why in ((b"", "it does not begin as one"), (b"\xff" * 300, "it is of another format")):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=f"^{path} is damaged: after 0 records: {why}$"):
            list(lmdb_file.values(str(path)))
    path.unlink()
    with pytest.raises(ValueError, match="No such file"):
        list(lmdb_file.values(str(path)))
    with lmdb.open(str(tmp_path), max_dbs=1, map_size=1 << 20) as env:
        env.open_db(None, dupsort=False)
    cut = path.read_bytes()[: 2 * PAGE]
    path.write_bytes(cut)
    assert list(lmdb_file.values(str(path))) == []
