"""Stored models and solver states, binary and HDF5, in Caffe's formats."""
