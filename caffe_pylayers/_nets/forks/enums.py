"""The enumerations of forks: of their fields, and the values that they add to Caffe's."""

from __future__ import annotations

ENUMS = {
    "BoxCode": "CORNER CENTER_SIZE CORNER_SIZE",
    "LocLoss": "L2 SMOOTH_L1",
    "ConfLoss": "SOFTMAX LOGISTIC",
    "Match": "BIPARTITE PER_PREDICTION",
    "Mining": "NONE MAX_NEGATIVE HARD_EXAMPLE",
    "AnnotationType": "BBOX",
    "ResizeMode": "WARP FIT_SMALL_SIZE FIT_LARGE_SIZE_AND_PAD",
    "PadMode": "CONSTANT MIRRORED REPEAT_NEAREST",
    "InterpMode": "LINEAR AREA NEAREST CUBIC LANCZOS4",
    "InterpolationAlgo": "INTER_NEAREST INTER_LINEAR INTER_CUBIC INTER_AREA",
    "EmitType": "CENTER MIN_OVERLAP",
    "Gridbox": "GRIDBOX_MAX GRIDBOX_MIN",
    "Coverage": "RECTANGULAR",
    "VideoType": "WEBCAM VIDEO",
    "Modality": "RGB FLOW",
    "BNMode": "LEARN INFERENCE",
    "IouLoss": "MSE IOU GIOU DIOU CIOU",
    "ScoreType": "OBJ PROB MULTIPLY",
    "FocalType": "ORIGIN LINEAR ONEADDP",
    "MarginType": "SINGLE DOUBLE TRIPLE QUADRUPLE",
    "CorrelationType": "MULTIPLY SUBTRACT",
    "ResampleType": "NEAREST LINEAR CUBIC AREA",
    "FlowFill": "ZERO NOT_A_NUMBER",
    "MeanOperation": "ADD SUBTRACT",
    "RoundMode": "CEIL FLOOR",
    "PoolMethod": "MAX AVE STOCHASTIC",
    "LabelType": "NONE IMAGE PIXEL",
    "SegMetric": "PixelAccuracy ClassAccuracy PixelIOU",
    "Type": "DOUBLE FLOAT FLOAT16 INT UINT",
    "Engine": "DEFAULT CAFFE CUDNN MKL2017 MKLDNN",
}

# Layer types of forks in the V1 format, ``layers { type: ROI_POOLING }``, and what they are in the current one.
V1_TYPES = {
    "BN": "BN",
    "CONVOLUTION3D": "Convolution3D",
    "DENSE_IMAGE_DATA": "DenseImageData",
    "IMAGE_SEG_DATA": "ImageSegData",
    "INTERP": "Interp",
    "POOLING3D": "Pooling3D",
    "ROI_POOLING": "ROIPooling",
    "SEG_ACCURACY": "SegAccuracy",
    "SMOOTH_L1_LOSS": "SmoothL1Loss",
    "UPSAMPLE": "Upsample",
}

# Values that forks add to enumerations of Caffe.
VALUES = {
    "LossParameter.NormalizationMode": "PRE_FIXED",
    "V1LayerParameter.LayerType": " ".join(V1_TYPES),
    **{
        f"{message}.Engine": "MKL2017 MKLDNN"
        for message in ("ConvolutionParameter", "LRNParameter", "PoolingParameter", "ReLUParameter")
    },
}
