"""Logs of trainings, of caffe-pylayers and of the caffe program, and pictures of their curves."""
