"""The engine's solver, built in its mode and from its seeds, and the folder in which it lives."""

from __future__ import annotations

import contextlib
import random
import traceback
from pathlib import Path
from typing import Any, Iterator

import numpy as np

from caffe_pylayers import _engine
from caffe_pylayers._disk import files
from caffe_pylayers._layer.solvers import drawing_alike
from caffe_pylayers.cli._training import solver_file
from caffe_pylayers.cli._training.loop import blame
from caffe_pylayers.cli._training.mode import enter_mode
from caffe_pylayers.cli._training.plan import SEEDS
from caffe_pylayers.cli._training.team import Alone


@contextlib.contextmanager
def base_folder(param: Any, solver: Path) -> Iterator[None]:
    """Work in the folder that the solver's relative paths start from."""
    with files.working_directory(solver_file.base_folder(param, solver, Path.cwd())):
        try:
            yield
        except BaseException as error:
            _free_nets(error)
            raise


def _free_nets(error: BaseException | None) -> None:
    """Free the nets that a traceback holds: their prefetch threads read relative to the folder that is left next."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def build(param: Any, source: Any, team: Alone) -> Any:
    """Return a solver of its param's mode, made of a file or a message.

    Python layers draw from the same seed in all processes while they are set up, so that data layers agree upon an
    order, and from one of each process's own after that. Caffe's own generator is the solver's to seed.
    """
    enter_mode(param)
    _seed(param.random_seed)
    with blame("building the nets"), drawing_alike():
        solver = _engine.caffe().get_solver(source)
    if _engine.on_runtime():  # a real Caffe keeps all blobs
        solver.reuse_memory()
    if team.count > 1:
        _seed(param.random_seed + team.rank)
    return solver


def _seed(seed: int) -> None:
    if seed >= 0:
        random.seed(seed)
        np.random.seed(seed % SEEDS)
