"""Data, on the databases of tests/parity/files."""

from tests.parity.case import TEST, TRAIN, Case

FLOATS = 'data_param { backend: LMDB source: "tests/parity/files/float_lmdb" batch_size: 3 }'
MEAN = 'mean_file: "tests/parity/files/mean.binaryproto"'


def case(transform="", size=3, tops=2, phase=TEST, extra="", source="uint8"):
    data = f'data_param {{ backend: LMDB source: "tests/parity/files/{source}_lmdb" batch_size: {size} {extra} }}'
    return Case("Data", f"{data} transform_param {{ {transform} }}", [], tops=tops, phase=phase, exact=True)


CASES = [
    case(),
    case(phase=TRAIN),
    case(tops=1),
    case(size=1),
    case(size=7),
    case(size=17),
    case(extra="prefetch: 1 rand_skip: 5"),
    case("scale: 0.00390625"),
    case("scale: 0.017"),
    case("mean_value: 127.5"),
    case("mean_value: 104 mean_value: 117 mean_value: 123 scale: 0.3", phase=TRAIN),
    case(MEAN),
    case(f"{MEAN} scale: 0.1 crop_size: 3"),
    case("crop_size: 4"),
    case("crop_size: 5 mean_value: 1 mean_value: 2 mean_value: 3"),
    case("crop_size: 2"),
    case("force_color: true force_gray: true"),  # both only count for encoded images
    case("crop_size: 3 scale: 0.5 mean_value: 9", source="color"),
    case(MEAN, source="color"),
    *[
        case(force, source=source)
        for source in ("color", "alpha", "gray")
        for force in ("", "force_color: true", "force_gray: true")
    ],
    Case("Data", FLOATS, [], tops=2, exact=True),
    Case("Data", FLOATS + " transform_param { scale: 2 mean_value: 0.3 crop_size: 2 }", [], tops=2, phase=TEST),
]
