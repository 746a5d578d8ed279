"""What the others do when one of several processes fails."""

import re
import socket

from caffe_pylayers.runtime.parallel.group import Group
from tests.runtime.parallel.forked import die, outcomes

MACHINE = re.escape(socket.gethostname())
ENDED = rf"solver 1 of 3 \(process \d+ on machine {MACHINE}\) has ended"


def told(found):
    """Split what the survivors say in the line that is said aloud, one, and those of the quiet ones."""
    aloud = [line for line in found if isinstance(line, str) and line.startswith("GroupError:")]
    quiet = [line for line in found if isinstance(line, str) and line.startswith("GroupError (quiet):")]
    return aloud, quiet


def sums(uid, rank, fault, at):
    group = Group(uid, rank, 3)
    for iteration in range(5):
        if rank == 1 and iteration == at:
            fault()
        group.sums([rank])


def fails():
    raise ValueError("no such image:\nx.png")


def test_a_killed_process_is_named():
    found = outcomes(3, sums, die, 2)
    aloud, quiet = told(found)
    assert (found[1], len(aloud), len(quiet)) == (-9, 1, 1)
    assert re.fullmatch(f"GroupError: {ENDED}", aloud[0])
    assert quiet[0].replace(" (quiet)", "") == aloud[0]


def test_what_fails_in_one_is_said_by_it_alone():
    found = outcomes(3, sums, fails, 2)
    aloud, quiet = told(found)
    assert (found[1], aloud) == ("ValueError: no such image:\nx.png", [])
    assert [bool(re.search(r"solver 1 of 3 \(.*\): ValueError: no such image:$", line)) for line in quiet] == [True] * 2
