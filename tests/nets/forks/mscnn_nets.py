"""MS-CNN's first stage and Cascade R-CNN in small, with pictures that they are trained and tested on."""

import numpy as np

from tests.layers.files import image, text

STD = "bbox_std: 0.1 bbox_std: 0.1 bbox_std: 0.2 bbox_std: 0.2"
CODES = f"bbox_reg_param {{ bbox_mean: 0 bbox_mean: 0 bbox_mean: 0 bbox_mean: 0 {STD} }}"
SIZE = 64


def pictures(folder, flags):
    """Write pictures with a red or a green square on noise, and their window file; flags: of an object."""
    rng, records = np.random.RandomState(4), []
    for i in range(8):
        pixels, label, side = rng.randint(0, 60, (SIZE, SIZE, 3)), rng.randint(1, 3), rng.randint(16, 33)
        x, y = rng.randint(0, SIZE - side, 2)
        pixels[y : y + side, x : x + side, label - 1] += 180
        image(folder / f"{i}.ppm", pixels)
        records.append(
            f"# {i}\n{i}.ppm\n3\n{SIZE}\n{SIZE}\n1\n{label} {'0 ' * flags}{x} {y} {x + side - 1} {y + side - 1}\n0"
        )
    return text(folder / "window_file.txt", *records)


def convolution(name, bottom, outputs, kernel=3, stride=1, lr=1):
    return (
        f"layer {{ name: '{name}' type: 'Convolution' bottom: '{bottom}' top: '{name}' param {{ lr_mult: {lr} }} "
        f"param {{ lr_mult: {2 * lr} decay_mult: 0 }} convolution_param {{ num_output: {outputs} pad: {kernel // 2} "
        f"kernel_size: {kernel} stride: {stride} weight_filler {{ type: 'msra' }} }} }}\n"
    )


def relu(name):
    return f"layer {{ name: '{name}_relu' type: 'ReLU' bottom: '{name}' top: '{name}' }}\n"


BODY = convolution("conv1", "data", 8, 5, 4) + relu("conv1") + convolution("conv2", "conv1", 16, 3, 2) + relu("conv2")
SHARED = "transform_param { mirror: true mean_value: 30 scale: 0.01 }"


def first_stage(folder):
    """The first stage of MS-CNN: two maps, each with its loss."""
    fields = ((1, 20, 8), (2, 32, 16))
    text = f"""
layer {{ name: 'data' type: 'ImageGtData' top: 'data' top: 'label_1' top: 'label_2' include {{ phase: TRAIN }}
  transform_param {{ mirror: true mean_value: 30 }}
  image_gt_data_param {{ source: '{pictures(folder, 1)}' root_folder: '{folder}/' batch_size: 4 coord_num: 4
    resize_width: {SIZE} resize_height: {SIZE} crop_width: 48 crop_height: 48 min_gt_height: 8 downsample_rate: 8
    downsample_rate: 16 field_w: 20 field_w: 32 field_h: 20 field_h: 32 fg_threshold: 0.4 scale: 0.01
    shuffle: true }} }}
"""
    text += BODY + "layer { name: 'pool2' type: 'Pooling' bottom: 'conv2' top: 'pool2' pooling_param { kernel_size: 2 "
    text += "stride: 2 } }\n" + convolution("LFCN_1", "conv2", 7) + convolution("LFCN_2", "pool2", 7)
    for i, field, stride in fields:
        shared = f"cls_num: 3 coord_num: 4 field_h: {field} field_w: {field} downsample_rate: {stride}"
        text += f"""
layer {{ name: 'loss_{i}' type: 'DetectionLoss' bottom: 'LFCN_{i}' bottom: 'label_{i}' top: 'loss_{i}' loss_weight: 1
  detection_loss_param {{ {shared} lambda: 0.5 bg_threshold: 0.2 bg_multiple: 2 sample_mode: 'bootstrap'
    pos_neg_weighted: true }} {CODES} propagate_down: 1 propagate_down: 0 }}
layer {{ name: 'accuracy_{i}' type: 'DetectionAccuracy' bottom: 'LFCN_{i}' bottom: 'label_{i}' top: 'accuracy_{i}'
  top: 'iou_{i}' detection_accuracy_param {{ {shared} }} {CODES} }}
"""
    return text


FIELDS = "field_w: 24 field_w: 32 field_h: 24 field_h: 32 stride: 8"


