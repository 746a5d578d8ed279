"""Python layers that come with forks' own programs, and cannot be installed: what of the library does the same."""

from __future__ import annotations

import importlib.util
import json
from typing import Any

from caffe_pylayers._layer.param_str import ParamStrError, parse_param_str
from caffe_pylayers._nets.titles import title

# By ``module.Class``, as py-faster-rcnn and what is built on it have them: the library's, ``module.Class``.
_SAME = {
    "rpn.anchor_target_layer.AnchorTargetLayer": "anchors.AnchorTarget",
    "rpn.proposal_layer.ProposalLayer": "proposals.Proposal",
    "rpn.proposal_target_layer.ProposalTargetLayer": "proposals.ProposalTarget",
}


def advice(param: Any) -> str:
    """Say what to write in a python_param whose module is not there; "" where the library has nothing for it."""
    same = _SAME.get(f"{param.module}.{param.layer}")
    if same is None:
        return ""
    module, cls = same.split(".")
    return (
        f'{same} of this package does the same: write module: "caffe_pylayers.{module}" layer: "{cls}", '
        "as `caffe-pylayers port` does"
    )


def replace(net: Any) -> tuple[list[tuple[str, str, str]], list[str]]:
    """Write the library's layers into a NetParameter where modules are not there.

    Returns for each (layer, what it was, what it is), and what is wrong with a param_str.
    """
    replaced, faults = [], []
    for layer in net.layer:
        param = layer.python_param
        theirs = f"{param.module}.{param.layer}"
        if layer.type == "Python" and theirs in _SAME and not _is_there(param.module):
            module, param.layer = _SAME[theirs].split(".")
            param.module = f"caffe_pylayers.{module}"
            if param.param_str:  # in YAML, for which a stock Caffe may have no reader
                try:
                    param.param_str = json.dumps(parse_param_str(param.param_str))
                except ParamStrError as error:
                    faults.append(f"{title(layer)}: {error}")
            replaced.append((layer.name, f"Python {theirs}", f"{param.module}.{param.layer}"))
    return replaced, faults


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # of its package
        return False
