"""Layers as published ones have them: a loop over samples, ROIs or positions. What `library.py` compares ours with.

They are right: they take the loss weight, and their gradients are forward's.
"""

import math

import caffe
import numpy as np


class Loop(caffe.Layer):
    """A layer without parameters."""

    def setup(self, bottom, top):
        pass

    def reshape(self, bottom, top):
        top[0].reshape(1)


class SampleLoss(Loop):
    """The mean over the samples of a loss: ``one`` returns a sample's loss and its gradient."""

    def forward(self, bottom, top):
        self.diff, loss = np.zeros_like(bottom[0].data), 0
        for i in range(bottom[0].num):
            value, self.diff[i] = self.one(bottom[0].data[i], bottom[1].data[i])
            loss += value
        top[0].data[...] = loss / bottom[0].num

    def backward(self, top, propagate_down, bottom):
        bottom[0].diff[...] = top[0].diff[0] * self.diff / bottom[0].num


class SmoothL1(SampleLoss):
    def one(self, p, t):
        d = p - t
        near = np.abs(d) < 1
        return np.where(near, d * d / 2, np.abs(d) - 0.5).sum(), np.where(near, d, np.sign(d))


class L1(SampleLoss):
    def one(self, p, t):
        return np.abs(p - t).sum(), np.sign(p - t)


class ScaleInvariant(SampleLoss):
    def one(self, log_y, depth):
        valid, d = depth > 0, np.zeros_like(log_y)
        d[valid] = log_y[valid] - np.log(depth[valid])
        n, mean = valid.sum(), d[valid].mean()
        return (d * d).sum() / n - 0.5 * mean**2, 2 * (d - 0.5 * mean) * valid / n


class SSIM(SampleLoss):
    """The window of 11 x 11 is shifted over an image, position by position of the window."""

    def setup(self, bottom, top):
        line = np.exp(-((np.arange(11) - 5) ** 2) / 4.5)
        self.window = np.float32(np.outer(line, line) / line.sum() ** 2)

    def mean(self, image):
        high, wide = (n - 10 for n in image.shape)
        return sum(w * image[i : i + high, j : j + wide] for (i, j), w in np.ndenumerate(self.window))

    def spread(self, d_mean):
        d_image = np.zeros([n + 10 for n in d_mean.shape], d_mean.dtype)
        for (i, j), w in np.ndenumerate(self.window):
            d_image[i : i + d_mean.shape[0], j : j + d_mean.shape[1]] += w * d_mean
        return d_image

    def one(self, xs, ys):
        loss, diff = 0, np.zeros_like(xs)
        for c, (x, y) in enumerate(zip(xs, ys)):
            mx, my, xx, yy, xy = (self.mean(a) for a in (x, y, x * x, y * y, x * y))
            a1, b1 = 2 * mx * my + 1e-4, mx * mx + my * my + 1e-4
            a2, b2 = 2 * (xy - mx * my) + 9e-4, xx - mx * mx + yy - my * my + 9e-4
            ssim = a1 * a2 / (b1 * b2)
            d_m = 2 * my * (a2 - a1) / (b1 * b2) - 2 * mx * ssim * (1 / b1 - 1 / b2)
            d_xx, d_xy = -ssim / b2, 2 * a1 / (b1 * b2)
            diff[c] = -(self.spread(d_m) + 2 * x * self.spread(d_xx) + y * self.spread(d_xy)) / (ssim.size * len(xs))
            loss += (1 - ssim.mean()) / len(xs)
        return loss, diff


class SigmoidFocal(SampleLoss):
    def one(self, s, t):
        p = 1 / (1 + np.exp(-s))
        q = np.where(t == 1, p, 1 - p)
        a = np.where(t == 1, 0.25, 0.75)
        log_q = np.log(np.maximum(q, 1e-12))
        slope = a * (1 - q) * (2 * q * log_q - (1 - q)) * np.where(t == 1, 1, -1)
        return -(a * (1 - q) ** 2 * log_q).sum(), slope


