from tests.layers.cases.roi_pooling import maps, pool, rois

CASES = {
    name: [
        pool([maps, rois], exhaustive=True),
        pool([maps, rois.reshape(5, 5, 1, 1)], size=(7, 7)),
        pool([maps, rois], size=(1, 1)),
        pool([maps, rois], ", pad_ratio: 0.25" if name == "ROIGrid" else "", size=(5, 4)),
        pool([maps, rois[2:3]]),
        pool([maps[:1, :1, :1, :1], rois[:1]]),
        pool([(maps - 10) * 1e3, rois]),
        pool([maps, rois[:0]]),
    ]
    for name in ("ROIWarping", "ROIGrid")
}
