"""Blobs: values and gradients on their device, in the layout that was written last."""
