"""Losses, sample by sample."""

import numpy as np

from loops.base import SampleLoss


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
