"""``module: "one_hot"``: the layers of caffe_pylayers.one_hot under the bare name."""

from caffe_pylayers.one_hot import *  # noqa: F403
