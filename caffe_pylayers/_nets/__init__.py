"""Caffe's rules for prototxts, solver files and stored models, on the messages of any caffe."""