def cascade(folder, test):
    """Two stages of Cascade R-CNN, the first with hard examples; for training, or its test."""
    source = f"source: '{folder}/window_file.txt' root_folder: '{folder}/' short_size: {SIZE} long_size: {SIZE + 32}"
    if test:
        net = f"""
layer {{ name: 'data' type: 'EvalData' top: 'data' top: 'gt_boxes' top: 'image_sizes'
  transform_param {{ mean_value: 30 scale: 0.01 }} eval_data_param {{ {source} batch_size: 1 }} }}
"""
    else:
        pictures(folder, 2)
        net = f"""
layer {{ name: 'data' type: 'DetectionData' top: 'data' top: 'label_1' top: 'label_2' top: 'gt_boxes' {SHARED}
  detection_data_param {{ {source} batch_size: 2 stride: 8 {FIELDS} fg_threshold: 0.5 shuffle: 'random_aspect'
    output_gt_boxes: true }} }}
layer {{ name: 'label_group' type: 'Concat' bottom: 'label_1' bottom: 'label_2' top: 'label_group' }}
layer {{ name: 'truth' type: 'Reshape' bottom: 'label_group' top: 'truth' reshape_param {{ shape {{ dim: -1 dim: 6
  dim: 0 dim: 0 }} }} }}
"""
    net += BODY + convolution("rpn_conv", "conv2", 16) + relu("rpn_conv")
    for name, outputs, each in (("rpn_cls", 4, 2), ("rpn_bbox", 8, 4)):
        net += convolution(name, "rpn_conv", outputs, 1)
        net += f"layer {{ name: '{name}s' type: 'Reshape' bottom: '{name}' top: '{name}s' reshape_param {{ shape {{ "
        net += f"dim: -1 dim: {each} dim: 0 dim: 0 }} }} }}\n"
    if not test:
        net += f"""
layer {{ name: 'rpn_loss' type: 'DetectionGroupLoss' bottom: 'rpn_clss' bottom: 'rpn_bboxs' bottom: 'truth'
  top: 'rpn_loss' detection_group_loss_param {{ batch_size: 32 cls_num: 2 {FIELDS} field_whr: 8 field_xyr: 1
  bg_threshold: 0.3 bg_multiple: 1 objectness: true }} loss_weight: 1 }}
layer {{ name: 'rpn_accuracy' type: 'DetectionGroupAccuracy' bottom: 'rpn_clss' bottom: 'rpn_bboxs' bottom: 'truth'
  top: 'rpn_accuracy' top: 'rpn_iou' detection_group_accuracy_param {{ cls_num: 2 {FIELDS} objectness: true }} }}
"""
    net += f"""
layer {{ name: 'rpn_prob' type: 'Softmax' bottom: 'rpn_clss' top: 'rpn_prob' }}
layer {{ name: 'proposals' type: 'BoxGroupOutput' bottom: 'rpn_prob' bottom: 'rpn_bboxs' top: 'proposals'
  propagate_down: 0 propagate_down: 0 box_group_output_param {{ fg_thr: 0.05 iou_thr: 0.7 min_size: 8 field_whr: 8
  field_xyr: 1 max_post_nms_num: 20 box_group_param {{ {FIELDS} }} }} }}
"""
    net += stage("", "proposals", test, mined=not test) + decoded("" if test else "hard_", "proposals", test)
    return net + stage("_2nd", "proposals_2nd", test)


NAMES = "labels targets inside outside objects"


def decoded(before, proposals, test):
    bottoms = f"bottom: '{proposals}'" if test else f"bottom: '{before}rois' bottom: '{before}objects'"
    return f"""
layer {{ name: 'proposals_2nd' type: 'DecodeBBox' bottom: 'bbox_pred' {bottoms} top: 'proposals_2nd' {CODES}
  {"propagate_down: 0 " * (2 if test else 3)} }}
"""


