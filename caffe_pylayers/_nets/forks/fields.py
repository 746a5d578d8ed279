"""The fields that forks add to Caffe's messages, all forks in one: what two of them spell alike is one field here.

Where such a field means different things, ``table`` tells them apart by the fields inside.

By message: ``name: type``, with ``*`` behind a repeated one and ``= value`` for a default. A type is one of
protobuf's, an enumeration or message of Caffe, or one from here. Texts need no field numbers, so they have none.
A field of Caffe stands here where a fork repeats it.
"""

from __future__ import annotations

from caffe_pylayers._nets.forks.fields_of_mscnn import MSCNN

# What flownet2 draws at random for each image.
_AUGMENTATIONS = (
    "mirror translate rotate zoom squeeze translate_x translate_y gamma brightness contrast color lmult_pow lmult_mult "
    "lmult_add sat_pow sat_mult sat_add col_pow col_mult col_add ladd_pow ladd_mult ladd_add col_rotate fog_amount "
    "fog_size motion_blur_angle motion_blur_size shadow_angle shadow_distance shadow_strength noise"
)

MESSAGES = {
    # SSD and what is built on it
    "PermuteParameter": "order: uint32*",
    "NormalizeParameter": "across_spatial: bool = true, channel_shared: bool = true, scale_filler: FillerParameter, "
    "eps: float = 1e-10",
    "PriorBoxParameter": "min_size: float*, max_size: float*, aspect_ratio: float*, flip: bool = true, "
    "clip: bool = false, variance: float*, img_size: uint32, img_h: uint32, img_w: uint32, step: float, "
    "step_h: float, step_w: float, offset: float = 0.5, denser_prior_boxes: bool = false",
    "NonMaximumSuppressionParameter": "nms_threshold: float = 0.3, top_k: int32, eta: float = 1",
    "SaveOutputParameter": "output_directory: string, output_name_prefix: string, output_format: string, "
    "label_map_file: string, name_size_file: string, num_test_image: uint32, resize_param: ResizeParameter",
    "DetectionOutputParameter": "num_classes: uint32, share_location: bool = true, background_label_id: int32 = 0, "
    "nms_param: NonMaximumSuppressionParameter, save_output_param: SaveOutputParameter, code_type: BoxCode = CORNER, "
    "variance_encoded_in_target: bool = false, keep_top_k: int32 = -1, confidence_threshold: float, "
    "visualize: bool = false, visualize_threshold: float, save_file: string, objectness_score: float = 0.01, "
    "use_polygon: bool",
    "MultiBoxLossParameter": "loc_loss_type: LocLoss = SMOOTH_L1, conf_loss_type: ConfLoss = SOFTMAX, "
    "loc_weight: float = 1, num_classes: uint32, share_location: bool = true, match_type: Match = PER_PREDICTION, "
    "overlap_threshold: float = 0.5, use_prior_for_matching: bool = true, background_label_id: uint32 = 0, "
    "use_difficult_gt: bool = true, do_neg_mining: bool, neg_pos_ratio: float = 3, neg_overlap: float = 0.5, "
    "code_type: BoxCode = CORNER, encode_variance_in_target: bool = false, map_object_to_agnostic: bool = false, "
    "ignore_cross_boundary_bbox: bool = false, bp_inside: bool = false, mining_type: Mining = MAX_NEGATIVE, "
    "nms_param: NonMaximumSuppressionParameter, sample_size: int32 = 64, use_prior_for_nms: bool = false, "
    "objectness_score: float = 0.01, use_polygon: bool",
    "DetectionEvaluateParameter": "num_classes: uint32, background_label_id: uint32 = 0, "
    "overlap_threshold: float = 0.5, evaluate_difficult_gt: bool = true, name_size_file: string, "
    "resize_param: ResizeParameter, use_polygon: bool",
    # TSN has fields of the same name
    "VideoDataParameter": "video_type: VideoType = WEBCAM, device_id: int32 = 0, video_file: string, "
    "skip_frames: uint32 = 0, source: string, batch_size: uint32, rand_skip: uint32 = 0, shuffle: bool = false, "
    "new_height: uint32 = 0, new_width: uint32 = 0, new_length: uint32 = 1, num_segments: uint32 = 1, "
    "modality: Modality = FLOW, name_pattern: string, encoded: bool = false, grayscale: bool = false, "
    "is_color: bool = true, root_folder: string",
    "Sampler": "min_scale: float = 1, max_scale: float = 1, min_aspect_ratio: float = 1, max_aspect_ratio: float = 1",
    "SampleConstraint": "min_jaccard_overlap: float, max_jaccard_overlap: float, min_sample_coverage: float, "
    "max_sample_coverage: float, min_object_coverage: float, max_object_coverage: float",
    "BatchSampler": "use_original_image: bool = true, sampler: Sampler, sample_constraint: SampleConstraint, "
    "max_sample: uint32, max_trials: uint32 = 100",
    "AnnotatedDataParameter": "batch_sampler: BatchSampler*, label_map_file: string, anno_type: AnnotationType, "
    "yolo_data_type: int32 = 0, yolo_data_jitter: float = 0.3, train_diffcult: bool = true, "
    "difficult_label_warmup: bool = false, single_class: bool = true, seg_scales: int32 = 8, "
    "seg_resize_width: int32 = 0, seg_resize_height: int32 = 0",
    "SaltPepperParameter": "fraction: float = 0, value: float*",
    "ResizeParameter": "prob: float = 1, resize_mode: ResizeMode = WARP, height: uint32 = 0, width: uint32 = 0, "
    "height_scale: uint32 = 0, width_scale: uint32 = 0, pad_mode: PadMode = CONSTANT, pad_value: float*, "
    "interp_mode: InterpMode*",
    "NoiseParameter": "prob: float = 0, hist_eq: bool = false, inverse: bool = false, decolorize: bool = false, "
    "gauss_blur: bool = false, jpeg: float = -1, posterize: bool = false, erode: bool = false, "
    "saltpepper: bool = false, saltpepper_param: SaltPepperParameter, "
    "clahe: bool = false, convert_to_hsv: bool = false, convert_to_lab: bool = false",
    "DistortionParameter": "brightness_prob: float = 0, brightness_delta: float = 0, contrast_prob: float = 0, "
    "contrast_lower: float = 0, contrast_upper: float = 0, hue_prob: float = 0, hue_delta: float = 0, "
    "saturation_prob: float = 0, saturation_lower: float = 0, saturation_upper: float = 0, "
    "random_order_prob: float = 0",
    "ExpansionParameter": "prob: float = 1, max_expand_ratio: float = 1",
    "EmitConstraint": "emit_type: EmitType = CENTER, emit_overlap: float = 0",
    # R-CNN
    "ROIPoolingParameter": "pooled_h: uint32 = 0, pooled_w: uint32 = 0, pooled_size: uint32*, "
    "spatial_scale: float = 1, pad_ratio: float = 0, bi_type: uint32 = 1, is_multi_interpolate: bool = true",
    "ROIAlignParameter": "pooled_h: uint32 = 0, pooled_w: uint32 = 0, spatial_scale: float = 1, "
    "sampling_ratio: int32 = 0",
    "SmoothL1LossParameter": "sigma: float = 1",
    "PSROIPoolingParameter": "spatial_scale: float, output_dim: int32, group_size: int32",
    "PSROIAlignParameter": "spatial_scale: float, output_dim: int32, group_size: int32, sample_num: int32 = 2",
    "DeformableConvolutionParameter": "num_output: uint32, bias_term: bool = true, pad: uint32*, kernel_size: uint32*, "
    "stride: uint32*, dilation: uint32*, pad_h: uint32, pad_w: uint32, kernel_h: uint32, kernel_w: uint32, "
    "stride_h: uint32, stride_w: uint32, group: uint32 = 1, deformable_group: uint32 = 4, "
    "weight_filler: FillerParameter, bias_filler: FillerParameter, engine: Engine = DEFAULT",
    "BoxAnnotatorOHEMParameter": "roi_per_img: uint32, ignore_label: int32 = -1",
    "ProposalParameter": "feat_stride: uint32 = 16, base_size: uint32 = 16, ratio: float*, scale: float*, "
    "min_size: uint32 = 16, pre_nms_topn: uint32 = 6000, post_nms_topn: uint32 = 300, nms_thresh: float = 0.7, "
    "anchor_base_size: uint32, rpn_obj_threshold: float, rpn_nms_threshold: float, rpn_nms_post_top_n: uint32, "
    "net_input_h: uint32, net_input_w: uint32",
    **MSCNN,
    "ROIWarpingParameter": "pooled_h: uint32 = 0, pooled_w: uint32 = 0, spatial_scale: float = 1",
    "MaskResizeParameter": "output_height: uint32 = 0, output_width: uint32 = 0",
    # DetectNet
    "ClassMapping": "src: uint32, dst: uint32",
    "DetectNetGroundTruthParameter": "stride: uint32 = 4, scale_cvg: float = 0.5, gridbox_type: Gridbox = GRIDBOX_MAX, "
    "max_cvg_len: uint32 = 50, min_cvg_len: uint32 = 50, coverage_type: Coverage = RECTANGULAR, "
    "image_size_x: uint32 = 1248, image_size_y: uint32 = 384, obj_norm: bool = false, crop_bboxes: bool = true, "
    "object_class: ClassMapping*",
    "DetectNetAugmentationParameter": "crop_prob: float = 1, shift_x: uint32 = 0, shift_y: uint32 = 0, "
    "scale_prob: float = 0.33, scale_min: float = 0.7, scale_max: float = 1, flip_prob: float = 0.33, "
    "rotation_prob: float = 0.33, max_rotate_degree: float = 1, hue_rotation_prob: float = 0.33, "
    "hue_rotation: float = 15, desaturation_prob: float = 0.33, desaturation_max: float = 0.5",
    # segmentation
    "BNParameter": "slope_filler: FillerParameter, bias_filler: FillerParameter, momentum: float = 0.9, "
    "eps: float = 1e-5, frozen: bool = false, engine: Engine = DEFAULT, scale_filler: FillerParameter, "
    "shift_filler: FillerParameter, bn_mode: BNMode = LEARN, var_eps: float = 1e-10, moving_average: bool = false, "
    "decay: float = 0.05, axis: int32 = 1, inverse_std: bool = false",  # the last is this package's own
    "InterpParameter": "height: int32 = 0, width: int32 = 0, zoom_factor: int32 = 1, shrink_factor: int32 = 1, "
    "pad_beg: int32 = 0, pad_end: int32 = 0, use_blob_size: bool = false",
    "UpsampleParameter": "scale: uint32 = 2, scale_h: uint32, scale_w: uint32, pad_out_h: bool = false, "
    "pad_out_w: bool = false, upsample_h: uint32, upsample_w: uint32",
    "DenseImageDataParameter": "source: string, batch_size: uint32, rand_skip: uint32 = 0, shuffle: bool = false, "
    "new_height: uint32 = 0, new_width: uint32 = 0, is_color: bool = true, root_folder: string, "
    "mean_file: string, mirror: bool = false, crop_height: uint32 = 0, crop_width: uint32 = 0, "
    "label_divide_factor: uint32 = 1",
    "SegAccuracyParameter": "metric: SegMetric = PixelAccuracy, ignore_label: int32*, reset: bool = true",
    # classification, mobile nets
    "ShuffleChannelParameter": "group: uint32 = 1",
    "ReLU6Parameter": "negative_slope: float = 0, threshold: float = 6",
    "ClipParameter": "min: float, max: float",
    "SwishParameter": "beta: float = 1",
    "PaddingParameter": "pad_method: PadMode = CONSTANT, pad_l: uint32 = 0, pad_r: uint32 = 0, pad_t: uint32 = 0, "
    "pad_b: uint32 = 0, pad_value: int32 = 0",
    "MatMulParameter": "dim_1: uint32, dim_2: uint32, dim_3: uint32, transpose_a: bool = false, "
    "transpose_b: bool = false, blob_shape: BlobShape",
    # YOLO
    "ReorgParameter": "stride: uint32, reverse: bool = false",
    "Yolov3DetectionOutputParameter": "num_classes: uint32 = 20, coords: uint32 = 4, "
    "confidence_threshold: float = 0.01, nms_threshold: float = 0.45, num_box: uint32 = 3, biases: float*, "
    "anchors_scale: uint32*, mask_group_num: uint32 = 2, mask: uint32*, gaussian_box: bool = false",
    "YoloDetectionOutputParameter": "side: uint32 = 13, num_classes: uint32 = 20, coords: uint32 = 4, "
    "confidence_threshold: float = 0.01, nms_threshold: float = 0.45, num_box: uint32 = 5, biases: float*, "
    "label_map_file: string",
    "EvalDetectionParameter": "side: uint32 = 7, num_class: uint32 = 20, num_object: uint32 = 2, "
    "threshold: float = 0.5, sqrt: bool = true, constriant: bool = true, score_type: ScoreType = MULTIPLY, "
    "nms: float = -1, biases: float*",
    "Yolov3Parameter": "side: int32 = 13, num_class: int32 = 20, num: int32 = 5, object_scale: float = 1, "
    "class_scale: float = 1, noobject_scale: float = 0.5, coord_scale: float = 5, use_logic_gradient: bool, "
    "thresh: float = 0.2, anchors_scale: int32 = 32, biases: float*, mask: int32*, iou_loss: IouLoss = MSE, "
    "iou_normalizer: float = 0.25, iou_thresh: float = 0.5, max_delta: float = 10, accumulate: bool = true, "
    "label_smooth_eps: float = 0.1, use_focal_loss: bool",
    "YoloSegParameter": "num_class: uint32 = 0, object_scale: float = 5, class_scale: float = 1, "
    "use_logic_gradient: bool = false, use_hardsigmoid: bool = false",
    "RegionLossParameter": "side: uint32 = 13, num_class: uint32 = 20, bias_match: uint32 = 1, coords: uint32 = 4, "
    "num: uint32 = 5, softmax: uint32 = 1, jitter: float = 0.2, rescore: uint32 = 1, object_scale: float = 1, "
    "class_scale: float = 1, noobject_scale: float = 0.5, coord_scale: float = 5, absolute: uint32 = 1, "
    "thresh: float = 0.2, random: uint32 = 1, biases: float*, softmax_tree: string, class_map: string",
    # faces, metric learning
    "CenterLossParameter": "num_output: uint32, center_filler: FillerParameter, axis: int32 = 1",
    "MarginInnerProductParameter": "num_output: uint32, type: MarginType = SINGLE, weight_filler: FillerParameter, "
    "axis: int32 = 1, base: float = 1, gamma: float = 0, power: float = 1, iteration: int32 = 0, "
    "lambda_min: float = 0",
    "FaceNormalizeParameter": "normalize_type: string = L2, fix_gradient: bool = false, bp_norm: bool = false",
    "TurnPointParameter": "turn_point: float = 1",
    "TripletLossParameter": "margin: float = 1",
    "GeneralTripletParameter": "margin: float = 0.2, add_center_loss: bool = true, hardest_only: bool = false, "
    "positive_first: bool = false, positive_upper_bound: float = 1, positive_weight: float = 1, "
    "negative_weight: float = 1",
    "GeneralContrastiveParameter": "positive_margin: float = 0, negative_margin: float = 1, "
    "positive_weight: float = 1, negative_weight: float = 1, normalize_negative: float = 0, "
    "positive_outlier_thresh: float = 4, square: bool = false, max_negative_only: bool = false, "
    "max_positive_only: bool = false, positive_first: bool = false, positive_upper_bound: float = 1, "
    "exp_negative_weight: bool = false, add_intra_mae: bool = false, max_negative_margin: float = 1.2",
    "AccuracyParameter": "min_is_better: bool = false",
    "InnerDistanceParameter": "num_output: uint32, bias_term: bool = true, weight_filler: FillerParameter, "
    "bias_filler: FillerParameter, axis: int32 = 1, transpose: bool = false, distance_type: string = L2, "
    "normalize: bool = false, update_center_only: bool = false",
    "RankParameter": "neg_num: uint32 = 1, pair_size: uint32 = 1, hard_ratio: float, rand_ratio: float, "
    "margin: float = 0.5",
    "LiftedStructSimilaritySoftmaxLossParameter": "margin: float = 1",
    "FocalLossParameter": "type: FocalType = ORIGIN, gamma: float = 2, alpha: float = 0.25, beta: float = 1, "
    "axis: int32 = 1",
    "LabelSpecificAddParameter": "bias: float = 0, transform_test: bool = false, bias_base: float = 0, "
    "bias_gamma: float = 0, bias_power: float = 1, bias_min: float = 0, bias_max: float = 0, iteration: uint32 = 0",
    "LabelSpecificRescaleParameter": "positive_weight: float = 1, negative_weight: float = 1, "
    "positive_lower_bound: float = 0, negative_upper_bound: float = 0, rescale_test: bool = false, "
    "for_ip: bool = false, positive_weight_base: float, gamma: float = 0, power: float = 1, "
    "positive_weight_min: float, positive_weight_max: float, iteration: uint32 = 0, bias_fix: bool = false, "
    "power_on_positive: bool = false, do_backward: bool = true",
    "InnerProductParameter": "normalize: bool = false",
    "ScaleParameter": "min_value: float, max_value: float",
    "ChannelScaleParameter": "do_forward: bool = true, do_backward_feature: bool = true, "
    "do_backward_scale: bool = true, global_scale: bool = false, max_global_scale: float = 1000, "
    "min_global_scale: float = 0, init_global_scale: float = 1",
    "GradientScalerParameter": "lower_bound: float = 0, upper_bound: float = 1, alpha: float = 10, "
    "max_iter: float = 1, threshold_iter: uint32 = 0",
    "EntropyParameter": "threshold: float = 0.001, ignore_label: uint32 = 999, iterations_num: uint32 = 0",
    "MMDParameter": "kernel_num: uint32 = 5, kernel_mul: float = 2, fix_gamma: bool = false",
    "JMMDParameter": "kernel_num: uint32 = 5, kernel_mul: float = 2, label_kernel_mul: float = 2, "
    "label_kernel_num: uint32 = 5, sigma: float = 0, auto_sigma: bool = false, fix_gamma: bool = false",
    # text, sequences
    "LSTMParameter": "num_output: uint32, clipping_threshold: float = 0, weight_filler: FillerParameter, "
    "bias_filler: FillerParameter, batch_size: uint32 = 1",
    "TransposeParameter": "dim: int32*",
    "ReverseParameter": "axis: int32 = 0",
    "ReverseTimeParameter": "copy_remaining: bool = false",
    "ContinuationIndicatorParameter": "time_step: uint32, batch_size: uint32",
    "CTCLossParameter": "output_delay: int32 = 0, blank_index: int32, blank_label: int32 = 0, "
    "alphabet_size: uint32 = 0, time_step: uint32 = 0, loss_calculation_t: int32 = 0, "
    "preprocess_collapse_repeated: bool = false, ctc_merge_repeated: bool = true",
    "CTCDecoderParameter": "blank_index: int32, ctc_merge_repeated: bool = true",
    "LabelsequenceAccuracyParameter": "blank_label: int32 = 0",
    # video
    "Convolution3DParameter": "num_output: uint32, bias_term: bool = true, pad: uint32 = 0, kernel_size: uint32, "
    "group: uint32 = 1, kernel_depth: uint32, stride: uint32 = 1, temporal_stride: uint32 = 1, "
    "weight_filler: FillerParameter, bias_filler: FillerParameter, filter_group: uint32 = 1, temporal_pad: uint32 = 0",
    "Pooling3DParameter": "pool: PoolMethod = MAX, kernel_size: uint32, stride: uint32 = 1, pad: uint32 = 0, "
    "kernel_depth: uint32, temporal_stride: uint32 = 1",
    "SpatialTransformerParameter": "transform_type: string = affine, sampler_type: string = bilinear, "
    "output_H: int32, output_W: int32, to_compute_dU: bool = true, theta_1_1: double, theta_1_2: double, "
    "theta_1_3: double, theta_2_1: double, theta_2_2: double, theta_2_3: double",
    "RepeatParameter": "num_repeats: uint32, axis: int32 = 1",
    # flow
    "CorrelationParameter": "pad: uint32 = 0, kernel_size: uint32, max_displacement: uint32, stride_1: uint32 = 1, "
    "stride_2: uint32 = 1, single_direction: int32 = 0, do_abs: bool = false, "
    "correlation_type: CorrelationType = MULTIPLY",
    "ResampleParameter": "antialias: bool = true, width: uint32, height: uint32, type: ResampleType = LINEAR, "
    "factor: float = 1",
    "DownsampleParameter": "top_height: uint32 = 0, top_width: uint32 = 0",
    "ExpMaxParameter": "base: float = -1, scale: float = 1, shift: float = 0",
    "MeanParameter": "operation: MeanOperation, file: string, value: float*, mean_scale: float = 1, "
    "input_scale: float = 1, output_scale: float = 1",
    "RandomGeneratorParameter": "rand_type: string = uniform, exp: bool = false, mean: float = 0, spread: float = 0, "
    "prob: float = 1, apply_schedule: bool = true, discretize: bool = false, multiplier: float = 1",
    "AugmentationParameter": "crop_width: uint32 = 0, crop_height: uint32 = 0, write_augmented: string, "
    "max_multiplier: float = 255, augment_during_test: bool = false, recompute_mean: uint32 = 0, write_mean: string, "
    "mean_per_pixel: bool = true, mean: float*, mode: string = add, bottomwidth: uint32 = 0, "
    "bottomheight: uint32 = 0, num: uint32 = 0, chromatic_eigvec: float*, "
    + ", ".join(f"{name}: RandomGeneratorParameter" for name in _AUGMENTATIONS.split()),
    "CoeffScheduleParameter": "half_life: float = 1, initial_coeff: float = 1, final_coeff: float = 1",
    "WriterParameter": "file: string, folder: string, prefix: string, suffix: string, normalize: bool = false, "
    "scale: float = 1",
    "LpqLossParameter": "l2_prescale_by_channels: bool = false, normalize_by_num_entries: bool = false, "
    "p_epsilon: float = 0, q_epsilon: float = 0.01, pq_episode_starts_at_iter: uint32*, p: float*, q: float*",
    "AccumParameter": "top_height: uint32 = 0, top_width: uint32 = 0, size_divisible_by: uint32 = 0, "
    "have_reference: bool = false",
    "FillerParameter": "diag_val: float*",
    "FlowWarpParameter": "fill_value: FlowFill = ZERO",
    "L1LossParameter": "l2_per_location: bool = false, l2_prescale_by_channels: bool = false, "
    "normalize_by_num_entries: bool = false, epsilon: float = 0.01, plateau: float = 0, "
    "power: float = 1, scale: float = 1",
    # what is read by no layer here, or makes no difference
    "QuantizationParameter": "force_u8_input: bool, "
    "bw_layer_in: uint32, bw_layer_out: uint32, bw_params: uint32, fl_layer_in: int32, "
    "fl_layer_out: int32, fl_params: int32, scale_in: float*, scale_out: float*, scale_params: float*, "
    "is_negative_input: bool*, precision: string, power2_range: bool*, range_in: float*",
    # Caffe's own messages
    "NetParameter": "default_forward_type: Type, default_backward_type: Type, default_forward_math: Type, "
    "default_backward_math: Type, global_grad_scale: float, global_grad_scale_adaptive: bool, "
    "eltwise_mem_sharing: bool, reduce_buckets: int32, default_conv_algos_override: string, "
    "engine: string, compile_net_state: CompileNetState, bn_stats_batch_size: uint32",
    "CompileNetState": "is_init: bool, bn_scale_remove: bool, bn_scale_merge: bool, kept_bn_layers: string*",
    "SolverParameter": "eval_type: string, ap_version: string, show_per_class_result: bool, plateau_winsize: int32*, "
    "lars: bool, local_lr_auto: bool, local_gw_ratio: float, rampup_interval: int32, rampup_lr: float, "
    "min_lr: float, global_grad_scale: float, store_blobs_in_old_format: bool, test_and_snapshot_start_epochs: int32, "
    "stagelr: float*, stageiter: int32*, warmup_iter: int32, warmup_start_lr: float, richness: int32, "
    "device_id: int32*",
    "LayerParameter": "permute_param: PermuteParameter, norm_param: NormalizeParameter, "
    "prior_box_param: PriorBoxParameter, detection_output_param: DetectionOutputParameter, "
    "multibox_loss_param: MultiBoxLossParameter, detection_evaluate_param: DetectionEvaluateParameter, "
    "annotated_data_param: AnnotatedDataParameter, video_data_param: VideoDataParameter, "
    "detectnet_groundtruth_param: DetectNetGroundTruthParameter, "
    "detectnet_augmentation_param: DetectNetAugmentationParameter, "
    "roi_pooling_param: ROIPoolingParameter, "
    "roi_align_param: ROIAlignParameter, smooth_l1_loss_param: SmoothL1LossParameter, "
    "box_output_param: BoxOutputParameter, box_group_output_param: BoxGroupOutputParameter, "
    "bbox_reg_param: BBoxRegParameter, decode_bbox_param: DecodeBBoxParameter, "
    "image_gt_data_param: ImageGtDataParameter, detection_data_param: DetectionDataParameter, "
    "eval_data_param: EvalDataParameter, detection_loss_param: DetectionLossParameter, "
    "detection_accuracy_param: DetectionAccuracyParameter, "
    "detection_group_loss_param: DetectionGroupLossParameter, "
    "detection_group_accuracy_param: DetectionGroupAccuracyParameter, "
    "proposal_target_param: ProposalTargetParameter, frcnn_output_param: FrcnnOutputParameter, "
    "hard_mining_param: HardMiningParameter, "
    "scale_route_param: ScaleRouteParameter, roi_warping_param: ROIWarpingParameter, "
    "mask_resize_param: MaskResizeParameter, "
    "psroi_pooling_param: PSROIPoolingParameter, psroi_align_param: PSROIAlignParameter, "
    "deformable_convolution_param: DeformableConvolutionParameter, "
    "box_annotator_ohem_param: BoxAnnotatorOHEMParameter, proposal_param: ProposalParameter, "
    "bn_param: BNParameter, interp_param: InterpParameter, upsample_param: UpsampleParameter, "
    "dense_image_data_param: DenseImageDataParameter, seg_accuracy_param: SegAccuracyParameter, "
    "shuffle_channel_param: ShuffleChannelParameter, relu6_param: ReLU6Parameter, clip_param: ClipParameter, "
    "swish_param: SwishParameter, padding_param: PaddingParameter, matmul_param: MatMulParameter, "
    "reorg_param: ReorgParameter, "
    "yolov3_detection_output_param: Yolov3DetectionOutputParameter, "
    "yolo_detection_output_param: YoloDetectionOutputParameter, yolov3_param: Yolov3Parameter, "
    "region_loss_param: RegionLossParameter, yolo_seg_param: YoloSegParameter, "
    "eval_detection_param: EvalDetectionParameter, "
    "selu_param: SeLuParameter, selu_dropout_param: SeLuDropoutParameter, "
    "center_loss_param: CenterLossParameter, margin_inner_product_param: MarginInnerProductParameter, "
    "normalize_param: FaceNormalizeParameter, smoothl1_param: TurnPointParameter, "
    "triplet_loss_param: TripletLossParameter, general_triplet_loss_param: GeneralTripletParameter, "
    "general_contrastive_loss_param: GeneralContrastiveParameter, inner_distance_param: InnerDistanceParameter, "
    "rank_param: RankParameter, "
    "lifted_struct_sim_softmax_loss_param: LiftedStructSimilaritySoftmaxLossParameter, "
    "focal_loss_param: FocalLossParameter, channel_scale_param: ChannelScaleParameter, "
    "label_specific_rescale_param: LabelSpecificRescaleParameter, "
    "label_specific_add_param: LabelSpecificAddParameter, "
    "gradient_scaler_param: GradientScalerParameter, "
    "entropy_param: EntropyParameter, mmd_param: MMDParameter, jmmd_param: JMMDParameter, "
    "lstm_param: LSTMParameter, transpose_param: TransposeParameter, "
    "reverse_param: ReverseParameter, continuation_indicator_param: ContinuationIndicatorParameter, "
    "st_param: SpatialTransformerParameter, repeat_param: RepeatParameter, reverse_time_param: ReverseTimeParameter, "
    "ctc_decoder_param: CTCDecoderParameter, labelsequence_accuracy_param: LabelsequenceAccuracyParameter, "
    "convolution3d_param: Convolution3DParameter, pooling3d_param: Pooling3DParameter, "
    "ctc_loss_param: CTCLossParameter, correlation_param: CorrelationParameter, "
    "resample_param: ResampleParameter, downsample_param: DownsampleParameter, "
    "expmax_param: ExpMaxParameter, mean_param: MeanParameter, augmentation_param: AugmentationParameter, "
    "coeff_schedule_param: CoeffScheduleParameter, writer_param: WriterParameter, lpq_loss_param: LpqLossParameter, "
    "accum_param: AccumParameter, "
    "flow_warp_param: FlowWarpParameter, l1_loss_param: L1LossParameter, "
    "quantization_param: QuantizationParameter, engine: string, forward_type: Type, backward_type: Type, "
    "forward_math: Type, backward_math: Type",
    "V1LayerParameter": "roi_pooling_param: ROIPoolingParameter, smooth_l1_loss_param: SmoothL1LossParameter, "
    "bn_param: BNParameter, interp_param: InterpParameter, upsample_param: UpsampleParameter, "
    "dense_image_data_param: DenseImageDataParameter, seg_accuracy_param: SegAccuracyParameter",
    "TransformationParameter": "resize_param: ResizeParameter*, noise_param: NoiseParameter, "
    "distort_param: DistortionParameter, expand_param: ExpansionParameter, emit_constraint: EmitConstraint, "
    "crop_h: uint32, crop_w: uint32, scale_factors: float*, crop_width: uint32, crop_height: uint32, "
    "img_rand_resize_lower: uint32, img_rand_resize_upper: uint32, rand_resize_ratio_lower: float = 0, "
    "rand_resize_ratio_upper: float = 0, vertical_stretch_lower: float = 1, vertical_stretch_upper: float = 1, "
    "horizontal_stretch_lower: float = 1, horizontal_stretch_upper: float = 1, "
    "allow_upscale: bool = false, interpolation_algo_down: InterpolationAlgo = INTER_NEAREST, "
    "interpolation_algo_up: InterpolationAlgo = INTER_CUBIC, use_gpu_transform: bool, "
    "random_resize_param: RandomResizeParameter, random_aspect_ratio_param: RandomAspectRatioParameter, "
    "fix_crop: bool = false, more_fix_crop: bool = false, multi_scale: bool = false, scale_ratios: float*, "
    "max_distort: int32 = 1, is_flow: bool = false, original_image: bool = false, stride: int32 = 1, "
    "bgr2rgb: bool = false, flow: bool = false, pad: uint32 = 0",
    "RandomResizeParameter": "min_size: uint32 = 0, max_size: uint32 = 0, resize_param: ResizeParameter",
    "RandomAspectRatioParameter": "min_area_ratio: float = 0.5, max_area_ratio: float = 1, "
    "aspect_ratio_change: float = 1, max_attempt: uint32 = 10, resize_param: ResizeParameter",
    "LossParameter": "balanced: bool = false, "  # this package's own
    "pre_fixed_normalizer: float = 1, weight_by_label_freqs: bool = false, class_weighting: float*",
    "BatchNormParameter": "scale_bias: bool = false, scale_filler: FillerParameter, bias_filler: FillerParameter, "
    "filler: FillerParameter, use_weight_bias: bool = true, bias_term: bool = true, "
    "engine: Engine = DEFAULT, relu: bool = false, update_global_stats: bool, icnet: bool, "
    "stats_batch_size: uint32, add_eps_before_sqrt: bool = true",
    "ConvolutionParameter": "hole: uint32*, hole_h: uint32, hole_w: uint32, conv_algorithm: string, "
    "cudnn_convolution_algo_seeker: string, conv_algos_override: string, fusion_type: string, relu: bool, "
    "negative_slope: float, kernel_shape: BlobShape, pad_shape: BlobShape, stride_shape: BlobShape, "
    "kernel_depth: uint32, temporal_stride: uint32 = 1, temporal_pad: uint32 = 0, filter_group: uint32 = 1",
    "PoolingParameter": "ceil_mode: bool = true, round_mode: RoundMode = CEIL, kernel_shape: BlobShape, "
    "pad_shape: BlobShape, stride_shape: BlobShape, kernel_depth: uint32, temporal_stride: uint32 = 1",
    "SeLuParameter": "alpha: float, lambda: float",
    "SeLuDropoutParameter": "dropout_ratio: float = 0.1, alpha: float = -1.75809934",
    "DropoutParameter": "scale_train: bool = true, sample_weights_test: bool = false",
    "DataParameter": "shuffle: bool = false, cache: bool = false, precache: bool = false, threads: uint32, "
    "parser_threads: uint32",
    "ImageDataParameter": "cache: bool = false, precache: bool = false, threads: uint32, shuffle_images: bool, "
    "ignore_label: int32 = 255, label_type: LabelType = IMAGE, pair_size: uint32 = 1",
    "WindowDataParameter": "config: string",
    "ConcatParameter": "per_fla_fuse: bool = false",
    "ParameterParameter": "blob_filler: FillerParameter",
    "SoftmaxParameter": "normalize_type: string = Softmax",
    "EltwiseParameter": "relu: bool = false, per_fla_fuse: bool = false",
}
