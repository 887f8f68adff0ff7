"""Faster R-CNN on six convolutions of stride 4, 0.2 M weights: made for frames of about 96 x 64 and one CPU core.

torchvision's own two stages by their public builder, with few anchors and proposals; batch norm in the body, as all small
networks here. Frames are never resized.
"""

from __future__ import annotations

COST = (8.0, 2.4)


def build(classes, size, height=0, coco=False):
    from torch import nn
    from torchvision.models.detection import FasterRCNN
    from torchvision.models.detection.faster_rcnn import FastRCNNPredictor
    from torchvision.models.detection.rpn import AnchorGenerator
    from torchvision.models.detection.transform import GeneralizedRCNNTransform
    from torchvision.ops import MultiScaleRoIAlign

    from alnb.errors import BadRequest

    if coco or height:
        raise BadRequest(
            "fasterrcnn_small: no COCO weights and no resizing; accepted: pretraining on a world, height = 0"
        )

    class AsTheyAre(GeneralizedRCNNTransform):
        """Normalises, and resizes nothing."""

        def resize(self, image, target=None):
            return image, target

    def layer(a, b, stride=1):
        return [nn.Conv2d(a, b, 3, stride, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU(inplace=True)]

    body = nn.Sequential(
        *layer(3, 24, 2), *layer(24, 32, 2), *layer(32, 48), *layer(48, 48), *layer(48, 48), *layer(48, 48)
    )
    body.out_channels = 48
    head = nn.Sequential(nn.Flatten(), nn.Linear(48 * 4 * 4, 96), nn.ReLU(), nn.Linear(96, 96), nn.ReLU())
    model = FasterRCNN(
        body,
        rpn_anchor_generator=AnchorGenerator(((6, 12, 22, 40),), ((0.5, 1.0, 2.5),)),
        rpn_pre_nms_top_n_train=200, rpn_pre_nms_top_n_test=100, rpn_post_nms_top_n_train=60, rpn_post_nms_top_n_test=40,
        rpn_batch_size_per_image=64, box_batch_size_per_image=32,
        box_roi_pool=MultiScaleRoIAlign(["0"], 4, 2), box_head=head, box_predictor=FastRCNNPredictor(96, classes + 1),
        box_detections_per_img=20,
    )  # fmt: skip
    model.transform = AsTheyAre(min(size), max(size), (0.45, 0.45, 0.45), (0.25, 0.25, 0.25), size_divisible=4)
    return model
