"""The native layer types, a file for each family."""

from caffe_pylayers.runtime import _openmp  # noqa: F401 - it loads PyTorch, before anything here does
from caffe_pylayers.runtime.layers import accuracy as accuracy
from caffe_pylayers.runtime.layers import activation as activation
from caffe_pylayers.runtime.layers import convolution as convolution
from caffe_pylayers.runtime.layers import data as data
from caffe_pylayers.runtime.layers import dropout as dropout
from caffe_pylayers.runtime.layers import eltwise as eltwise
from caffe_pylayers.runtime.layers import embed as embed
from caffe_pylayers.runtime.layers import euclidean_loss as euclidean_loss
from caffe_pylayers.runtime.layers import hdf5_data as hdf5_data
from caffe_pylayers.runtime.layers import hdf5_output as hdf5_output
from caffe_pylayers.runtime.layers import hinge_loss as hinge_loss
from caffe_pylayers.runtime.layers import im2col as im2col
from caffe_pylayers.runtime.layers import image_data as image_data
from caffe_pylayers.runtime.layers import infogain_loss as infogain_loss
from caffe_pylayers.runtime.layers import inner_product as inner_product
from caffe_pylayers.runtime.layers import input as input
from caffe_pylayers.runtime.layers import lrn as lrn
from caffe_pylayers.runtime.layers import lstm as lstm
from caffe_pylayers.runtime.layers import lstm_unit as lstm_unit
from caffe_pylayers.runtime.layers import memory_data as memory_data
from caffe_pylayers.runtime.layers import normalization as normalization
from caffe_pylayers.runtime.layers import pooling as pooling
from caffe_pylayers.runtime.layers import power as power
from caffe_pylayers.runtime.layers import prelu as prelu
from caffe_pylayers.runtime.layers import reduction as reduction
from caffe_pylayers.runtime.layers import rnn as rnn
from caffe_pylayers.runtime.layers import scale as scale
from caffe_pylayers.runtime.layers import selection as selection
from caffe_pylayers.runtime.layers import shape as shape
from caffe_pylayers.runtime.layers import sigmoid_cross_entropy as sigmoid_cross_entropy
from caffe_pylayers.runtime.layers import slicing as slicing
from caffe_pylayers.runtime.layers import softmax as softmax
from caffe_pylayers.runtime.layers import softmax_loss as softmax_loss
from caffe_pylayers.runtime.layers import spp as spp
from caffe_pylayers.runtime.layers import window_data as window_data
