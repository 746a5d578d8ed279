"""Training of Fast R-CNN and R-FCN in small, on the runtime and by PyTorch: the same weights, data order and losses."""

import numpy as np
import pytest

from tests.nets.forks.twin import Twin

SIZE, ROIS, CLASSES = 32, 12, 3  # pixels of the images, ROIs and classes of a batch


def batches(count, images=2):
    """Yield data, rois, labels, bbox_targets and their weights: squares of two colours on noise, boxes near them."""
    rng = np.random.RandomState(5)
    for _ in range(count):
        data = 0.3 * rng.standard_normal((images, 3, SIZE, SIZE))
        found = []
        for image in range(images):
            label, side = rng.randint(1, CLASSES), rng.randint(8, 14)
            x, y = rng.randint(0, SIZE - side, 2)
            data[image, label, y : y + side, x : x + side] += 1
            truth = np.array([x, y, x + side - 1, y + side - 1], float)
            for k in range(ROIS // images):
                near = k < 3
                left, top = rng.randint(0, SIZE - 8, 2)
                box = truth + rng.randint(-2, 3, 4) if near else np.array([left, top, left + 7, top + 7])
                box = box.clip(0, SIZE - 2)
                found.append((image, box, label if near else 0, truth - box))
        labels = np.array([label for _, _, label, _ in found])
        targets, weights = np.zeros((2, ROIS, CLASSES, 4))
        for i, (_, _, label, delta) in enumerate(found):
            targets[i, label], weights[i, label] = delta / 4, label > 0
        rois = np.array([[image, *box] for image, box, _, _ in found])
        yield data, rois, labels, targets.reshape(ROIS, -1), weights.reshape(ROIS, -1)


def inputs(**shapes):
    return "".join(
        f"input: '{name}' input_shape {{ {' '.join(f'dim: {n}' for n in shape)} }}\n" for name, shape in shapes.items()
    )


def learned(kind, name, bottom, param):
    return (
        f"layer {{ name: '{name}' type: '{kind}' bottom: '{bottom}' top: '{name}' "
        "param { lr_mult: 1 } param { lr_mult: 2 decay_mult: 0 } "
        f"{param} weight_filler {{ type: 'gaussian' std: 0.2 }} }} }}\n"
    )


def convolution(name, bottom, outputs, kernel=3):
    param = f"convolution_param {{ num_output: {outputs} kernel_size: {kernel} pad: {kernel // 2}"
    return learned("Convolution", name, bottom, param)


def inner_product(name, bottom, outputs):
    return learned("InnerProduct", name, bottom, f"inner_product_param {{ num_output: {outputs}")


def relu(name):
    return f"layer {{ name: '{name}_relu' type: 'ReLU' bottom: '{name}' top: '{name}' }}\n"


BODY = (
    convolution("conv1", "data", 8)
    + relu("conv1")
    + "layer { name: 'pool1' type: 'Pooling' bottom: 'conv1' top: 'pool1' "
    + "pooling_param { pool: MAX kernel_size: 2 stride: 2 } }\n"
    + convolution("conv2", "pool1", 16)
    + relu("conv2")
)

FAST_RCNN = (
    inputs(
        data=(2, 3, SIZE, SIZE),
        rois=(ROIS, 5),
        labels=(ROIS,),
        bbox_targets=(ROIS, 4 * CLASSES),
        bbox_inside_weights=(ROIS, 4 * CLASSES),
        bbox_outside_weights=(ROIS, 4 * CLASSES),
    )
    + BODY
    + """
layer { name: 'roi_pool' type: 'ROIPooling' bottom: 'conv2' bottom: 'rois' top: 'roi_pool'
  roi_pooling_param { pooled_w: 3 pooled_h: 3 spatial_scale: 0.5 } }
"""
    + inner_product("fc6", "roi_pool", 24)
    + relu("fc6")
    + inner_product("cls_score", "fc6", CLASSES)
    + inner_product("bbox_pred", "fc6", 4 * CLASSES)
    + """
layer { name: 'loss_cls' type: 'SoftmaxWithLoss' bottom: 'cls_score' bottom: 'labels' top: 'loss_cls' loss_weight: 1 }
layer { name: 'loss_bbox' type: 'SmoothL1Loss' bottom: 'bbox_pred' bottom: 'bbox_targets'
  bottom: 'bbox_inside_weights' bottom: 'bbox_outside_weights' top: 'loss_bbox' loss_weight: 1 }
"""
)

RFCN = (
    inputs(
        data=(2, 3, SIZE, SIZE),
        rois=(ROIS, 5),
        labels=(ROIS, 1, 1, 1),
        bbox_targets=(ROIS, 8, 1, 1),
        bbox_inside_weights=(ROIS, 8, 1, 1),
    )
    + BODY
    + convolution("rfcn_cls", "conv2", CLASSES * 9, 1)
    + convolution("rfcn_bbox", "conv2", 8 * 9, 1)
    + "".join(
        f"""
layer {{ name: '{pooled}' type: 'PSROIPooling' bottom: '{maps}' bottom: 'rois' top: '{pooled}'
  psroi_pooling_param {{ spatial_scale: 0.5 output_dim: {dims} group_size: 3 }} }}
layer {{ name: 'ave_{top}' type: 'Pooling' bottom: '{pooled}' top: '{top}'
  pooling_param {{ pool: AVE kernel_size: 3 stride: 3 }} }}
"""
        for maps, pooled, top, dims in (
            ("rfcn_cls", "psroipooled_cls", "cls_score", CLASSES),
            ("rfcn_bbox", "psroipooled_loc", "bbox_pred", 8),
        )
    )
    + """
layer { name: 'per_roi_loss_cls' type: 'SoftmaxWithLossOHEM' bottom: 'cls_score' bottom: 'labels'
  top: 'temp_loss_cls' top: 'temp_prob_cls' top: 'per_roi_loss_cls' loss_weight: 0 loss_weight: 0 loss_weight: 0
  propagate_down: false propagate_down: false }
layer { name: 'per_roi_loss_bbox' type: 'SmoothL1LossOHEM' bottom: 'bbox_pred' bottom: 'bbox_targets'
  bottom: 'bbox_inside_weights' top: 'temp_loss_bbox' top: 'per_roi_loss_bbox' loss_weight: 0 loss_weight: 0
  propagate_down: false propagate_down: false propagate_down: false }
layer { name: 'per_roi_loss' type: 'Eltwise' bottom: 'per_roi_loss_cls' bottom: 'per_roi_loss_bbox' top: 'per_roi_loss'
  propagate_down: false propagate_down: false }
layer { name: 'annotator' type: 'BoxAnnotatorOHEM' bottom: 'rois' bottom: 'per_roi_loss' bottom: 'labels'
  bottom: 'bbox_inside_weights' top: 'labels_ohem' top: 'bbox_loss_weights_ohem'
  box_annotator_ohem_param { roi_per_img: 4 ignore_label: -1 }
  propagate_down: false propagate_down: false propagate_down: false propagate_down: false }
layer { name: 'silence' type: 'Silence' bottom: 'temp_loss_cls' bottom: 'temp_prob_cls' bottom: 'temp_loss_bbox' }
layer { name: 'loss_cls' type: 'SoftmaxWithLoss' bottom: 'cls_score' bottom: 'labels_ohem' top: 'loss_cls'
  loss_weight: 1 loss_param { ignore_label: -1 } propagate_down: true propagate_down: false }
layer { name: 'loss_bbox' type: 'SmoothL1LossOHEM' bottom: 'bbox_pred' bottom: 'bbox_targets'
  bottom: 'bbox_loss_weights_ohem' top: 'loss_bbox' loss_weight: 1
  loss_param { normalization: PRE_FIXED pre_fixed_normalizer: 8 }
  propagate_down: true propagate_down: false propagate_down: false }
"""
)


class Detectors(Twin):
    """The same net by PyTorch."""

    def body(self, data):
        x = self.f.max_pool2d(self.convolved("conv1", data), 2)
        return self.convolved("conv2", x)

    def convolved(self, name, x):
        return self.f.conv2d(x, *self.learned[name], padding=1).relu()

    def fast_rcnn(self, data, rois, labels, targets, weights):
        x, cells = self.body(data), (rois[:, 1:] * 0.5 + 0.5).floor().long()
        pooled = [
            self.f.adaptive_max_pool2d(x[int(n), :, y1 : y2 + 1, x1 : x2 + 1], 3)
            for n, (x1, y1, x2, y2) in zip(rois[:, 0], cells.tolist())
        ]
        hidden = self.f.linear(self.torch.stack(pooled).flatten(1), *self.learned["fc6"]).relu()
        scores = self.f.linear(hidden, *self.learned["cls_score"])
        boxes = self.f.linear(hidden, *self.learned["bbox_pred"])
        errors = self.f.smooth_l1_loss(weights * boxes, weights * targets, reduction="none")
        return self.f.cross_entropy(scores, labels), (0.5 * errors).sum() / len(rois)

    def rfcn(self, data, rois, labels, targets, weights):
        x = self.body(data)
        scores, boxes = (self.voted(name, x, rois) for name in ("rfcn_cls", "rfcn_bbox"))
        errors = self.f.smooth_l1_loss(weights * boxes, weights * targets, reduction="none").sum(1)
        each = self.f.cross_entropy(scores, labels, reduction="none")
        total = (each + errors).detach()
        kept = self.torch.zeros(len(rois), dtype=self.torch.bool)
        for image in range(2):
            of = (rois[:, 0] == image).nonzero()[:, 0]
            kept[of[total[of].argsort(descending=True)[:4]]] = True
        return each[kept].mean(), errors[kept].sum() / 8

    def voted(self, name, x, rois):
        """The mean over the bins of a ROI of each bin's mean, by masks of the cells."""
        maps = self.f.conv2d(x, *self.learned[name])
        corners = (rois[:, 1:] + 0.5).floor()
        sides = []
        for axis in (1, 0):
            start, end = corners[:, axis] * 0.5, (corners[:, 2 + axis] + 1) * 0.5
            step = (end - start)[:, None] / 3
            place, cell = self.torch.arange(3), self.torch.arange(x.shape[2])
            low, high = (place * step + start[:, None]).floor(), ((place + 1) * step + start[:, None]).ceil()
            inside = (cell >= low[..., None]) & (cell < high[..., None])
            sides.append(inside / inside.sum(2, keepdim=True))
        maps = maps[rois[:, 0].long()].unflatten(1, (-1, 3, 3))
        return self.torch.einsum("rdijyx,riy,rjx->rd", maps, *sides) / 9


def trained(tmp_path, text, twin_name, change):
    """Train a net on the runtime and its twin; return the losses of each iteration, (50, 2) of each."""
    torch = pytest.importorskip("torch")
    from caffe_pylayers import pycaffe

    (tmp_path / "net.prototxt").write_text(text)
    (tmp_path / "solver.prototxt").write_text(
        f"net: '{tmp_path}/net.prototxt' base_lr: 0.05 momentum: 0.9 weight_decay: 0.0005 lr_policy: 'fixed' "
        "random_seed: 3 display: 0"
    )
    solver = pycaffe.SGDSolver(str(tmp_path / "solver.prototxt"))
    twin = Detectors(torch, solver.net)
    data = [change(batch) for batch in batches(10)]
    ours, theirs = [], []
    for i in range(50):
        for name, array in data[i % 10].items():
            blob = solver.net.blobs[name]
            blob.data[...] = array.reshape(blob.data.shape)
        solver.step(1)
        ours.append([solver.net.blobs[name].data.item() for name in ("loss_cls", "loss_bbox")])
        batch = data[i % 10]
        tensors = [torch.tensor(batch[name], dtype=torch.float32) for name in ("data", "rois")]
        labels = torch.tensor(batch["labels"]).long()
        boxes = [torch.tensor(batch[f"bbox_{name}"], dtype=torch.float32) for name in ("targets", "inside_weights")]
        losses = getattr(twin, twin_name)(*tensors, labels, *boxes)
        theirs.append([loss.item() for loss in losses])
        twin.step(losses, rate=0.05)
    return np.array(ours), np.array(theirs)


def of_each_class(batch):
    data, rois, labels, targets, weights = batch
    return {
        "data": data,
        "rois": rois,
        "labels": labels,
        "bbox_targets": targets,
        "bbox_inside_weights": weights,
        "bbox_outside_weights": np.full_like(weights, 0.5),
    }


def class_agnostic(batch):
    data, rois, labels, targets, weights = batch
    boxes = [np.concatenate([np.zeros((ROIS, 4)), x.reshape(ROIS, CLASSES, 4).sum(1)], 1) for x in (targets, weights)]
    return {
        "data": data,
        "rois": rois,
        "labels": labels,
        "bbox_targets": boxes[0],
        "bbox_inside_weights": boxes[1],
    }


@pytest.mark.parametrize(
    ("text", "twin", "change"),
    [(FAST_RCNN, "fast_rcnn", of_each_class), (RFCN, "rfcn", class_agnostic)],
    ids=["fast_rcnn", "rfcn"],
)
def test_training_is_pytorchs(tmp_path, text, twin, change):
    ours, theirs = trained(tmp_path, text, twin, change)
    np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-3)
    assert ours[-10:].sum() < 0.6 * ours[:10].sum()
