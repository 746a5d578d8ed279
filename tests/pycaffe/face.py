"""What a script sees of caffe, written to a JSON file: python face.py FILE [runtime]. For Python 3.8 and numpy 1.19.

Run by test_face.py on real Caffe and on the runtime. Each expression's outcome is a value, reduced to what both have
in common, or the names of the exception's classes. Those that end the process of real Caffe are left out.
"""

import collections.abc
import inspect
import json
import os
import sys
import tempfile
import warnings

warnings.simplefilter("ignore")
os.environ.setdefault("GLOG_minloglevel", "2")
if sys.argv[2:] == ["runtime"]:
    from caffe_pylayers import runtime

    runtime.install()

import caffe
import caffe._caffe
import caffe.coord_map
import numpy as np

NET = """
layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "y" inner_product_param { num_output: 2 } }
layer { name: "sp" type: "Power" bottom: "y" top: "z" }
layer { name: "loss" type: "EuclideanLoss" bottom: "y" bottom: "z" top: "l" }
"""
MEMORY = """
layer { name: "in" type: "MemoryData" top: "x" top: "label"
        memory_data_param { batch_size: 2 channels: 1 height: 1 width: 3 } }
"""
SOLVER = """
net: "net.prototxt" base_lr: 0.5 lr_policy: "fixed" max_iter: 3 snapshot_prefix: "snap" test_iter: 1 test_interval: 9
"""
SOLVERS = ("SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam")

