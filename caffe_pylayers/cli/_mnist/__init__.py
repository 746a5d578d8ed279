"""MNIST: a sample of 5,000 digits, reading of its files, writing of Caffe's databases."""


class DataError(Exception):
    """The digits cannot be had or written; the message names the file and what is wrong with it."""
