"""scikit-learn's 1,797 scanned digits, 8 x 8 pixels: real, tiny, and there without a download.

Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI repository, 1998 (its test
part, which scikit-learn ships). Half a second trains on it, so it proves that a pipeline is connected.
Nothing about active learning follows from it: a linear model is right on 97 % and 200 labels are nearly all
there is to learn.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from alnb.datasets import Dataset, Info, channel_statistics

TEST = 500

INFO = {
    "digits": Info(
        title="scikit-learn digits, 8 x 8 scans",
        real=True,
        classes=10,
        source="embedded",
        terms="CC BY 4.0 (UCI repository, doi:10.24432/C50P49)",
        train=1_297,
        test=500,
        plumbing=True,
    )
}


def load(name: str, root: Path) -> Dataset:
    """1,297 training and 500 test images, (N, 3, 8, 8): grey, three times; stratified, the same split for
    everyone."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, targets = load_digits(return_X_y=True)  # (1797, 64) whole numbers 0..16, (1797,)
    grey = np.rint(images * (255 / 16)).astype(np.uint8).reshape(-1, 1, 8, 8)
    train, test = train_test_split(np.arange(len(grey)), test_size=TEST, stratify=targets, random_state=0)
    grey = np.repeat(grey, 3, axis=1)
    mean, std = channel_statistics(grey[train])
    return Dataset(
        name=name,
        info=INFO[name],
        train_images=grey[train],
        train_targets=targets[train].astype(np.int64),
        test_images=grey[test],
        test_targets=targets[test].astype(np.int64),
        class_names=tuple("0123456789"),
        mean=mean,
        std=std,
        crop=1,
        flip=False,
    )
