"""The layers of `rows.py` as eager functions of PyTorch's tensors, whose gradients are autograd's."""

import numpy as np

try:
    import torch
    from torch.nn import functional
except ImportError:
    torch = functional = None

VECTORS = torch and torch.randn(1000, 128, generator=torch.Generator().manual_seed(0)).requires_grad_()  # of classes


def at(classes, index):
    """Integer labels of tensors of floats."""
    return classes.long().reshape(index)


def batch_hard(x, y):
    d = torch.cdist(x, x) ** 2
    same = y[:, None] == y[None]
    far = d.masked_fill(~same, -1).amax(1)
    near = d.masked_fill(same, torch.inf).amin(1)
    return functional.relu(far - near + 0.2).mean()


def batch_all(x, y):
    d = torch.cdist(x, x) ** 2
    same = y[:, None] == y[None]
    triplets = (same & ~torch.eye(len(x), dtype=bool))[:, :, None] & ~same[:, None, :]
    return (functional.relu(d[:, :, None] - d[:, None, :] + 0.2) * triplets).sum() / triplets.sum()


def label_contrastive(x, y):
    d = torch.cdist(x, x)
    near, far = d * d, functional.relu(1 - d) ** 2
    return torch.where(y[:, None] == y[None], near, far).sum() / (2 * len(x) * (len(x) - 1))


def lifted_structure(x, y):
    d = torch.cdist(x, x)
    same = y[:, None] == y[None]
    negatives = torch.logsumexp((1 - d).masked_fill(same, -torch.inf), 1)
    i, j = torch.where(torch.triu(same, 1))
    return (functional.relu(torch.logaddexp(negatives[i], negatives[j]) + d[i, j]) ** 2).mean() / 2


def cosines(x):
    return functional.linear(functional.normalize(x), functional.normalize(VECTORS))


def arcface(x, y):
    c, y = cosines(x), y.long()[:, None]
    own = c.gather(1, y)
    turned = own * np.cos(0.5) - (1 - own**2).clamp(min=1e-7).sqrt() * np.sin(0.5)
    own = torch.where(own > np.cos(np.pi - 0.5), turned, own - 0.5 * np.sin(0.5))
    return 64 * c.scatter(1, y, own)


def proxy_anchor(x, y):
    c, own = cosines(x), functional.one_hot(y.long(), len(VECTORS)) == 1
    positive = torch.where(own, torch.exp(-32 * (c - 0.1)), 0).sum(0)
    negative = torch.where(own, 0, torch.exp(32 * (c + 0.1))).sum(0)
    return torch.log1p(positive).sum() / own.any(0).sum() + torch.log1p(negative).mean()


def dice(s, t):
    p = s.sigmoid().flatten(1)
    t = t.flatten(1)
    return (1 - (2 * (p * t).sum(1) + 1) / (p.sum(1) + t.sum(1) + 1)).mean()


def lovasz_softmax(s, y):
    """Berman's: for each class that is there, errors sorted down times the differences of the Jaccard losses."""
    losses = []
    for p, labels in zip(s.softmax(1).flatten(2), y.flatten(1)):
        of_classes = []
        for c in labels.unique().long().tolist():
            there = (labels == c).float()
            errors, order = (there - p[c]).abs().sort(0, descending=True)
            there = there[order]
            jaccard = 1 - (there.sum() - there.cumsum(0)) / (there.sum() + (1 - there).cumsum(0))
            of_classes.append(errors.dot(torch.cat((jaccard[:1], jaccard[1:] - jaccard[:-1]))))
        losses.append(torch.stack(of_classes).mean())
    return torch.stack(losses).mean()


def mean_iou(s, y):
    """The confusion matrix of a batch, and what follows; plus 0, so that there is a gradient of zeros, as ours."""
    y, p = y.flatten().long(), s.argmax(1).flatten()
    matrix = torch.bincount(y * 21 + p, minlength=21 * 21).reshape(21, 21)
    hits = matrix.diagonal()
    return (hits / (matrix.sum(0) + matrix.sum(1) - hits)).nanmean() + 0 * s.sum()


def focal(s, t):
    p = s.sigmoid()
    q, a = torch.where(t == 1, p, 1 - p), torch.where(t == 1, 0.25, 0.75)
    return (a * (1 - q) ** 2 * functional.binary_cross_entropy_with_logits(s, t, reduction="none")).sum() / len(s)


def ssim(x, y):
    line = torch.exp(-((torch.arange(11.0) - 5) ** 2) / 4.5)
    window = (torch.outer(line, line) / line.sum() ** 2).expand(3, 1, 11, 11)
    mx, my, xx, yy, xy = (functional.conv2d(a, window, groups=3) for a in (x, y, x * x, y * y, x * y))
    above = (2 * mx * my + 1e-4) * (2 * (xy - mx * my) + 9e-4)
    return 1 - (above / ((mx * mx + my * my + 1e-4) * (xx - mx * mx + yy - my * my + 9e-4))).mean()


def scale_invariant(log_y, depth):
    valid = depth > 0
    d = ((log_y - torch.where(valid, depth, 1).log()) * valid).flatten(1)
    count = valid.flatten(1).sum(1)
    return ((d * d).sum(1) / count - 0.5 * (d.sum(1) / count) ** 2).mean()


def roi_pool(x, rois):
    cells = (rois[:, 1:] / 16).round().int().tolist()
    pool = functional.adaptive_max_pool2d
    return torch.cat([pool(x[:, :, y1 : y2 + 1, x1 : x2 + 1], 7) for x1, y1, x2, y2 in cells])


def roi_align(x, rois):
    height, width = x.shape[2:]
    corners = rois[:, 1:].reshape(-1, 2, 2) / 16
    size = (corners[:, 1] - corners[:, 0]).clip(1)
    at = corners[:, 0, None] + size[:, None] * (torch.arange(14)[:, None] + 0.5) / 14  # ROIs, points, x and y
    x_at, y_at = at[:, None, :, 0] / (width - 1), at[:, :, None, 1] / (height - 1)
    grid = torch.stack([x_at.expand(-1, 14, 14), y_at.expand(-1, 14, 14)], 3) * 2 - 1
    grid = grid.reshape(1, -1, 14, 2)
    points = functional.grid_sample(x, grid, padding_mode="border", align_corners=True)
    return functional.avg_pool2d(points, 2)[0].unflatten(1, (-1, 7)).movedim(1, 0)


def iou(a, b):
    low, high = torch.maximum(a[:, None, :2], b[:, :2]), torch.minimum(a[:, None, 2:], b[:, 2:])
    shared = (high - low + 1).clip(0).prod(2)
    area, other = ((x[:, 2:] - x[:, :2] + 1).prod(1) for x in (a, b))
    return shared / (area[:, None] + other - shared)


def ohem(s, y):
    losses = functional.cross_entropy(s, y[:, 0].long(), reduction="none").flatten(1)
    return losses.topk(1024)[0].mean()
