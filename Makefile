# make train   LeNet trained with the two Python layers on the digits that ship with the package
#              (ENGINE=caffe: on real Caffe instead of the runtime)
# make test    the tests, on real Caffe and on the runtime, and of one against the other
# make caffe   only the real Caffe, in .caffe/
# make bench   the speed of the layers, of whole nets, of reading data and of several processes, beside real Caffe's,
#              OpenCV's and PyTorch's
#              (FACE_SSD=DIR with OpenCV's face detector: that too)
# make gpu     on a machine with a GPU, in ten minutes and without a network: the tests that compute, and nets beside
#              PyTorch's; PYTHON has the libraries that scripts/gpu.py names, OUT=DIR gets the table and the failures
#              (OPTIONS="--device cpu --batch 2 --rounds 1": on the CPU, to show that all runs)
# make lint    ruff, mypy, shellcheck
# make clean   removes what make installed, built and downloaded; what was trained stays in output/
#
# MNIST_SOURCE=DIR with the official t10k files: train on the 5,000 shipped digits, test on the official 10,000.
# A PyTorch of constraints.txt's version that is in .venv already stays, such as one for the CPU alone.

PYTHON ?= python3
ENGINE ?= runtime
OUT ?= output/gpu
MNIST_SOURCE ?=
export MNIST_SOURCE

caffe_python := .caffe/bin/python
runtime_python := .venv/bin/python
digits := data/mnist/test_lmdb/data.mdb
tools := .venv/installed
# One process more than there are cores: some tests wait for others' processes.
in_parallel := --numprocesses $(shell expr $$(nproc) + 1) --maxprocesses 8 --dist worksteal
engine_runtime := $(tools)
engine_caffe := caffe

.PHONY: train test caffe bench gpu lint clean

train: $(engine_$(ENGINE)) $(digits)
	$($(ENGINE)_python) scripts/train.py --solver prototxt/lenet/solver.prototxt --overwrite

test: caffe $(tools)
	$(caffe_python) -m pytest $(in_parallel)
	$(runtime_python) -m pytest $(in_parallel) -m "not caffe"

caffe:
	@scripts/install_caffe.sh .caffe

bench: caffe $(tools)
	$(caffe_python) benchmarks/python_layers.py
	$(caffe_python) benchmarks/library.py
	$(runtime_python) benchmarks/library.py
	$(runtime_python) benchmarks/forks.py
	$(runtime_python) benchmarks/boundary.py
	$(runtime_python) benchmarks/nets.py
	$(runtime_python) benchmarks/data.py
	$(runtime_python) benchmarks/processes.py
	$(runtime_python) benchmarks/scaling.py

gpu:
	$(PYTHON) scripts/gpu.py --output "$(OUT)" $(OPTIONS)

lint: $(tools)
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/shellcheck scripts/*.sh .ci/run

clean:
	rm -rf .caffe .venv data build dist

$(digits): | $(engine_$(ENGINE))
	$($(ENGINE)_python) -m caffe_pylayers mnist --output data/mnist \
	  $(if $(MNIST_SOURCE),--test-source "$(MNIST_SOURCE)")

$(tools): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "needs Python 3.10: make PYTHON=python3.11, say")'
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@
