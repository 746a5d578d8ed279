"""What is in a database."""

import contextlib


def contents(path):
    """The records of an LMDB or a LevelDB, by key, in their order."""
    if (path / "CURRENT").exists():
        import plyvel

        with contextlib.closing(plyvel.DB(str(path))) as database:
            return dict(database.iterator())
    import lmdb

    with lmdb.open(str(path), readonly=True, lock=False) as database, database.begin() as transaction:
        return {bytes(key): bytes(value) for key, value in transaction.cursor()}
