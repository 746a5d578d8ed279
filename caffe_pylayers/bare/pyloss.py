"""``module: "pyloss"``: the layers of caffe_pylayers.pyloss under the bare name."""

from caffe_pylayers.pyloss import *  # noqa: F403