EXPRESSIONS = """
caffe.__version__, caffe.TRAIN, caffe.TEST
caffe.Net("net.prototxt", caffe.TEST)
caffe.Net(b"net.prototxt", caffe.TEST)
caffe.Net("net.prototxt", True)
caffe.Net("net.prototxt", caffe.TEST, weights=b"net.caffemodel")
caffe.Net("net.prototxt", "net.caffemodel", caffe.TEST)
caffe.Net(b"net.prototxt", b"net.caffemodel", caffe.TEST)
caffe.Net("net.prototxt", caffe.TEST, 0, None, "net.caffemodel")
caffe.Net(network_file="net.prototxt", phase=caffe.TEST, level=1, stages=["a"], weights=None)
caffe.Net()
caffe.Net("net.prototxt")
caffe.Net("net.prototxt", "net.caffemodel")
caffe.Net("net.prototxt", None)
caffe.Net("net.prototxt", 1.0)
caffe.Net("net.prototxt", "1")
caffe.Net("net.prototxt", caffe.TEST, "net.caffemodel")
caffe.Net("net.prototxt", caffe.TEST, level="x")
caffe.Net("net.prototxt", caffe.TEST, level=1.5)
caffe.Net("net.prototxt", caffe.TEST, stages=3)
caffe.Net("net.prototxt", caffe.TEST, stages=[1])
caffe.Net("net.prototxt", caffe.TEST, weights=3)
caffe.Net("net.prototxt", caffe.TEST, other=3)
caffe.Net("net.prototxt", caffe.TEST, 0, None, None, None)
caffe.Net(1, caffe.TEST)
caffe.Net(None, caffe.TEST)
caffe.Net("none.prototxt", caffe.TEST)
caffe.Net("none.prototxt", "net.caffemodel", caffe.TEST)
caffe.Net("net.prototxt", caffe.TEST, weights="none.caffemodel")
net.blobs is net.blobs, net.params is net.params, net.layer_dict is net.layer_dict
net.top_names is net.top_names, net.bottom_names is net.bottom_names
net.inputs is net.inputs, net.outputs is net.outputs
net.blobs, net.layer_dict, net.top_names, net.bottom_names, net.blob_loss_weights
net.inputs, net.outputs
list(net.params), len(net.params["ip"]), len(net.layers), len(net._blobs)
type(net.params["ip"]) is caffe._caffe.BlobVec, type(net.layers[1].blobs) is caffe._caffe.BlobVec
isinstance(net.params, collections.OrderedDict), isinstance(net.blobs, collections.OrderedDict)
[layer.type for layer in net.layers]
list(net._layer_names), list(net._blob_names), list(net._inputs), list(net._outputs)
list(net._top_ids(1)), list(net._bottom_ids(1)), list(net._blob_loss_weights)
net._top_ids("x")
net.layers[99]
set(net, "blobs")
set(net, "params")
set(net, "layers")
set(net, "inputs")
set(net, "top_names")
set(net, "layer_dict")
set(net, "another")
net.blobs["other"]
net.params["other"]
net.layer_dict["other"]
net.top_names["other"]
net.blobs.get("other"), "other" in net.blobs
bool(net), net == net
net.forward()
net.forward(["y"])
net.forward(blobs=["y"], start="ip", end="sp")
net.forward(None, "ip", "ip")
net.forward(x=floats(2, 3))
net.forward(x=np.zeros((2, 3)))
net.forward(x=floats(2, 1))
net.forward("y")
net.forward(["other"])
net.forward(start="other")
net.forward(end="other")
net.forward(other=floats(2, 3))
net.forward(x=floats(3, 3))
net.forward(x=floats(2, 4))
net.backward()
net.backward(["y"])
net.backward(start="sp", end="ip")
net.backward(["other"])
net.backward(start="other")
net.backward(other=floats(1))
net._forward(0, 4), net._backward(4, 0)
net._forward(0)
net._forward("0", "4")
net._forward(0.0, 4.0)
[len(batch["x"]) for batch in net._batch({"x": floats(5, 3)})]
plain.forward_all(x=floats(5, 3))
plain.forward_all(["x"], x=floats(4, 3))
plain.forward_all(other=floats(5, 3))
plain.forward_all(["other"], x=floats(5, 3))
plain.forward_backward_all(x=floats(5, 3), y=floats(5, 3), blobs=["x"], diffs=["y"])
net.reshape(), net.clear_param_diffs()
net.reshape(1)
net.save("a.caffemodel"), net.copy_from("a.caffemodel"), net.copy_from(b"a.caffemodel")
net.save_hdf5("a.h5"), net.load_hdf5("a.h5"), net.save_hdf5(b"b.h5")
net.save(1)
net.copy_from(1)
net.load_hdf5(1)
net.share_with(net)
net.share_with(1)
net.before_forward(print)
net.before_forward()
net.set_input_arrays(floats(2, 1, 1, 3), floats(2))
memory.set_input_arrays(floats(2, 1, 1, 3), floats(2)), memory.forward()
memory.set_input_arrays(floats(3, 1, 1, 3), floats(3))
memory.set_input_arrays(floats(2, 1, 1, 4), floats(2))
memory.set_input_arrays(floats(2, 2, 1, 3), floats(2))
memory.set_input_arrays(floats(2, 1, 2, 3), floats(2))
memory.set_input_arrays(floats(2, 1, 1, 3), floats(3))
memory.set_input_arrays(floats(2, 1, 1, 6)[..., ::2], floats(2))
memory.set_input_arrays(floats(2, 3), floats(2))
memory.set_input_arrays(np.zeros((2, 1, 1, 3)), floats(2))
memory.set_input_arrays(floats(2, 1, 1, 3), np.zeros(2))
memory.set_input_arrays(floats(2, 1, 1, 3), floats(2, 1))
memory.set_input_arrays(floats(2, 1, 1, 3), floats(2, 2, 1, 1))
copy.copy(net)
copy.deepcopy(net)
pickle.dumps(net)
pickle.dumps(solver)
pickle.dumps(net.blobs["x"])
copy.copy(net.blobs["x"])
pickle.dumps(net.params["ip"])
copy.deepcopy(net.params)
pickle.dumps(net.layers[0])
list(net.blobs["x"].shape), net.blobs["x"].shape[-1], tuple(net.blobs["x"].shape)
net.blobs["x"].shape[5]
net.blobs["x"].num, net.blobs["x"].channels, net.blobs["x"].height, net.blobs["x"].width, net.blobs["x"].count
net.blobs["l"].num, net.blobs["l"].count, list(net.blobs["l"].shape)
net.blobs["l"].data, net.blobs["x"].data, net.blobs["x"].diff
set(net.blobs["x"], "data")
set(net.blobs["x"], "shape")
set(net.blobs["x"], "num")
net.blobs["x"].reshape(2, 3)
net.blobs["x"].reshape((2, 3))
net.blobs["x"].reshape([2, 3])
net.blobs["x"].reshape(np.array([2, 3]))
net.blobs["x"].reshape(None)
plain.params["py"]
unshaped.blobs["y"].count, list(unshaped.blobs["y"].shape)
net.params["ip"].add_blob(2, 5), net.params["ip"][2].count, net.params["ip"][-1].data
net.params["ip"].add_blob((2, 3))
net.params["ip"][7]
caffe.SGDSolver("solver.prototxt"), caffe.SGDSolver(b"solver.prototxt")
[kinds(getattr(caffe, name + "Solver"))[:-1] for name in SOLVERS]
[isinstance(caffe.get_solver(name + ".prototxt"), caffe.SGDSolver) for name in SOLVERS]
[type(caffe.get_solver(name + ".prototxt")).__name__ for name in SOLVERS]
issubclass(caffe.NesterovSolver, caffe.AdamSolver)
caffe.SGDSolver()
caffe.SGDSolver(1)
caffe.SGDSolver("solver.prototxt", 1)
caffe.SGDSolver(solver_file="solver.prototxt")
caffe.get_solver()
caffe.get_solver(1)
isinstance(solver.net, caffe.Net), len(solver.test_nets), isinstance(solver.test_nets[0], caffe.Net)
solver.test_nets[1]
set(solver, "net")
set(solver, "test_nets")
set(solver, "iter")
set(solver, "lr")
set(solver, "param")
set(solver, "another")
solver.iter, solver.lr, solver.param.base_lr, solver.param.max_iter, solver.param.display
setattr(solver.param, "base_lr", 0.25), solver.param.base_lr, solver.lr
solver.step()
solver.step("1")
solver.step(1.0)
solver.step(1), solver.step(0), solver.iter
solver.solve(1)
solver.restore(1)
solver.restore()
solver.solve(), solver.iter
solver.snapshot(), sorted(name for name in os.listdir(".") if name.startswith("snap"))
solver.restore("snap_iter_3.solverstate"), solver.solve("snap_iter_3.solverstate"), solver.iter
solver.share_weights(1)
solver.add_callback(1)
solver.add_callback(print, print)
solver.apply_update(), solver.iter
caffe.set_mode_cpu()
caffe.set_mode_cpu(1)
caffe.set_random_seed(1)
caffe.set_random_seed(-1)
caffe.set_random_seed(2**32)
caffe.set_random_seed(1.5)
caffe.set_random_seed("1")
caffe.set_device()
caffe.set_device("0")
caffe.solver_count(), caffe.solver_rank()
caffe.set_solver_count(2), caffe.set_solver_rank(1), caffe.solver_count(), caffe.solver_rank()
caffe.set_solver_count(1), caffe.set_solver_rank(0), caffe.set_multiprocess(False)
caffe.set_solver_rank("0")
caffe.NCCL()
caffe.log("x")
caffe.log()
caffe.init_log("x")
list(caffe.layer_type_list()) == sorted(caffe.layer_type_list())
caffe.layer_type_list(1)
isinstance(caffe.Timer().ms, float), caffe.Timer().start(), caffe.Timer().stop()
caffe.Timer(1)
set(caffe.Timer(), "ms")
spec.other
spec["other"]
spec.a is spec["a"], list(spec.tops)
str(spec.to_proto()) == str(caffe.to_proto(spec.a)).replace("Input1", "a")
caffe.layers.ReLU(1)
caffe.layers.InnerProduct(spec.a, numoutput=1).to_proto()
caffe.layers.InnerProduct(spec.a, num_output="x").to_proto()
caffe.params.Pooling.MAX, caffe.params.Pooling.STOCHASTIC
caffe.params.Pool.MAX
caffe.params.Pooling.LARGEST
caffe.io.Transformer({"x": (2, 3)}).preprocess("x", np.arange(3.0))
caffe.io.Transformer({"x": (2, 3)}).preprocess("other", np.zeros(3))
caffe.io.Transformer({"x": (2, 3, 4, 5)}).preprocess("x", np.zeros((8, 9, 3)))
caffe.io.Transformer({"x": (2, 3, 4, 5)}).set_mean("x", np.zeros(4))
caffe.io.array_to_datum(np.zeros(3))
caffe.nosuch
caffe.io.nosuch
"""
MODULES = ("_caffe", "classifier", "coord_map", "detector", "io", "net_spec", "proto", "pycaffe")  # draw needs pydot
CLASSES = (
    *("Net", "SGDSolver", "AdamSolver", "Timer", "NCCL", "Classifier", "Detector", "NetSpec", "io.Transformer"),
    *("_caffe.Blob", "_caffe.BlobVec", "_caffe.Solver", "_caffe.StringVec", "net_spec.Top", "net_spec.Function"),
)


