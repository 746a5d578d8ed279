"""The nets of nets.py in PyTorch, as its users write them: plain modules of the same mathematics and parameters.

``build`` makes one, ``batch`` random images and labels for it; ``using`` and ``training`` give what is timed.
"""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent)]

import torch
import zoo
from torch import nn, optim
from torch.nn import functional


class Net(nn.Module):
    """Probabilities (images, classes) of images, or with labels, int64, the loss."""

    def __init__(self, *layers):
        super().__init__()
        self.scores = nn.Sequential(*layers)

    def forward(self, images, labels=None):
        scores = self.scores(images)
        return functional.softmax(scores, 1) if labels is None else functional.cross_entropy(scores, labels)


# --- LeNet ----------------------------------------------------------------------------------------


class LeNet(Net):
    """With labels: the loss, and in evaluation the accuracy too."""

    def __init__(self):
        super().__init__(
            *(nn.Conv2d(1, 20, 5), nn.MaxPool2d(2), nn.Conv2d(20, 50, 5), nn.MaxPool2d(2), nn.Flatten()),
            *(nn.Linear(800, 500), nn.ReLU(inplace=True), nn.Linear(500, 10)),
        )

    def forward(self, images, labels):
        scores = self.scores(images)
        loss = self.loss(scores, labels)
        return loss if self.training else (loss, (scores.argmax(1) == labels).float().mean())

    def loss(self, scores, labels):
        return functional.cross_entropy(scores, labels)


class Distant(LeNet):
    """The loss is half the squared distance to the label, one-hot; the mean of the images."""

    def loss(self, scores, labels):
        wanted = functional.one_hot(labels, 10).float()
        return functional.mse_loss(scores, wanted, reduction="sum") / (2 * len(scores))


# --- AlexNet, CaffeNet, VGG-16 --------------------------------------------------------------------


def conv(bottoms, tops, kernel, **options):
    return nn.Conv2d(bottoms, tops, kernel, **options), nn.ReLU(inplace=True)


def pool(kernel=3, stride=2, **options):
    return nn.MaxPool2d(kernel, stride, ceil_mode=True, **options)


def fully(bottoms, tops):
    return nn.Linear(bottoms, tops), nn.ReLU(inplace=True), nn.Dropout()


def alexnet(norm_first):
    def shrink():
        steps = nn.LocalResponseNorm(5), pool()
        return steps if norm_first else reversed(steps)

    return Net(
        *(*conv(3, 96, 11, stride=4), *shrink(), *conv(96, 256, 5, padding=2, groups=2), *shrink()),
        *(*conv(256, 384, 3, padding=1), *conv(384, 384, 3, padding=1, groups=2)),
        *(*conv(384, 256, 3, padding=1, groups=2), pool(), nn.Flatten()),
        *(*fully(9216, 4096), *fully(4096, 4096), nn.Linear(4096, 1000)),
    )


def vgg16():
    layers, bottoms = [], 3
    for tops, convs in [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)]:
        for _ in range(convs):
            layers += conv(bottoms, tops, 3, padding=1)
            bottoms = tops
        layers.append(pool(2))
    return Net(*layers, nn.Flatten(), *fully(25088, 4096), *fully(4096, 4096), nn.Linear(4096, 1000))


# --- GoogLeNet ------------------------------------------------------------------------------------


class Inception(nn.Module):
    def __init__(self, bottoms, one, reduce3, three, reduce5, five, projected):
        super().__init__()
        self.branches = nn.ModuleList(
            [
                nn.Sequential(*conv(bottoms, one, 1)),
                nn.Sequential(*conv(bottoms, reduce3, 1), *conv(reduce3, three, 3, padding=1)),
                nn.Sequential(*conv(bottoms, reduce5, 1), *conv(reduce5, five, 5, padding=2)),
                nn.Sequential(pool(3, 1, padding=1), *conv(bottoms, projected, 1)),
            ]
        )

    def forward(self, x):
        return torch.cat([branch(x) for branch in self.branches], 1)


class GoogLeNet(nn.Module):
    """In training the two auxiliary losses count 0.3 each."""

    def __init__(self):
        super().__init__()

        def auxiliary(bottoms):
            first = nn.AvgPool2d(5, 3, ceil_mode=True), *conv(bottoms, 128, 1), nn.Flatten()
            return nn.Sequential(*first, nn.Linear(2048, 1024), nn.ReLU(inplace=True), nn.Dropout(0.7), head(1024))

        def head(bottoms):
            return nn.Linear(bottoms, 1000)

        self.to_4a = nn.Sequential(
            *(*conv(3, 64, 7, padding=3, stride=2), pool(), nn.LocalResponseNorm(5)),
            *(*conv(64, 64, 1), *conv(64, 192, 3, padding=1), nn.LocalResponseNorm(5), pool()),
            *(Inception(192, 64, 96, 128, 16, 32, 32), Inception(256, 128, 128, 192, 32, 96, 64), pool()),
            Inception(480, 192, 96, 208, 16, 48, 64),
        )
        self.first = auxiliary(512)
        self.to_4d = nn.Sequential(
            *(Inception(512, 160, 112, 224, 24, 64, 64), Inception(512, 128, 128, 256, 24, 64, 64)),
            Inception(512, 112, 144, 288, 32, 64, 64),
        )
        self.second = auxiliary(528)
        self.to_the_end = nn.Sequential(
            *(Inception(528, 256, 160, 320, 32, 128, 128), pool(), Inception(832, 256, 160, 320, 32, 128, 128)),
            *(Inception(832, 384, 192, 384, 48, 128, 128), nn.AvgPool2d(7, 1), nn.Flatten()),
            *(nn.Dropout(0.4), head(1024)),
        )

    def forward(self, images, labels=None):
        x = self.to_4a(images)
        y = self.to_4d(x)
        scores = self.to_the_end(y)
        if labels is None:
            return functional.softmax(scores, 1)
        loss = functional.cross_entropy(scores, labels)
        if self.training:
            for auxiliary in (self.first(x), self.second(y)):
                loss = loss + 0.3 * functional.cross_entropy(auxiliary, labels)
        return loss