class SoftmaxMaps(SampleLoss):
    def one(self, s, labels):
        e = np.exp(s - s.max(0))
        p = e / e.sum(0)
        at = labels[0].astype(int)
        rows, columns = np.indices(at.shape)
        positions = at.size
        loss = -np.log(p[at, rows, columns]).sum() / positions
        p[at, rows, columns] -= 1
        return loss, p / positions


class SoftmaxOHEM(SampleLoss):
    """The hardest quarter of each map's positions, as published ones find them: sorted."""

    def one(self, s, labels):
        e = np.exp(s - s.max(0))
        p = e / e.sum(0)
        at = labels[0].astype(int)
        rows, columns = np.indices(at.shape)
        losses = -np.log(p[at, rows, columns])
        kept = np.zeros(at.size, bool)
        kept[np.argsort(-losses.ravel())[: at.size // 4]] = True
        kept = kept.reshape(at.shape)
        p[at, rows, columns] -= 1
        return losses[kept].mean(), p * kept / kept.sum()


class Dice(SampleLoss):
    def one(self, s, t):
        p = 1 / (1 + np.exp(-s))
        above, below = 2 * (p * t).sum() + 1, p.sum() + t.sum() + 1
        return 1 - above / below, -(2 * t / below - above / below**2) * p * (1 - p)


class LovaszSoftmax(SampleLoss):
    """Class by class of each image, with autograd's gradient of the softmax by hand."""

    def one(self, s, labels):
        e = np.exp(s - s.max(0))
        p = e / e.sum(0)
        d_p, loss, there = np.zeros_like(p), 0, np.unique(labels).astype(int)
        for c in there:
            member = (labels[0] == c).ravel().astype(np.float32)
            difference = p[c].ravel() - member
            order = np.argsort(-np.abs(difference))
            ordered = member[order]
            jaccard = 1 - (ordered.sum() - ordered.cumsum()) / (ordered.sum() + (1 - ordered).cumsum())
            jaccard[1:] -= jaccard[:-1].copy()
            loss += np.abs(difference)[order].dot(jaccard)
            d = np.empty_like(difference)
            d[order] = jaccard
            d_p[c] = (d * np.sign(difference)).reshape(p[c].shape)
        d_s = p * (d_p - (p * d_p).sum(0))
        return loss / len(there), d_s / len(there)


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


class NPair(Loop):
    def forward(self, bottom, top):
        a, p = bottom[0].data, bottom[1].data
        self.diffs, loss = [np.zeros_like(a), np.zeros_like(p)], 0
        for i in range(len(a)):
            s = np.array([a[i].dot(p[j]) for j in range(len(p))])
            e = np.exp(s - s.max())
            q = e / e.sum()
            loss -= np.log(q[i])
            q[i] -= 1
            for j in range(len(p)):
                self.diffs[0][i] += q[j] * p[j]
                self.diffs[1][j] += q[j] * a[i]
        top[0].data[...] = loss / len(a)

    def backward(self, top, propagate_down, bottom):
        for i in range(2):
            bottom[i].diff[...] = top[0].diff[0] * self.diffs[i] / bottom[0].num


class BatchHardTriplet(Loop):
    def forward(self, bottom, top):
        x, labels = bottom[0].data, bottom[1].data
        self.diff, loss, n = np.zeros_like(x), 0, len(x)
        for i in range(n):
            far, near = (-1, i), (np.inf, i)
            for j in range(n):
                d = ((x[i] - x[j]) ** 2).sum()
                if labels[i] == labels[j] and i != j:
                    far = max(far, (d, j))
                elif labels[i] != labels[j]:
                    near = min(near, (d, j))
            term = far[0] - near[0] + 0.2
            if term > 0:
                loss += term
                p, q = far[1], near[1]
                self.diff[i] += 2 * (x[q] - x[p])
                self.diff[p] += 2 * (x[p] - x[i])
                self.diff[q] += 2 * (x[i] - x[q])
        top[0].data[...] = loss / n

    def backward(self, top, propagate_down, bottom):
        bottom[0].diff[...] = top[0].diff[0] * self.diff / bottom[0].num


class LabelContrastive(Loop):
    def forward(self, bottom, top):
        x, labels = bottom[0].data, bottom[1].data
        self.diff, loss, n = np.zeros_like(x), 0, len(x)
        for i in range(n):
            for j in range(i + 1, n):
                difference = x[i] - x[j]
                d = np.sqrt((difference**2).sum())
                slope = 1.0 if labels[i] == labels[j] else min((d - 1) / d, 0)
                loss += d * d / 2 if labels[i] == labels[j] else max(1 - d, 0) ** 2 / 2
                self.diff[i] += slope * difference
                self.diff[j] -= slope * difference
        self.pairs = n * (n - 1) / 2
        top[0].data[...] = loss / self.pairs

    def backward(self, top, propagate_down, bottom):
        bottom[0].diff[...] = top[0].diff[0] * self.diff / self.pairs


class LiftedStructure(Loop):
    def forward(self, bottom, top):
        x, labels = bottom[0].data, bottom[1].data
        self.diff, loss, self.pairs = np.zeros_like(x), 0, 0
        d = np.array([[np.sqrt(((a - b) ** 2).sum()) for b in x] for a in x])
        for i in range(len(x)):
            for j in range(i + 1, len(x)):
                if labels[i] != labels[j]:
                    continue
                self.pairs += 1
                others = np.flatnonzero(labels != labels[i])
                e = np.exp(1 - d[[i, j]][:, others])
                term = np.log(e.sum()) + d[i, j]
                if term <= 0:
                    continue
                loss += term**2 / 2
                self.pull(x, d, i, j, term)
                for row, a in zip(e, (i, j)):
                    for share, k in zip(row / e.sum(), others):
                        self.pull(x, d, a, k, -term * share)
        top[0].data[...] = loss / self.pairs

    def pull(self, x, d, i, j, slope):
        step = slope * (x[i] - x[j]) / d[i, j]
        self.diff[i] += step
        self.diff[j] -= step

    def backward(self, top, propagate_down, bottom):
        bottom[0].diff[...] = top[0].diff[0] * self.diff / self.pairs


class ArcFace(Loop):
    """Scale 64, margin 0.5, 1000 classes, sample by sample."""

    def setup(self, bottom, top):
        self.blobs.add_blob(1000, bottom[0].channels)
        self.blobs[0].data[...] = np.random.RandomState(0).standard_normal(self.blobs[0].data.shape)

    def reshape(self, bottom, top):
        top[0].reshape(bottom[0].num, 1000)

    def forward(self, bottom, top):
        w = self.blobs[0].data
        for i, (x, y) in enumerate(zip(bottom[0].data, bottom[1].data.astype(int))):
            cosines = w.dot(x) / (np.linalg.norm(w, axis=1) * np.linalg.norm(x))
            theta = math.acos(cosines[y])
            cosines[y] = math.cos(theta + 0.5) if theta + 0.5 < math.pi else cosines[y] - 0.5 * math.sin(0.5)
            top[0].data[i] = 64 * cosines

    def backward(self, top, propagate_down, bottom):
        w = self.blobs[0].data
        lengths = np.linalg.norm(w, axis=1)
        for i, (x, y) in enumerate(zip(bottom[0].data, bottom[1].data.astype(int))):
            length, d = np.linalg.norm(x), 64 * top[0].diff[i]
            cosines = w.dot(x) / (lengths * length)
            theta = math.acos(cosines[y])
            if theta + 0.5 < math.pi:
                d[y] *= math.sin(theta + 0.5) / math.sin(theta)
            bottom[0].diff[i] = (d / lengths).dot(w) / length - d.dot(cosines) * x / length**2
            self.blobs[0].diff[...] += np.outer(d / lengths, x / length) - (d * cosines / lengths**2)[:, None] * w


class Normalize(Loop):
    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].shape)

    def forward(self, bottom, top):
        for i in range(bottom[0].num):
            top[0].data[i] = bottom[0].data[i] / np.linalg.norm(bottom[0].data[i])

    def backward(self, top, propagate_down, bottom):
        for i in range(bottom[0].num):
            y, d = top[0].data[i], top[0].diff[i]
            bottom[0].diff[i] = (d - y * y.dot(d)) / np.linalg.norm(bottom[0].data[i])


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
