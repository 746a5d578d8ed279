"""The forks of Caffe, by the layer types and prototxt fields that they have and BVLC's Caffe has not."""

from __future__ import annotations

_FAST_RCNN = "rbgirshick/caffe-fast-rcnn"
_RFCN = "daijifeng001/caffe-rfcn"
_MNC = "daijifeng001/caffe-mnc"
_SSD = "weiliu89/caffe, branch ssd"
_REFINEDET = "sfzhang15/RefineDet"
_YOLO = "eric612/MobileNet-YOLO"
_DEFORMABLE = "unsky/FPN"
_PSPNET = "hszhao/PSPNet"
_SEGNET = "alexgkendall/caffe-segnet"
WINDOWS = "happynear/caffe-windows"
_FACE = "ydwen/caffe-face"
_FLOWNET = "lmb-freiburg/flownet2"
_XLEARN = "thuml/Xlearn"
_CTPN = "tianzhi0549/CTPN"
_VIDEO = "chuckcho/video-caffe"
_C3D = "facebook/C3D"
_NVIDIA = "NVIDIA/caffe"
_WARPCTC = "xmfbit/warpctc-caffe"
_OCR = "ChWick/caffe or senlinuc/caffe_ocr"
_DENSENET = "Tongcheng/caffe or senlinuc/caffe_ocr"
_STN = "christopher5106/last_caffe_with_stn"
_TRIPLET = "xiaolonw/caffe-video_triplet"
_CPM = "CMU-Perceptual-Computing-Lab/caffe_train"
_SPHEREFACE = "wy1iu/sphereface"
_SENET = "hujie-frank/SENet"
_SHUFFLENET = "farmingyard/ShuffleNet"
_FOCAL = "zimenglan-sysu-512/Focal-Loss"

_TYPES = {
    _FAST_RCNN: "ROIPooling SmoothL1Loss",
    _RFCN: "PSROIPooling BoxAnnotatorOHEM SoftmaxWithLossOHEM SmoothL1LossOHEM",
    _MNC: "ROIWarping ROIWarpingTest MaskPooling MaskResize",
    f"{_DEFORMABLE} or makefile/frcnn": "ROIAlign PSROIAlign DeformableConvolution DeformablePSROIPooling",
    _SSD: "Permute Normalize PriorBox DetectionOutput MultiBoxLoss AnnotatedData DetectionEvaluate VideoData "
    "SmoothL1LossSSD",
    _YOLO: "Reorg RegionLoss Yolov3 GaussianYolov3 Yolov3DetectionOutput YoloDetectionOutput YoloSeg ReLU6",
    f"{_SEGNET} or {_YOLO}": "Upsample",
    f"{_SEGNET}, {_PSPNET}, {WINDOWS} or {_CTPN}, each with a meaning of its own": "BN",
    _PSPNET: "Interp ImageSegData SegAccuracy DenseCRF DomainTransform DomainTransformForwardOnly BiasChannel "
    "AdaptiveBiasChannel SpatialProduct UniqueLabel MatRead MatWrite",
    _SEGNET: "DenseImageData",
    "s9xie/hed": "ImageLabelmapData",
    "yonghenglh6/DepthwiseConvolution": "DepthwiseConvolution ConvolutionDepthwise",
    _SHUFFLENET: "ShuffleChannel",
    _SENET: "Axpy",
    _FACE: "CenterLoss",
    _SPHEREFACE: "MarginInnerProduct",
    WINDOWS: "TripletLoss GeneralTripletLoss GeneralContrastiveLoss LabelSpecificAdd LabelSpecificRescale "
    "InnerDistance ChannelScale",
    _TRIPLET: "Norm RankHardLoss",
    "rksltnl/Caffe-Deep-Metric-Learning-CVPR16": "LiftedStructSimilaritySoftmaxLoss",
    f"{_FOCAL}, chuanqi305/FocalLoss or {WINDOWS}, each with a meaning of its own": "FocalLoss MultiBoxFocalLoss",
    _XLEARN: "MMDLoss JMMDLoss EntropyLoss GradientScaler OuterProduct",
    _WARPCTC: "CtcLoss ContinuationIndicator LabelsequenceAccuracy",
    _OCR: "CTCLoss WarpCTCLoss CTCGreedyDecoder ReverseTime",
    _DENSENET: "DenseBlock",
    _CTPN: "Lstm Transpose Reverse",
    _FLOWNET: "Correlation Correlation1D FlowWarp Resample Downsample ChannelNorm L1Loss LpqLoss Mean NegReLU Accum "
    "DataAugmentation FlowAugmentation GenerateAugmentationParameters BlackAugmentation CustomData FLOWriter ImgWriter "
    "FloatReader FloatWriter ImgReader",
    "twhui/LiteFlowNet": "Warp Grid ExpMax NegSquare",
    _VIDEO: "NdConvolution NdPooling",
    _C3D: "Convolution3D Pooling3D",
    _STN: "SpatialTransformer Repeat STLoss LocLoss PowerFile",
    _NVIDIA: "DetectNetTransformation",
    _CPM: "CPMData",
    "intel/caffe": "EvalDetection",
    "yjxiong/caffe": "Gather Scatter",
    "soeaver/caffe-model": "SeLu SeLuDropout",
    "peteanderson80/bottom-up-attention": "InnerProductBlob",
    "aovoc/caffe": "HSwish HardSwish",
    "zhaoweicai/mscnn": "BoxOutput DetectionLoss DetectionAccuracy ImageGtData",
    "zhaoweicai/cascade-rcnn": "BoxGroupOutput DecodeBBox ScaleRoute BboxAccuracy ProposalTarget FrcnnOutput "
    "DetectionData EvalData DetectionGroupLoss DetectionGroupAccuracy HardMining",
    "makefile/frcnn": "FrcnnProposal FrcnnProposalTarget FrcnnAnchorTarget FrcnnRoiData FPNProposal",
    "sophgo/caffe": "MatMul Mish Padding Proposal FrcnDetection RetinaFaceDetection",
}

