"""Maps of classes against maps of classes: the confusion of their pixels and the mean intersection over union."""

from __future__ import annotations


def confusion(predicted, true, classes: int, ignored: int = 255):
    """(classes, classes) int64, pixels by true class (rows) and predicted class (columns), of integer tensors of one shape;
    pixels whose true class is `ignored` are left out."""
    import torch

    kept = true != ignored
    pairs = classes * true[kept].long() + predicted[kept].long()
    return torch.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def mean_iou(table) -> float:
    """Percent: the mean over the classes that occur, in truth or in a prediction, of pixels that are and are said to be of
    the class over those that are or are said to be, of one confusion (C, C) of the whole test set. Cityscapes' measure;
    its own script, too, leaves out a class that nowhere occurs. NaN where no pixel counts."""
    table = table.double()
    both, either = table.diagonal(), table.sum(0) + table.sum(1) - table.diagonal()
    return float(100 * (both / either)[either > 0].mean())


def pixel_accuracy(table) -> float:
    """Percent of the pixels that are said to be of their class."""
    return float(100 * table.diagonal().sum() / table.sum())
