# make train   a real Caffe, the digits, and LeNet trained with the two Python layers
# make test    the tests, on real Caffe and on today's Python
# make caffe   only the real Caffe, in .caffe/
# make bench   the layers' speed beside Caffe's own and beside straightforward versions
# make lint    ruff, mypy, shellcheck
# make clean   removes all that make made
#
# MNIST_SOURCE=DIR with the official t10k files: train on the 5,000 shipped digits, test on the official 10,000.

PYTHON ?= python3
MNIST_SOURCE ?=
export MNIST_SOURCE

caffe_python := .caffe/bin/python
digits := data/mnist/test_lmdb/data.mdb
tools := .venv/installed

.PHONY: train test caffe bench lint clean

train: caffe $(digits)
	$(caffe_python) scripts/train.py --solver prototxt/lenet/solver.prototxt

test: caffe $(tools)
	$(caffe_python) -m pytest
	.venv/bin/python -m pytest -m "not caffe"

caffe:
	@scripts/install_caffe.sh .caffe

bench: caffe
	$(caffe_python) benchmarks/python_layers.py

lint: $(tools)
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/shellcheck scripts/*.sh .ci/run

clean:
	rm -rf .caffe .venv data build dist

$(digits): | caffe
	$(caffe_python) -m caffe_pylayers mnist --output data/mnist $(if $(MNIST_SOURCE),--test-source "$(MNIST_SOURCE)")

$(tools): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@
