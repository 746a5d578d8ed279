"""Rows of a table, from a CSV file or from arrays in an npz file.

layer {
  name: "data"  type: "Python"  top: "data"  top: "label"
  python_param {
    module: "caffe_pylayers.table_data"  layer: "CSVData"
    param_str: '{"source": "housing.csv", "labels": ["price"], "batch_size": 64}'
  }
}
layer {
  name: "data"  type: "Python"  top: "image"  top: "angle"
  python_param {
    module: "caffe_pylayers.table_data"  layer: "NPZData"
    param_str: '{"source": "driving.npz", "arrays": ["image", "angle"], "batch_size": 64}'
  }
}
"""

from __future__ import annotations

import csv
import os
import zipfile
from typing import Sequence

import numpy as np

from caffe_pylayers._layer import checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.data.labelled_data import LabelledData
from caffe_pylayers._layer.quote import short

__all__ = ["CSVData", "NPZData"]


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


class CSVData(LabelledData):
    """Rows of numbers in a CSV file.

    data[n] = the row's numbers in ``columns``, label[n] = those in ``labels``.

    Bottom:
        none
    Top:
        [0] data (N, columns)
        [1] label, optional: (N,) for one column, else (N, labels)
    Backward:
        none
    Raises:
        ValueError, before the net is built, for a file that cannot be read or has no rows, columns that it lacks,
        rows of another length than the first, and what is no number; the message names file and line.
    References:
        Published layers that it stands for: CSVDataLayer, and those that read features from text.
    Example:
        >>> import os, tempfile
        >>> from caffe_pylayers.testing import LayerRun
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with open(os.path.join(folder, "table.csv"), "w") as source:
        ...         _ = source.write("x,y,price" + chr(10) + "1,2,30" + chr(10) + "4,5,60")
        ...     param_str = str({"source": source.name, "labels": ["price"], "batch_size": 2, "shuffle": False})
        ...     data, label = LayerRun(CSVData, param_str=param_str, tops=2).forward()
        >>> data
        array([[1., 2.],
               [4., 5.]])
        >>> label
        array([30., 60.])
    """

    source = Parameter(str, doc="the file")
    labels = Parameter([str], (), doc="the label's columns: names of the first line, or numbers from 0")
    columns = Parameter([str], (), doc="the data's columns; default: all others, in their order")
    header = Parameter(bool, None, doc="the first line has the columns' names; default: if it has no number")
    delimiter = Parameter(str, ",", choices=(",", ";", "\t", " ", "|"), doc="between the values of a line")

    tops: Sequence[str] = ("data", "label")
    optional_tops = 1

    def prepare(self):
        names, self._rows, self._lines = self._read()
        labels = [self._column(names, name) for name in self.labels]
        chosen = [self._column(names, name) for name in self.columns]
        chosen = chosen or [i for i in range(len(names)) if i not in labels]
        if not chosen:
            raise checks.error(self, f"{self.source}: no column is left for the data")
        if not labels:
            self.tops = ("data",)
        self._data = self._rows[:, chosen]
        self._labels = self._rows[:, labels[0] if len(labels) == 1 else labels]

    def item_count(self):
        return len(self._rows)

    def name_of(self, index):
        return f"{self.source}:{self._lines[index]}"

    def item(self, index, rng):
        return (self._data[index], self._labels[index])[: len(self.tops)]

    def class_values(self):
        """Return the first label of each row."""
        if not self.labels:
            raise checks.error(self, "sampling by class needs the parameter labels")
        return self._labels.reshape(len(self._labels), -1)[:, 0]

    def _read(self):
        """Return the columns' names, or their numbers, the values (rows, columns), and the rows' lines."""
        names, rows, lines = None, [], []
        try:
            with open(self.source, encoding="utf-8-sig", newline="") as file:
                reader = csv.reader(file, delimiter=self.delimiter, skipinitialspace=True)
                for row in filter(None, reader):
                    if names is None:
                        headed = self.header if self.header is not None else not any(map(_is_number, row))
                        names = [name.strip() for name in row] if headed else [str(i) for i in range(len(row))]
                        if headed:
                            continue
                    rows.append(self._numbers(row, names, reader.line_num))
                    lines.append(reader.line_num)
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise checks.error(self, f"{self.source}: {reason}") from error
        if not rows:
            raise checks.error(self, f"{self.source}: has no rows")
        return names, np.array(rows), lines

    def _numbers(self, row, names, line):
        if len(row) != len(names):
            raise checks.error(self, f"{self.source}:{line}: has {len(row)} values for {len(names)} columns")
        try:
            return [float(value) for value in row]
        except ValueError:
            name, value = next((n, v) for n, v in zip(names, row) if not _is_number(v))
            raise checks.error(self, f"{self.source}:{line}: column {name}: {short(value)} is no number") from None

    def _column(self, names, name):
        if name in names:
            return names.index(name)
        if name.isdigit() and int(name) < len(names):
            return int(name)
        raise checks.error(self, f"{self.source}: has no column {short(name)}; it has {', '.join(names)[:200]}")


