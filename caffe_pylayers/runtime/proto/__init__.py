"""Caffe's protobuf messages: caffe.proto, and caffe_pb2 generated from it."""
