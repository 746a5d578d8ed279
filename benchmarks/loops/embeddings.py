"""Losses and layers of embeddings, pair by pair and sample by sample."""

import math

import numpy as np

from loops.base import Loop


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
