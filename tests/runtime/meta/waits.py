"""What makes a GPU wait by its nature, with the reason. Nothing else may: see test_layers.

Python layers without ``array_api`` compute on the host: their bottoms come to it, and their tops go back. So does
whoever looks at ``blob.data``, and so do the losses that are displayed.
"""

ROWS = "how many rows a top, or what is computed with, has follows from values"
METRIC = "a metric keeps its sums over a test pass in float64 on the host"
REGIONS = "the host makes the places that each region reads, which follow from the boxes"
LOOKS = "it says what values it sees"

NATIVE = {
    "DummyData": "the host's generator draws, so that a seed gives the same numbers on every device",
    "Filter": ROWS,
    "HDF5Output": "writes its bottoms to a file",
    "MemoryData": "reads the caller's arrays, which are not in pinned memory and may change after each batch",
}

PYTHON = {
    "accuracy.BalancedAccuracy": METRIC,
    "accuracy.ClassAccuracy": METRIC,
    "accuracy.TopKAccuracy": METRIC,
    "calibration.ExpectedCalibrationError": METRIC,
    "confusion.ConfusionMatrix": METRIC,
    "ctc.CTCLoss": "the paths of a sequence follow from its label, and the host makes them",
    "image_quality.PSNR": METRIC,
    "image_quality.SSIM": METRIC,
    "inspection.Inspect": LOOKS,
    "inspection.NaNGuard": LOOKS,
    "metric_losses.PairRankingLoss": "the host's generator draws negatives among those that values make hard",
    "multibox_loss.MultiBoxLoss": "the host matches boxes, whose number in each image follows from values",
    "pixel_weights.ClassBalancedWeights": "its table of weights follows from counts, in float64 on the host",
    "position_sensitive.PSROIAlign": REGIONS,
    "position_sensitive.PSROIPooling": REGIONS,
    "precision_recall.PrecisionRecallF1": METRIC,
    "retrieval.RecallAtK": METRIC,
    "roi_grids.ROIGrid": REGIONS,
    "roi_grids.ROIWarping": REGIONS,
    "roi_pooling.ROIAlign": REGIONS,
    "roi_pooling.ROIPooling": REGIONS,
    "segmentation_metrics.BoundaryIoU": METRIC,
    "segmentation_metrics.MeanIoU": METRIC,
    "segmentation_metrics.PixelAccuracy": METRIC,
    "segmentation_metrics.SegAccuracy": METRIC,
    "selection.SelectRows": ROWS,
    "triplet.BatchTripletLoss": ROWS,
    "triplet.TripletSelection": ROWS,
}