def stage(end, proposals, test, mined=False):
    """ROIs, what they are pooled to, their classes and boxes, and the losses or detections of them."""
    net, rois, before = "", proposals, ""
    if not test:
        rois = f"rois{end}"
        tops = " ".join(f"top: '{name}{end}'" for name in ("rois", *NAMES.split()))
        net += f"""
layer {{ name: 'info{end}' type: 'ProposalTarget' bottom: '{proposals}' bottom: 'gt_boxes' {tops}
  proposal_target_param {{ cls_num: 3 batch_size: {24 if mined else -1} num_img_per_batch: 2 bg_thr_lw: 0 img_width: 64
  img_height: 64 }} bbox_reg_param {{ cls_aware: false {STD} bbox_mean: 0 bbox_mean: 0 bbox_mean: 0 bbox_mean: 0 }}
  propagate_down: 0 propagate_down: 0 }}
"""
    if mined:
        net += (
            head("_read", "rois", "0")
            + f"""
layer {{ name: 'all_cls' type: 'SoftmaxWithLoss' bottom: 'cls_pred_read' bottom: 'labels' top: 'all_cls'
  top: 'all_prob' top: 'each_cls' loss_weight: 0 loss_weight: 0 loss_weight: 0 propagate_down: 0 propagate_down: 0 }}
layer {{ name: 'all_bbox' type: 'SmoothL1Loss' bottom: 'bbox_pred_read' bottom: 'targets' bottom: 'inside'
  bottom: 'outside' top: 'all_bbox' top: 'each_bbox' loss_weight: 0 loss_weight: 0
  {"propagate_down: 0 " * 4} }}
layer {{ name: 'each' type: 'Eltwise' bottom: 'each_cls' bottom: 'each_bbox' top: 'each' propagate_down: 0
  propagate_down: 0 }}
layer {{ name: 'hard_mining' type: 'HardMining' bottom: 'each' bottom: 'rois'
  {" ".join(f"bottom: '{name}'" for name in NAMES.split())} top: 'hard_rois'
  {" ".join(f"top: 'hard_{name}'" for name in NAMES.split())}
  hard_mining_param {{ num_image: 2 num_roi_per_image: 8 }} }}
layer {{ name: 'silence' type: 'Silence' bottom: 'all_prob' bottom: 'all_cls' bottom: 'all_bbox' }}
"""
        )
        rois, before = "hard_rois", "hard_"
    net += head(end, rois, "1")
    if test:
        return (
            net
            + f"""
layer {{ name: 'cls_prob{end}' type: 'Softmax' bottom: 'cls_pred{end}' top: 'cls_prob{end}' }}
layer {{ name: 'found{end}' type: 'FrcnnOutput' bottom: 'cls_prob{end}' bottom: 'bbox_pred{end}' bottom: '{rois}'
  bottom: 'image_sizes' top: 'found{end}' frcnn_output_param {{ conf_thr: 0.1 iou_thr: 0.3 max_det_num: 9 }}
  bbox_reg_param {{ cls_aware: false {STD} bbox_mean: 0 bbox_mean: 0 bbox_mean: 0 bbox_mean: 0 }} }}
layer {{ name: 'eval{end}' type: 'DetectionEvaluate' bottom: 'found{end}' bottom: 'gt_boxes' bottom: 'image_sizes'
  top: 'eval{end}' detection_evaluate_param {{ num_classes: 3 }} }}
"""
        )
    labels, targets, inside, outside, objects = (f"{before}{name}{end}" for name in NAMES.split())
    return (
        net
        + f"""
layer {{ name: 'loss_cls{end}' type: 'SoftmaxWithLoss' bottom: 'cls_pred{end}' bottom: '{labels}' top: 'loss_cls{end}'
  loss_weight: 1 propagate_down: 1 propagate_down: 0 }}
layer {{ name: 'loss_bbox{end}' type: 'SmoothL1Loss' bottom: 'bbox_pred{end}' bottom: '{targets}' bottom: '{inside}'
  bottom: '{outside}' top: 'loss_bbox{end}' loss_weight: 1 propagate_down: 1 {"propagate_down: 0 " * 3} }}
layer {{ name: 'bbox_iou{end}' type: 'BboxAccuracy' bottom: 'bbox_pred{end}' bottom: '{rois}' bottom: '{objects}'
  top: 'bbox_iou{end}' top: 'bbox_iou_pre{end}' bbox_reg_param {{ cls_aware: false {STD} bbox_mean: 0 bbox_mean: 0
  bbox_mean: 0 bbox_mean: 0 }} }}
"""
    )


def head(end, rois, lr):
    """ROIs pooled, and two layers on them, whose blobs the pass that looks for hard examples shares."""
    name = end.replace("_read", "")
    net = f"""
layer {{ name: 'pool{end}' type: 'ROIPooling' bottom: 'conv2' bottom: '{rois}' top: 'pool{end}'
  roi_pooling_param {{ pooled_w: 3 pooled_h: 3 spatial_scale: 0.125 pad_ratio: 0 }} propagate_down: {lr}
  propagate_down: 0 }}
"""
    for kind, bottom, outputs in (("fc", "pool", 24), ("cls_pred", "fc", 3), ("bbox_pred", "fc", 8)):
        net += f"""
layer {{ name: '{kind}{end}' type: 'InnerProduct' bottom: '{bottom}{end}' top: '{kind}{end}' propagate_down: {lr}
  param {{ name: '{kind}{name}_w' lr_mult: 1 }} param {{ name: '{kind}{name}_b' lr_mult: 2 }}
  inner_product_param {{ num_output: {outputs} weight_filler {{ type: 'msra' }} }} }}
"""
        net += relu(f"fc{end}") if kind == "fc" else ""
    return net
