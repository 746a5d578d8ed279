"""The parts of a Python layer: its base class, parameters, checks, and arrays of numpy or torch.

``from caffe_pylayers import Layer, Parameter`` gives a layer of your own the two it needs. Only ``base`` imports
caffe: the rest serves without an engine, and before there is one.
"""
