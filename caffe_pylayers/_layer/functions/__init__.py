"""Functions of arrays, numpy's or torch's, that several families use."""
