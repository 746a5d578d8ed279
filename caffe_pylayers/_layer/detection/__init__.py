"""What detection shares: boxes, anchors, non-maximum suppression, sampling, average precision."""
