"""Layers of maps, position by position."""

import math

import numpy as np

from loops.base import Loop


class MeanIoU(Loop):
    """Class by class, image by image, as a mean over the batch's confusion matrix."""

    def forward(self, bottom, top):
        classes = bottom[0].channels
        matrix = np.zeros((classes, classes))
        for scores, (labels,) in zip(bottom[0].data, bottom[1].data):
            found = scores.argmax(0)
            for c in range(classes):
                for predicted in range(classes):
                    matrix[c, predicted] += ((labels == c) & (found == predicted)).sum()
        hits = np.diag(matrix)
        top[0].data[...] = np.nanmean(hits / (matrix.sum(0) + matrix.sum(1) - hits))

    def backward(self, top, propagate_down, bottom):
        pass


class GroupNorm(Loop):
    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].shape)

    def forward(self, bottom, top):
        self.scale = {}
        for n in range(bottom[0].num):
            for g in range(0, bottom[0].channels, 2):
                x = bottom[0].data[n, g : g + 2]
                self.scale[n, g] = 1 / np.sqrt(x.var() + 1e-5)
                top[0].data[n, g : g + 2] = (x - x.mean()) * self.scale[n, g]

    def backward(self, top, propagate_down, bottom):
        for (n, g), scale in self.scale.items():
            y, d = top[0].data[n, g : g + 2], top[0].diff[n, g : g + 2]
            bottom[0].diff[n, g : g + 2] = scale * (d - d.mean() - y * (d * y).mean())


class GELU(Loop):
    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].shape)

    def forward(self, bottom, top):
        self.phi = np.vectorize(lambda x: 0.5 * (1 + math.erf(x / math.sqrt(2))))(bottom[0].data)
        top[0].data[...] = bottom[0].data * self.phi

    def backward(self, top, propagate_down, bottom):
        x = bottom[0].data
        bottom[0].diff[...] = top[0].diff * (self.phi + x * np.exp(-x * x / 2) / math.sqrt(2 * math.pi))


class Resize(Loop):
    """Bilinear, twice the size less one, position by position."""

    def reshape(self, bottom, top):
        n, c, h, w = bottom[0].shape
        top[0].reshape(n, c, 2 * h - 1, 2 * w - 1)

    def corners(self, bottom, top):
        h, w = bottom[0].data.shape[2:]
        for i, j in np.ndindex(*top[0].data.shape[2:]):
            y, x = i // 2, j // 2
            for dy, dx in ((0, 0), (0, 1), (1, 0), (1, 1)):
                weight = (1 - dy if i % 2 == 0 else 0.5) * (1 - dx if j % 2 == 0 else 0.5)
                if weight:
                    yield i, j, min(y + dy, h - 1), min(x + dx, w - 1), weight

    def forward(self, bottom, top):
        top[0].data[...] = 0
        for i, j, y, x, weight in self.corners(bottom, top):
            top[0].data[:, :, i, j] += weight * bottom[0].data[:, :, y, x]

    def backward(self, top, propagate_down, bottom):
        bottom[0].diff[...] = 0
        for i, j, y, x, weight in self.corners(bottom, top):
            bottom[0].diff[:, :, y, x] += weight * top[0].diff[:, :, i, j]
