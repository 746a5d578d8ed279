"""The forks of Caffe: their layer types and fields, and what these are here."""