def kinds(cls):
    """The names of a class and its bases, Boost's own left out."""
    return [kind.__name__ for kind in cls.__mro__ if kind.__name__ not in ("ArgumentError", "instance")]


def floats(*shape):
    return np.zeros(shape, np.float32)


def reduced(value):
    """A value as JSON, or the kind of thing that it is."""
    if isinstance(value, (int, float, str, type(None))):
        return value
    if isinstance(value, np.ndarray):
        return [str(value.dtype), list(value.shape)]
    if isinstance(value, collections.abc.Mapping):
        return {key: reduced(value[key]) for key in sorted(value)}
    if isinstance(value, (list, tuple)):
        return [reduced(item) for item in value]
    return "an object"


def outcome(expression, names):
    try:
        return {"value": reduced(eval(expression, names))}
    except Exception as error:
        return {"raises": kinds(type(error)), "says": str(error)}


def public(thing):
    """The names of a module or class, but for the modules that a module imports."""
    return sorted(name for name in dir(thing) if not (name.startswith("_") or inspect.ismodule(getattr(thing, name))))


def signatures(thing):
    """The arguments of what a module or class defines in Python, with their defaults."""
    found = {}
    for name in ["__init__"] * inspect.isclass(thing) + public(thing):
        function = inspect.unwrap(getattr(thing, name))
        home = (getattr(function, "__module__", None) or "").split(".")[0]
        if inspect.isfunction(function) and home in ("caffe", "caffe_pylayers"):
            arguments = inspect.signature(function).parameters.values()
            found[name] = [[p.name, None if p.default is p.empty else repr(p.default)] for p in arguments]
    return found


