"""scripts/gpu.py as a module."""

import importlib.util

import pytest


@pytest.fixture(scope="session")
def gpu_script(root):
    spec = importlib.util.spec_from_file_location("gpu_script", root / "scripts" / "gpu.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
