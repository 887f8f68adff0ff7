"""What every Faster R-CNN is asked here: a loss to be trained with, and detections with the probabilities of all classes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torchvision.models.detection.transform import GeneralizedRCNNTransform
from torchvision.ops import boxes as box_ops

from alnb.errors import BadRequest
from alnb.learning.modes import evaluating


@dataclass(frozen=True)
class Found:
    """Detections of one frame, best first: boxes (n, 4) in the frame's pixels, classes (n,) from 0, the background not counted,
    scores (n,), probabilities (n, 1 + C), the background first."""

    boxes: torch.Tensor
    classes: torch.Tensor
    scores: torch.Tensor
    probabilities: torch.Tensor


class ToHeight(GeneralizedRCNNTransform):
    """Resizes each frame to one height, its aspect kept; torchvision's own gives the shorter side that length, so that a frame
    higher than wide would be larger than "height 300" says (thesis 2.5.1)."""

    def __init__(self, height: int, mean, std):
        super().__init__(height, 10**5, mean, std)
        self.height = height

    def resize(self, image, target=None):
        high, wide = image.shape[-2:]
        self.min_size = (self.height * min(high, wide) / high,)
        return super().resize(image, target)


class Detector(nn.Module):
    """A torchvision FasterRCNN (`rcnn`) as the training loop takes it: fed (images, targets), it gives its losses by name."""

    def __init__(self, rcnn):
        super().__init__()
        self.rcnn = rcnn

    def forward(self, x):
        return self.rcnn(*x)

    @torch.no_grad()
    def detect(self, images, threshold: float) -> list[Found]:
        """images (B, 3, H, W) in [0, 1], all of one size. What torchvision gives, beside it the whole softmax of each box, which
        torchvision drops (tested equal). Scores above `threshold`; NaN is a BadRequest."""
        rcnn = self.rcnn
        with evaluating(self):
            seen, _ = rcnn.transform(list(images))
            features = rcnn.backbone(seen.tensors)
            features = features if isinstance(features, dict) else {"0": features}
            proposals, _ = rcnn.rpn(seen, features)
            heads = rcnn.roi_heads
            pooled = heads.box_roi_pool(features, proposals, seen.image_sizes)
            logits, deltas = heads.box_predictor(heads.box_head(pooled))
        boxes, probabilities = heads.box_coder.decode(deltas, proposals), logits.float().softmax(1)
        if bool(probabilities.isnan().any()):
            raise BadRequest("the detector's scores are NaN: its training diverged; a lower lr?")
        counts, (high, wide) = [len(p) for p in proposals], images.shape[-2:]
        return [
            self._kept(*one, size, (wide / size[1], high / size[0]), threshold)
            for *one, size in zip(boxes.split(counts), probabilities.split(counts), seen.image_sizes)
        ]

    def _kept(self, boxes, probabilities, size, scale, threshold) -> Found:
        heads = self.rcnn.roi_heads
        boxes = box_ops.clip_boxes_to_image(boxes, size)[:, 1:]  # a box a class
        row, place = (probabilities[:, 1:] > max(threshold, heads.score_thresh)).nonzero().unbind(1)
        boxes, scores = boxes[row, place], probabilities[row, place + 1]
        large = box_ops.remove_small_boxes(boxes, 1e-2)
        boxes, scores, row, place = boxes[large], scores[large], row[large], place[large]
        keep = box_ops.batched_nms(boxes, scores, place, heads.nms_thresh)[: heads.detections_per_img]
        return Found(boxes[keep] * boxes.new_tensor(scale * 2), place[keep], scores[keep], probabilities[row[keep]])


def total(losses, y, epoch, rows):
    """The sum of Faster R-CNN's losses, which are means over a batch: each frame's share. See learning.losses."""
    return sum(losses.values()).expand(len(rows))
