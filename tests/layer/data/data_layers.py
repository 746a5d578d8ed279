"""Data layers of the tests: also for nets, which find them by this module's name."""

import os
import signal
import time

import numpy as np

from caffe_pylayers import Parameter, PrefetchedData


class Numbers(PrefetchedData):
    """Items whose data is their index and a random number."""

    tops = ("index", "random")
    optional_tops = 1

    items = Parameter(int, 10, low=0, doc="in an epoch")
    wrong = Parameter(int, None, doc="the item that cannot be made")
    wait = Parameter(float, 0.0, doc="seconds an item takes")
    end = Parameter(
        str, "error", choices=("error", "exit", "kill", "hang", "interrupt"), doc="what becomes of the wrong item"
    )

    def item_count(self):
        return self.items

    def name_of(self, index):
        return f"number {index}"

    def item(self, index, rng):
        time.sleep(self.wait)
        if index == self.wrong:
            self.go_wrong()
        return index, rng.random()

    def go_wrong(self):
        if self.end == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.end == "exit":
            os._exit(3)
        if self.end == "hang":
            time.sleep(3600)
        if self.end == "interrupt":
            raise KeyboardInterrupt
        raise KeyError("of my own")


class Shapes(PrefetchedData):
    """Items of shape (index + 1, 2), and with rows as many."""

    tops = ("data", "rows")
    row_tops = ("rows",)
    optional_tops = 1
    pad_values = {"data": -1}  # noqa: RUF012

    items = Parameter(int, 3, doc="in an epoch")

    def item_count(self):
        return self.items

    def item(self, index, rng):
        return np.full((index + 1, 2), index), np.full((index, 3), 10.0 * index)


class Plain(PrefetchedData):
    """Items as a test has them, by its class attribute ``made``."""

    made = None

    def item_count(self):
        return 1

    def item(self, index, rng):
        return self.made