# --- ResNet-50 ------------------------------------------------------------------------------------


def normal(bottoms, tops, kernel, **options):
    return nn.Conv2d(bottoms, tops, kernel, bias=False, **options), nn.BatchNorm2d(tops, momentum=0.001)


class Block(nn.Module):
    def __init__(self, bottoms, width, stride, projected):
        super().__init__()
        self.shortcut = nn.Sequential(*(normal(bottoms, 4 * width, 1, stride=stride) if projected else ()))
        self.branch = nn.Sequential(
            *(*normal(bottoms, width, 1, stride=stride), nn.ReLU(inplace=True)),
            *(*normal(width, width, 3, padding=1), nn.ReLU(inplace=True)),
            *normal(width, 4 * width, 1),
        )

    def forward(self, x):
        return functional.relu(self.shortcut(x) + self.branch(x), inplace=True)


def resnet50():
    layers, bottoms = [*normal(3, 64, 7, padding=3, stride=2), nn.ReLU(inplace=True), pool()], 64
    for stage, (blocks, width) in enumerate([(3, 64), (4, 128), (6, 256), (3, 512)]):
        for block in range(blocks):
            layers.append(Block(bottoms, width, 2 if stage and not block else 1, not block))
            bottoms = 4 * width
    return Net(*layers, nn.AvgPool2d(7), nn.Flatten(), nn.Linear(2048, 1000))


# --- what is timed --------------------------------------------------------------------------------

NETS = {
    "lenet_python": Distant,
    "lenet_euclidean": Distant,
    "lenet_softmax": LeNet,
    "caffenet": lambda: alexnet(norm_first=False),
    "alexnet": lambda: alexnet(norm_first=True),
    "googlenet": GoogLeNet,
    "resnet50": resnet50,
    "vgg16": vgg16,
}


def build(name, channels_last=False):
    """A net, its weights as PyTorch fills them."""
    return NETS[name]().to(memory_format=layout(channels_last))


def batch(name, size, channels_last=False):
    """Random images (size, channels, height, width), normally distributed, and labels (size), int64."""
    lenet = name.startswith("lenet")
    shape, classes = ((1, 28, 28), 10) if lenet else ((3, zoo.SIZES[name], zoo.SIZES[name]), 1000)
    images = torch.randn(size, *shape).to(memory_format=layout(channels_last))
    return images, torch.randint(classes, (size,))


def layout(channels_last):
    return torch.channels_last if channels_last else torch.contiguous_format


def using(net, images, labels):
    """A call that computes what nets.py's NAME.forward does: probabilities, LeNet's loss and accuracy."""
    net.eval()
    arguments = (images, labels) if isinstance(net, LeNet) else (images,)

    def call():
        with torch.inference_mode():
            return net(*arguments)

    return call


def training(net, images, labels):
    """A call that trains an iteration by nets.py's solver and gives the loss."""
    net.train()
    rule = optim.SGD(net.parameters(), lr=0.0001, momentum=0.9, weight_decay=0.0005, fused=True)

    def call():
        rule.zero_grad()
        loss = net(images, labels)
        loss.backward()
        rule.step()
        return loss.detach()

    return call


def copy_weights(net, params):
    """Give the net the learned values of a Caffe net's ``params``: layer by layer, in the order of both."""
    theirs = iter([[torch.from_numpy(blob.data.copy()) for blob in blobs] for blobs in params.values()])
    for layer in net.modules():
        ours = list(layer.parameters(recurse=False))
        if isinstance(layer, nn.BatchNorm2d):  # Caffe's BatchNorm, with its sums' divisor, and Scale
            mean, variance, divisor = next(theirs)
            layer.running_mean.copy_(mean / (divisor or 1))
            layer.running_var.copy_(variance / (divisor or 1))
        values = next(theirs) if ours else []
        if [to.shape for to in ours] != [value.shape for value in values]:
            raise ValueError(f"{layer} has blobs of another shape in Caffe: {[tuple(v.shape) for v in values]}")
        for to, value in zip(ours, values):
            to.data.copy_(value)
    if left := len(list(theirs)):
        raise ValueError(f"{left} of Caffe's layers are not in the net")
