"""Every layer type of the runtime beside real Caffe's: values, shapes and gradients."""

import pytest

from caffe_pylayers.runtime.layers import _kernels
from caffe_pylayers.runtime.layers.layer import LAYERS
from tests.parity.compare import check
from tests.parity.families import FAMILIES, GOLDEN, cases, record
from tests.parity.plan import digest
from tests.parity.recording import load

CASES = {family: cases(family) for family in FAMILIES}
ROWS = [
    pytest.param(family, index, id=f"{case.type}-{family}{index}")
    for family in FAMILIES
    for index, case in enumerate(CASES[family])
]

# Types without cases here, each with the reason.
EXEMPT = {"HDF5Output": "has no top: test_stores compares its file"}

# Each forward goes on where the last one stopped; Python layers are run on other bottoms by check_layer.
READERS = {"Data", "ImageData", "HDF5Data", "MemoryData", "Python"}


@pytest.fixture(scope="session")
def live(real_python, tmp_path_factory):
    """Recordings of the real Caffe that is here, by family."""
    folder = tmp_path_factory.mktemp("parity")
    record(real_python, folder)
    return {family: load(folder / f"{family}.npz") for family in FAMILIES}


@pytest.fixture(scope="session")
def golden():
    """The recordings of the repository, by family."""
    return {path.stem: load(path) for path in GOLDEN.glob("*.npz")}


@pytest.mark.parametrize(("family", "index"), ROWS)
def test_live(live, family, index):
    check(CASES[family][index], live[family][index])


@pytest.fixture
def recorded(golden, family, index):
    """The repository's recording of a case."""
    wanted = digest(CASES[family][index])
    found = next((r for r in golden.get(family, []) if r.digest == wanted), None)
    assert found, "this case is not recorded as it is now: run scripts/record_golden.py"
    return found


@pytest.mark.parametrize(("family", "index"), ROWS)
def test_golden(recorded, record_property, family, index):
    record_property("error", check(CASES[family][index], recorded))


# The types that compute by kernels which PyTorch does not document, where it has them.
KINDS = "BatchNorm BNLL Convolution Deconvolution ELU InnerProduct LRN Pooling PReLU ReLU Sigmoid SPP TanH"
BY_KERNELS = [row for row in ROWS if CASES[row.values[0]][row.values[1]].type in KINDS.split()]


@pytest.mark.parametrize(("family", "index"), BY_KERNELS)
def test_without_pytorchs_undocumented_kernels(recorded, monkeypatch, family, index):
    monkeypatch.setattr(_kernels, "kernel", lambda name: None)
    check(CASES[family][index], recorded)


@pytest.mark.parametrize(("family", "index"), ROWS)
def test_a_layer_that_has_run_before(recorded, family, index):
    case = CASES[family][index]
    goes_on = case.type in READERS or (case.type in {"LSTM", "RNN"} and case.bottoms[1][0].any())
    if not goes_on:  # from where it stopped
        check(case, recorded, used=True)


def test_nothing_is_recorded_that_is_no_case(golden):
    recorded = {(family, r.digest) for family, recordings in golden.items() for r in recordings}
    assert recorded <= {(family, digest(case)) for family in FAMILIES for case in CASES[family]}


def test_every_type_has_cases():
    covered = {case.type for family in FAMILIES for case in CASES[family]}
    assert set(LAYERS.names()) - covered == set(EXEMPT)
