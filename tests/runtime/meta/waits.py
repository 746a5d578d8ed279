"""What makes a GPU wait by its nature, with the reason. Nothing else may: see test_layers.

Python layers without ``array_api`` compute on the host: their bottoms come to it, and their tops go back. So does
whoever looks at ``blob.data``, and so do the losses that are displayed.
"""

OF_VALUES = "a top's shape follows from values"

NATIVE = {
    "DummyData": "the host's generator draws, so that a seed gives the same numbers on every device",
    "Filter": OF_VALUES,
    "HDF5Output": "writes its bottoms to a file",
    "MemoryData": "reads the caller's arrays, which are not in pinned memory and may change after each batch",
}