def files():
    for name, text in (("net", NET), ("memory", MEMORY), ("solver", SOLVER)):
        with open(name + ".prototxt", "w") as file:
            file.write(text)
    for name in SOLVERS:
        with open(name + ".prototxt", "w") as file:
            momentum = "" if name in ("AdaGrad", "RMSProp") else "momentum: 0.5"
            file.write(f'{SOLVER} type: "{name}" {momentum}')
    with open("silent_layer.py", "w") as file:
        methods = "".join(
            f"    def {name}(self, *blobs): pass\n" for name in ("setup", "reshape", "forward", "backward")
        )
        file.write(f"import caffe\nclass Silent(caffe.Layer):\n{methods}")
    with open("plain.prototxt", "w") as file:
        shape = "input_param { shape { dim: 2 dim: 3 } }"
        file.write(f'force_backward: true layer {{ name: "in" type: "Input" top: "x" {shape} }}\n')
        file.write('layer { name: "p" type: "Power" bottom: "x" top: "y" power_param { power: 2 } }')
    with open("unshaped.prototxt", "w") as file:
        file.write(
            'layer { name: "py" type: "Python" top: "y" python_param { module: "silent_layer" layer: "Silent" } }'
        )


def main(path):
    path = os.path.abspath(path)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        sys.path.insert(0, folder)
        files()
        nets = {name: caffe.Net(f"{name}.prototxt", caffe.TEST) for name in ("net", "memory", "plain", "unshaped")}
        nets["net"].save("net.caffemodel")
        spec = caffe.NetSpec()
        spec.a = caffe.layers.Input(shape={"dim": [1, 2]})
        names = {
            **globals(),
            **nets,
            "solver": caffe.SGDSolver("solver.prototxt"),
            "spec": spec,
            "set": lambda thing, name: setattr(thing, name, 1),
        }
        modules = {name: getattr(caffe, name) for name in MODULES}
        classes = {}
        for name in CLASSES:
            module, _, own = name.rpartition(".")
            classes[name] = getattr(getattr(caffe, module) if module else caffe, own)
        seen = {
            "outcomes": {line: outcome(line, names) for line in EXPRESSIONS.strip().splitlines()},
            "names": {key: public(thing) for key, thing in {"caffe": caffe, **modules, **classes}.items()},
            "signatures": {key: signatures(thing) for key, thing in {**modules, **classes}.items()},
        }
        os.chdir("/")
    with open(path, "w") as file:
        json.dump(seen, file)


if __name__ == "__main__":
    main(sys.argv[1])
