"""Concat, Slice, Crop, Tile: values and gradients are copied."""

from tests.parity.case import TEST, Case, normal

X = normal(2, 3, 4, 5)
A = normal(6, 7, 8, 9)


def concat(param, *shapes, **facts):
    bottoms = [normal(*shape, seed=seed) for seed, shape in enumerate(shapes)]
    return Case("Concat", f"concat_param {{ {param} }}", bottoms, exact=True, **facts)


def cut(param, tops, x=X, **facts):
    return Case("Slice", f"slice_param {{ {param} }}", [x], tops=tops, exact=True, **facts)


def crop(param, size, x=X, **facts):
    return Case("Crop", f"crop_param {{ {param} }}", [x, normal(*size)], down=[0], exact=True, **facts)


def tile(param, x=X, **facts):
    return Case("Tile", f"tile_param {{ {param} }}", [x], **facts)


CASES = [
    concat("", (2, 3, 4, 5), (2, 1, 4, 5)),
    concat("", (2, 3, 4, 5), (2, 1, 4, 5), (2, 3, 4, 5), (2, 6, 4, 5)),
    *[concat(param, (2, 3, 4, 5)) for param in ("", "axis: 0", "concat_dim: 3")],
    *[concat(param, (2, 3, 4), (5, 3, 4), (1, 3, 4)) for param in ("axis: 0", "axis: -3", "concat_dim: 0")],
    *[concat(param, (2, 3, 4), (2, 3, 1)) for param in ("axis: 2", "axis: -1", "concat_dim: 2")],
    concat("axis: 0", (2,), (3,)),
    concat("axis: -4", (1, 2, 1, 2, 3), (1, 1, 1, 2, 3)),
    concat("", (2, 3), (2, 4), (2, 1), down=[1]),
    concat("", (2, 3), (2, 4), (2, 1), down=[0, 2]),
    concat("", (2, 3), (2, 4), phase=TEST),
    concat("", (2, 3), (2, 4), loss_weight=3.7),
    concat("", (2, 3), in_place=True),
    *[cut("", tops) for tops in (1, 3)],
    *[cut("axis: 0", tops, normal(6, 2)) for tops in (1, 2, 3, 6)],
    *[cut(param, 2) for param in ("axis: 2", "axis: -2", "slice_dim: 2", "axis: 0", "slice_dim: 0")],
    cut("slice_point: 1", 2),
    cut("slice_point: 1 slice_point: 2", 3),
    cut("axis: -1 slice_point: 1 slice_point: 4", 3),
    cut("slice_dim: 3 slice_point: 2", 2),
    cut("axis: 0 slice_point: 3", 2, normal(7)),
    cut("axis: 3 slice_point: 1", 2, normal(1, 2, 2, 3, 2)),
    cut("", 3, phase=TEST),
    cut("", 3, down=[]),
    cut("", 3, loss_weight=3.7),
    cut("", 1, in_place=True),
    crop("", (9, 9, 2, 3)),
    crop("offset: 1", (2, 3, 2, 3)),
    crop("offset: 1 offset: 2", (2, 3, 3, 3)),
    crop("axis: 1 offset: 1", (9, 2, 3, 4)),
    crop("axis: 0 offset: 0 offset: 1 offset: 1 offset: 2", (1, 2, 3, 3)),
    crop("axis: -1 offset: 4", (1, 1, 1, 1)),
    crop("axis: -2", (1, 1, 4, 5)),
    crop("axis: 3 offset: 2", (1, 1, 1, 2)),
    crop("axis: 0 offset: 1", (2, 3), normal(5, 4)),
    crop("axis: 0 offset: 3", (2,), normal(7)),
    crop("axis: 1", (9, 2, 9), normal(2, 3)),
    crop("axis: 2 offset: 1 offset: 0 offset: 1", (1, 1, 1, 2, 2), normal(2, 1, 3, 2, 3)),
    crop("offset: 2", (1, 1, 2, 2), phase=TEST),
    crop("offset: 2", (1, 1, 2, 2), loss_weight=3.7),
    crop("axis: 0 offset: 1 offset: 2 offset: 0 offset: 3", (3, 4, 8, 2), A),
    *[tile(f"axis: {axis} tiles: {tiles}") for axis in (0, 1, 2, 3, -1, -3) for tiles in (1, 2, 5)],
    tile("tiles: 3"),
    tile("tiles: 2 axis: 0", normal(5)),
    tile("tiles: 2 axis: -2", normal(2, 1, 2, 3, 1)),
    tile("tiles: 3", phase=TEST),
    tile("tiles: 3", loss_weight=3.7),
]