# The losses among them whose names do not say so.
LOSSES = frozenset(["GaussianYolov3", "SmoothL1LossOHEM", "SoftmaxWithLossOHEM", "Yolov3", "YoloSeg"])

_FIELDS = {
    _FAST_RCNN: "roi_pooling_param smooth_l1_loss_param scale_train",
    _RFCN: "psroi_pooling_param box_annotator_ohem_param pre_fixed_normalizer",
    _MNC: "roi_warping_param mask_resize_param",
    f"{_DEFORMABLE} or makefile/frcnn": "psroi_align_param deformable_convolution_param deformable_psroi_pooling_param",
    "zhaoweicai/mscnn": "box_output_param image_gt_data_param detection_loss_param detection_accuracy_param",
    "zhaoweicai/cascade-rcnn": "pad_ratio ceil_mode box_group_output_param bbox_reg_param decode_bbox_param "
    "scale_route_param detection_data_param eval_data_param hard_mining_param detection_group_loss_param "
    "detection_group_accuracy_param frcnn_output_param proposal_target_param",
    "makefile/frcnn": "bi_type is_multi_interpolate roi_mask_pooling_param prior_rbox_param rdetection_output_param "
    "rdetection_evaluate_param multirbox_loss_param annotated_r_data_param config",
    "MhLiao/TextBoxes_plusplus": "denser_prior_boxes use_polygon",
    _SSD: "permute_param norm_param prior_box_param detection_output_param multibox_loss_param annotated_data_param "
    "detection_evaluate_param video_data_param resize_param noise_param distort_param expand_param emit_constraint "
    "crop_h crop_w eval_type ap_version show_per_class_result plateau_winsize",
    _REFINEDET: "objectness_score",
    _YOLO: "reorg_param region_loss_param yolov3_param yolov3_detection_output_param yolo_detection_output_param "
    "yolo_seg_param relu6_param yolo_data_type yolo_data_jitter train_diffcult difficult_label_warmup "
    "segmentation_evaluate_param",
    f"{_SEGNET} or {_YOLO}": "upsample_param",
    f"{_SEGNET}, {_PSPNET}, {WINDOWS} or {_CTPN}, each with a meaning of its own": "bn_param",
    _PSPNET: "interp_param seg_accuracy_param label_type scale_factors crop_width crop_height update_global_stats "
    "dense_crf_param domain_transform_param bias_channel_param adaptive_bias_channel_param unique_label_param "
    "mat_read_param mat_write_param",
    _SEGNET: "dense_image_data_param weight_by_label_freqs class_weighting sample_weights_test",
    _SHUFFLENET: "shuffle_channel_param",
    _FACE: "center_loss_param",
    _SPHEREFACE: "margin_inner_product_param",
    WINDOWS: "smoothl1_param normalize_param triplet_loss_param general_triplet_loss_param "
    "general_contrastive_loss_param label_specific_add_param inner_distance_param min_is_better "
    "local_param insanity_param eltwise_affine_param hotspot_param soft_contrastive_loss_param nca_param "
    "largemargin_inner_product_param label_specific_rescale_param label_specific_affine_param channel_scale_param "
    "label_specific_margin_param label_specific_hard_margin_param feature_decay_loss_param "
    "confidence_penalty_loss_param ordinal_regression_loss_param",
    _TRIPLET: "rank_param pair_size",
    "rksltnl/Caffe-Deep-Metric-Learning-CVPR16": "lifted_struct_sim_softmax_loss_param",
    f"{_FOCAL}, chuanqi305/FocalLoss or {WINDOWS}, each with a meaning of its own": "focal_loss_param",
    _XLEARN: "mmd_param jmmd_param entropy_param gradient_scaler_param",
    _WARPCTC: "ctc_loss_param continuation_indicator_param labelsequence_accuracy_param",
    _OCR: "ctc_decoder_param reverse_time_param",
    _DENSENET: "denseblock_param",
    _CTPN: "lstm_param transpose_param reverse_param",
    _FLOWNET: "correlation_param resample_param downsample_param flow_warp_param l1_loss_param lpq_loss_param "
    "mean_param accum_param augmentation_param coeff_schedule_param black_augmentation_param writer_param "
    "reader_param diag_val",
    "twhui/LiteFlowNet": "expmax_param rand_permute",
    "unsky/FPN": "conadd_param",
    _VIDEO: "kernel_shape pad_shape stride_shape",
    _C3D: "convolution3d_param pooling3d_param kernel_depth temporal_stride temporal_pad filter_group",
    _STN: "st_param repeat_param st_loss_param loc_loss_param power_file_param",
    _NVIDIA: "detectnet_groundtruth_param detectnet_augmentation_param scale_bias img_rand_resize_lower "
    "img_rand_resize_upper rand_resize_ratio_lower rand_resize_ratio_upper vertical_stretch_lower "
    "vertical_stretch_upper horizontal_stretch_lower horizontal_stretch_upper allow_upscale interpolation_algo_down "
    "interpolation_algo_up",
    "yjxiong/caffe": "fix_crop more_fix_crop multi_scale scale_ratios max_distort is_flow original_image "
    "seg_data_param batch_reduction_param",
    "intel/caffe": "random_resize_param random_aspect_ratio_param bgr2rgb eval_detection_param multinode "
    "bn_stats_batch_size mn_activation_param mn_grad_compress_param spatial_dropout_param",
    "soeaver/caffe-model": "use_blob_size selu_param selu_dropout_param",
    _CPM: "cpm_transform_param",
}


def fork_of_type(layer_type: str) -> str | None:
    """Return the fork that has a layer type, None where none is known."""
    return _BY_TYPE.get(layer_type)


def fork_of_field(field: str) -> str | None:
    """Return the fork whose prototxts have a field, None where none is known."""
    return _BY_FIELD.get(field)


def _by_name(table: dict[str, str]) -> dict[str, str]:
    return {name: fork for fork, names in table.items() for name in names.split()}


_BY_TYPE = _by_name(_TYPES)
_BY_FIELD = _by_name(_FIELDS)
