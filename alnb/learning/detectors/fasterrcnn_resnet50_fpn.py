"""Faster R-CNN on a ResNet-50 with a feature pyramid, 41 M weights: torchvision's own, as the thesis' of COCO."""

from __future__ import annotations

COST = (9000.0, 2500.0)


def weights():
    """torchvision's weights of COCO, their file on disk; BadRequest where it is not: nothing is fetched unasked."""
    from pathlib import Path

    import torch
    from torchvision.models.detection import FasterRCNN_ResNet50_FPN_Weights

    from alnb.errors import BadRequest

    coco = FasterRCNN_ResNet50_FPN_Weights.COCO_V1
    path = Path(torch.hub.get_dir()) / "checkpoints" / Path(coco.url).name
    if not path.is_file():
        raise BadRequest(f"COCO weights are missing: put {coco.url} at {path}")
    return coco


def build(classes, size, height=0, coco=False):
    from torchvision.models.detection import fasterrcnn_resnet50_fpn
    from torchvision.models.detection.faster_rcnn import FastRCNNPredictor

    from alnb.learning.detectors._faster_rcnn import ToHeight

    resized = {"min_size": min(size), "max_size": max(size)}
    if not coco:
        model = fasterrcnn_resnet50_fpn(weights=None, weights_backbone=None, num_classes=classes + 1, **resized)
    else:
        model = fasterrcnn_resnet50_fpn(weights=weights(), progress=False, **resized)  # reads that file
        model.roi_heads.box_predictor = FastRCNNPredictor(model.roi_heads.box_predictor.cls_score.in_features, classes + 1)
    if height:
        plain = model.transform
        model.transform = ToHeight(height, plain.image_mean, plain.image_std)
    return model
