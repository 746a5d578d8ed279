"""Blobs and layers by name."""

import copy
from collections import OrderedDict

import pytest

from caffe_pylayers.runtime.net.names import ByName, UnknownName


def test_an_ordered_dictionary_that_suggests():
    found = ByName.of("blob", [("data", 1), ("label", 2), ("ip1", 3), ("ip2", 4)])
    assert isinstance(found, OrderedDict)
    assert list(found) == ["data", "label", "ip1", "ip2"]
    for name, message in (
        ("dta", 'no blob is called "dta"; did you mean data?'),
        ("ip", 'no blob is called "ip"; did you mean ip2 or ip1?'),
        ("x", 'no blob is called "x"; there are data, label, ip1, ip2'),
        (0, 'no blob is called "0"; there are data, label, ip1, ip2'),
    ):
        with pytest.raises(KeyError) as error:
            found[name]
        assert str(error.value) == message
    assert found.get("dta") is None
    assert "dta" not in found
    with pytest.raises(KeyError):
        found.pop("dta")


@pytest.mark.parametrize(("names", "there"), [([], "there are none"), (["loss"], "there is loss")], ids=["none", "one"])
def test_few_names(names, there):
    with pytest.raises(UnknownName, match=there):
        ByName.of("layer", [(name, None) for name in names])["x"]


def test_a_copy_suggests_too():
    with pytest.raises(UnknownName, match='no blob is called "dta"; did you mean data'):
        copy.copy(ByName.of("blob", [("data", 1)]))["dta"]
