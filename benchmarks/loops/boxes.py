"""Layers of ROIs and boxes, one by one."""

import numpy as np

from loops.base import Loop


class ROIPool(Loop):
    """Seven bins on each side, ROI by ROI and bin by bin."""

    def reshape(self, bottom, top):
        top[0].reshape(bottom[1].num, bottom[0].channels, 7, 7)

    def forward(self, bottom, top):
        maps, self.places = bottom[0].data, {}
        height, width = maps.shape[2:]
        for r, (n, *box) in enumerate(bottom[1].data):
            x1, y1, x2, y2 = (round(v / 16) for v in box)
            h, w = max(y2 - y1 + 1, 1), max(x2 - x1 + 1, 1)
            for i, j in np.ndindex(7, 7):
                rows = slice(min(max(y1 + i * h // 7, 0), height), min(max(y1 - -(i + 1) * h // 7, 0), height))
                columns = slice(min(max(x1 + j * w // 7, 0), width), min(max(x1 - -(j + 1) * w // 7, 0), width))
                window = maps[int(n), :, rows, columns]
                flat = window.reshape(len(window), -1)
                top[0].data[r, :, i, j] = flat.max(1) if flat.size else 0
                if flat.size:
                    y, x = np.unravel_index(flat.argmax(1), window.shape[1:])
                    self.places[r, i, j] = int(n), y + rows.start, x + columns.start

    def backward(self, top, propagate_down, bottom):
        bottom[0].diff[...] = 0
        channels = np.arange(bottom[0].channels)
        for (r, i, j), (n, y, x) in self.places.items():
            bottom[0].diff[n, channels, y, x] += top[0].diff[r, :, i, j]


class ROIAligned(Loop):
    """Seven bins on each side, ROI by ROI, bin by bin and point by point; two points of a bin on each axis."""

    def reshape(self, bottom, top):
        top[0].reshape(bottom[1].num, bottom[0].channels, 7, 7)

    def points(self, bottom):
        height, width = bottom[0].data.shape[2:]
        for r, (n, *box) in enumerate(bottom[1].data):
            x1, y1, x2, y2 = (v / 16 for v in box)
            h, w = max(y2 - y1, 1) / 14, max(x2 - x1, 1) / 14
            for i, j in np.ndindex(14, 14):
                y, x = y1 + (i + 0.5) * h, x1 + (j + 0.5) * w
                if -1 <= y <= height and -1 <= x <= width:
                    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
                    top, left = int(y), int(x)
                    down, right = min(top + 1, height - 1), min(left + 1, width - 1)
                    a, b = y - top, x - left
                    corners = (top, left, (1 - a) * (1 - b)), (top, right, (1 - a) * b)
                    for row, column, weight in (*corners, (down, left, a * (1 - b)), (down, right, a * b)):
                        yield r, i // 2, j // 2, int(n), row, column, weight / 4

    def forward(self, bottom, top):
        top[0].data[...] = 0
        for r, i, j, n, y, x, weight in self.points(bottom):
            top[0].data[r, :, i, j] += weight * bottom[0].data[n, :, y, x]

    def backward(self, top, propagate_down, bottom):
        bottom[0].diff[...] = 0
        for r, i, j, n, y, x, weight in self.points(bottom):
            bottom[0].diff[n, :, y, x] += weight * top[0].diff[r, :, i, j]


class Suppress(Loop):
    """Greedy suppression as py-faster-rcnn has it without a compiler: each box that stays beside all that are left."""

    def reshape(self, bottom, top):
        top[0].reshape(1, 7)

    def forward(self, bottom, top):
        x1, y1, x2, y2 = bottom[0].data.T
        areas = (x2 - x1 + 1) * (y2 - y1 + 1)
        order, kept = np.argsort(-bottom[1].data, kind="stable"), []
        while len(order):
            i, rest = order[0], order[1:]
            kept.append(i)
            w = np.maximum(0, np.minimum(x2[i], x2[rest]) - np.maximum(x1[i], x1[rest]) + 1)
            h = np.maximum(0, np.minimum(y2[i], y2[rest]) - np.maximum(y1[i], y1[rest]) + 1)
            overlap = w * h / (areas[i] + areas[rest] - w * h)
            order = rest[overlap <= 0.7]
        top[0].reshape(len(kept), 7)
        top[0].data[:, :2] = 0
        top[0].data[:, 2] = bottom[1].data[kept]
        top[0].data[:, 3:] = bottom[0].data[kept]

    def backward(self, top, propagate_down, bottom):
        pass


class IoU(Loop):
    def reshape(self, bottom, top):
        top[0].reshape(bottom[0].num, bottom[1].num)

    def forward(self, bottom, top):
        for i, a in enumerate(bottom[0].data):
            for j, b in enumerate(bottom[1].data):
                w = min(a[2], b[2]) - max(a[0], b[0]) + 1
                h = min(a[3], b[3]) - max(a[1], b[1]) + 1
                area = max(w, 0) * max(h, 0)
                both = (a[2] - a[0] + 1) * (a[3] - a[1] + 1) + (b[2] - b[0] + 1) * (b[3] - b[1] + 1)
                top[0].data[i, j] = area / (both - area)

    def backward(self, top, propagate_down, bottom):
        pass
