"""Data layers whose items are files with labels, from a list or otherwise."""

from __future__ import annotations

import contextlib
from typing import Any, Iterator, Sequence

from caffe_pylayers._layer import checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.data.labelled_data import LabelledData
from caffe_pylayers._layer.data.list_files import labelled_files


class FilesWithLabels(LabelledData):
    """Files with labels.

    paths: of each item, wheres: what messages call it, labels: (items, labels of each), float64.
    """

    tops: Sequence[str] = ("data", "label")
    optional_tops = 1

    paths: list[str]
    wheres: list[str]
    labels: Any

    def item_count(self) -> int:
        return len(self.paths)

    def name_of(self, index: int) -> str:
        return self.wheres[index]

    def class_values(self) -> Any:
        if self.labels.shape[1] == 0:
            raise checks.error(self, "sampling by class needs labels, and the list has none")
        return self.labels[:, 0]

    def label(self, index: int) -> Any:
        """Return an item's label: a number, or a vector of several."""
        labels = self.labels[index]
        return labels[0] if len(labels) == 1 else labels

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Raise a ValueError of what is read under the layer's name."""
        try:
            yield
        except ValueError as error:
            raise checks.error(self, str(error)) from error.__cause__


class FileList(FilesWithLabels):
    """Files of a list with any number of labels on each line, which ``read_list`` reads."""

    source = Parameter(str, doc="the list: `path label label ...` on each line; paths may hold blanks")
    root = Parameter(str, "", doc="the folder that the paths start from; default: the working directory")
    label_count = Parameter(int, None, low=0, doc="numbers behind each path; default: as many as on the first line")

    def read_list(self) -> None:
        with self.reading():
            self.wheres, self.paths, self.labels = labelled_files(self.source, self.root, self.label_count)
        if self.optional_tops and not self.labels.shape[1]:
            self.tops = self.tops[:1]
