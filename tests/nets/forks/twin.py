"""A net of a fork by PyTorch, which learns as Caffe's SGD has it."""

import numpy as np


class Twin:
    """The learned blobs of a net whose layers have weights and a bias, as tensors: a subclass computes with them.

    The biases' rate is twice that of the weights, and they have no decay.
    """

    def __init__(self, torch, net):
        self.torch, self.f = torch, torch.nn.functional
        self.learned = {
            name: [torch.tensor(np.array(blob.data), requires_grad=True) for blob in blobs]
            for name, blobs in net.params.items()
        }
        self.history = {name: [torch.zeros_like(w) for w in each] for name, each in self.learned.items()}

    def step(self, losses, rate, momentum=0.9, decay=0.0005):
        sum(losses).backward()
        with self.torch.no_grad():
            for name, blobs in self.learned.items():
                for k, (blob, history) in enumerate(zip(blobs, self.history[name])):
                    history.mul_(momentum).add_((1 + k) * rate * (blob.grad + (1 - k) * decay * blob))
                    blob.sub_(history)
                    blob.grad = None