class NPZData(LabelledData):
    """Rows of the arrays in an npz file.

    top[i][n] = array_i[row_n]

    Bottom:
        none
    Top:
        [0] ... one for each name in ``arrays``: (N, ...), the array's shape behind its first axis
    Backward:
        none
    Raises:
        ValueError, before the net is built, for a file that is no npz, arrays that it lacks, that hold no numbers or
        have other numbers of rows.
    References:
        numpy.savez; Caffe's HDF5Data and MemoryData, which take the same arrays in other forms.
    Example:
        >>> import os, tempfile
        >>> import numpy as np
        >>> from caffe_pylayers.testing import LayerRun
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "digits.npz")
        ...     np.savez(path, x=[[1, 2], [3, 4]], y=[0, 1])
        ...     param_str = str({"source": path, "arrays": ["x", "y"], "batch_size": 2, "shuffle": False})
        ...     x, y = LayerRun(NPZData, param_str=param_str, tops=2).forward()
        >>> x
        array([[1., 2.],
               [3., 4.]])
        >>> y
        array([0., 1.])
    """

    source = Parameter(str, doc="the file, as numpy.savez writes it")
    arrays = Parameter([str], length=(1, None), doc="the arrays' names, one for each top")
    scale = Parameter(float, 1.0, doc="multiplies the first array")
    class_array = Parameter(str, None, doc="the classes for sampling; default: the last of arrays")

    def prepare(self):
        self.tops = self.arrays
        self._classes_name = self.class_array or self.arrays[-1]
        by_name = self._read({*self.arrays, self._classes_name} if self.sampling != "items" else set(self.arrays))
        self._arrays = [by_name[name] for name in self.arrays]
        self._by_class = by_name.get(self._classes_name)
        sizes = {name: len(array) for name, array in by_name.items()}
        if len(set(sizes.values())) > 1:
            listed = ", ".join(f"{name} has {size}" for name, size in sorted(sizes.items()))
            raise checks.error(self, f"{self.source}: its arrays have other numbers of rows: {listed}")

    def item_count(self):
        return len(self._arrays[0])

    def name_of(self, index):
        return f"{self.source}: row {index}"

    def item(self, index, rng):
        first, *others = (array[index] for array in self._arrays)
        return (first if self.scale == 1 else first * self.scale, *others)

    def class_values(self):
        """Return the classes' array."""
        if self._by_class.ndim != 1:
            raise checks.error(
                self, f"sampling by class needs an array of one axis, {self._classes_name} is {self._by_class.shape}"
            )
        return self._by_class

    def _read(self, wanted):
        try:
            file = np.load(self.source)
            if isinstance(file, np.ndarray):
                raise ValueError("is no npz file")
            with file:
                missing = sorted(wanted - set(file.files))
                if missing:
                    raise ValueError(f"has no array {missing[0]!r}; it has {', '.join(file.files)}")
                found = {name: file[name] for name in wanted}
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise checks.error(self, f"{os.fspath(self.source)}: {reason}") from error
        for name, array in found.items():
            if array.dtype.kind not in "buif" or not array.ndim:
                raise checks.error(self, f"{self.source}: {name} must hold rows of numbers, got {short(array)}")
        return found
