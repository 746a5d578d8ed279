"""The messages of MS-CNN and Cascade R-CNN among the fields that forks add, see fields.py."""

from __future__ import annotations

MSCNN = {
    "BoxOutputParameter": "fg_thr: float = 0, iou_thr: float = 0.5, nms_type: string = IOU, field_h: uint32*, "
    "field_w: uint32*, downsample_rate: uint32*, field_whr: float = 2, field_xyr: float = 2, max_nms_num: uint32 = 0, "
    "max_post_nms_num: uint32 = 0, min_size: float = 15",
    "BoxGroupParameter": "field_h: float*, field_w: float*, stride: float",
    "BoxGroupOutputParameter": "fg_thr: float = 0, iou_thr: float = 0.5, nms_type: string = IOU, "
    "box_group_param: BoxGroupParameter*, field_whr: float = 2, field_xyr: float = 2, max_nms_num: uint32 = 0, "
    "max_post_nms_num: uint32 = 0, min_size: float = 15",
    "BBoxRegParameter": "bbox_mean: float*, bbox_std: float*, cls_aware: bool = true",
    "DecodeBBoxParameter": "gt_iou_thr: float = 0.95",
    "ScaleRouteParameter": "low_scale: float, high_scale: float",
    "ImageGtDataParameter": "source: string, scale: float = 1, batch_size: uint32, downsample_rate: uint32*, "
    "coord_num: uint32 = 4, field_h: uint32*, field_w: uint32*, fg_threshold: float = 0.5, resize_width: uint32, "
    "resize_height: uint32, crop_width: uint32 = 0, crop_height: uint32 = 0, do_multiple_scale: bool = false, "
    "min_scale: uint32, max_scale: uint32, min_whaspect: float, max_whaspect: float, min_gt_width: float = 0, "
    "min_gt_height: float = 0, shuffle: bool = false, output_gt_boxes: bool = false, fg_img_multiple: uint32 = 1, "
    "cache_images: bool = false, root_folder: string",
    "DetectionDataParameter": "source: string, batch_size: uint32, coord_num: uint32 = 4, stride: uint32*, "
    "field_h: uint32*, field_w: uint32*, fg_threshold: float = 0.5, ignore_fg_threshold: float = 0.4, "
    "resize_width: uint32, resize_height: uint32, resize_ratio: float, crop_width: uint32 = 0, "
    "crop_height: uint32 = 0, min_scale: float, max_scale: float, low_scale_ratio: float, high_scale_ratio: float, "
    "multiscale_prob: float = 0.5, min_whaspect: float, max_whaspect: float, short_size: uint32, long_size: uint32, "
    "crop_short_size: uint32, crop_long_size: uint32, template_ratio: float*, min_gt_width: float = 0, "
    "min_gt_height: float = 0, anchor_ignore_margin_ratio: float, anchor_ignore_iou_thr: float, "
    "pickup_iou_thr: float = 0.2, shuffle: string = random, mix_group_size: uint32 = 64, "
    "output_gt_boxes: bool = false, cache_images: bool = false, root_folder: string, "
    "distort_param: DistortionParameter",
    "EvalDataParameter": "source: string, batch_size: uint32, resize_width: uint32, resize_height: uint32, "
    "short_size: uint32, long_size: uint32, root_folder: string",
    "DetectionLossParameter": "cls_num: uint32, coord_num: uint32 = 4, lambda: float = 1, field_h: uint32, "
    "field_w: uint32, downsample_rate: uint32, bb_smooth: bool = true, field_whr: float = 2, field_xyr: float = 2, "
    "bg_threshold: float = 0.5, bg_multiple: uint32 = 4, sample_mode: string = random, objectness: bool = false, "
    "iou_weighted: bool = false, pos_neg_weighted: bool = false",
    "DetectionAccuracyParameter": "cls_num: uint32, coord_num: uint32 = 4, field_h: uint32, field_w: uint32, "
    "downsample_rate: uint32, top_k: uint32 = 1, field_whr: float = 2, field_xyr: float = 4, "
    "bg_threshold: float = 0.5, objectness: bool = false",
    "DetectionGroupLossParameter": "cls_num: uint32, lambda: float = 1, field_h: uint32*, field_w: uint32*, "
    "stride: uint32, field_whr: float, field_xyr: float, bg_threshold: float = 0.5, bg_multiple: uint32 = 4, "
    "neg_mining_type: string = random, neg_ranking_type: string = conf_loss, min_num_neg: uint32 = 5, "
    "objectness: bool = false, batch_size: int32 = -1, pos_neg_weighted: bool = false, "
    "bbox_loss_type: string = Smooth_L1",
    "DetectionGroupAccuracyParameter": "cls_num: uint32, field_h: uint32*, field_w: uint32*, stride: uint32, "
    "field_whr: float = 2, field_xyr: float = 4, bg_threshold: float = 0.5, objectness: bool = false",
    "ProposalTargetParameter": "cls_num: uint32, batch_size: int32 = 128, fg_fraction: float = 0.25, "
    "num_img_per_batch: uint32 = 4, fg_thr: float = 0.5, bg_thr_hg: float = 0.5, bg_thr_lw: float = 0.1, "
    "img_width: uint32, img_height: uint32, iou_weighted: bool = false, bbox_thr_lw: float = 0, "
    "bbox_thr_hg: float = 10, pickup_discard: bool = true, append_gtbox: bool = true",
    "FrcnnOutputParameter": "conf_thr: float = 0, iou_thr: float = 0.5, nms_type: string = IOU, "
    "max_det_num: uint32 = 0, save_output_param: SaveOutputParameter",
    "HardMiningParameter": "num_roi_per_image: uint32 = 128, num_image: uint32 = 4",
}
