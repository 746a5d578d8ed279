"""Names and texts in messages: printable, on one line, cut off where they are long."""

import pytest

from caffe_pylayers._layer.quote import one_line, plain, quoted, short


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("conv1/3x3 é", "conv1/3x3 é"),
        ("a\nb\t\0\x1b[0m\x7f", r"a\nb\t\x00\x1b[0m\x7f"),
        ("\ufeff\u2028", r"\ufeff\u2028"),
        ("\udcff", r"\udcff"),
        ("", ""),
    ],
)
def test_what_cannot_be_printed_is_escaped(text, shown):
    assert plain(text) == shown
    assert quoted(text) == f'"{shown}"'
    assert one_line(f" {text}\n").isprintable()


def test_long_names_are_cut_off():
    assert quoted("x" * 120) == f'"{"x" * 120}"'
    assert quoted("x" * 121) == f'"{"x" * 117}..."'
    assert quoted("\0" * 100, most=10) == r'"\x00\x0..."'
    assert len(one_line("x " * 1000)) == 160
    assert len(short(["x" * 1000] * 1000)) < 600
