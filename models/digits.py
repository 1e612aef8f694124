"""What the sample models are trained on: the digits that scikit-learn ships, but for those that are held out."""

from __future__ import annotations

import numpy as np
from right_answers import Array
from sklearn.datasets import load_digits

HELD_OUT_IMAGES = 360


def split_digits() -> tuple[Array, Array, Array, Array]:
    """Training images and labels, held-out images and labels: the last ones, never trained or calibrated on."""
    images, labels = load_digits(return_X_y=True)
    images, labels = images.reshape(-1, 8, 8).astype(np.uint8), labels.astype(np.uint8)
    train, held_out = slice(-HELD_OUT_IMAGES), slice(-HELD_OUT_IMAGES, None)
    return images[train], labels[train], images[held_out], labels[held_out]


def shifted(images: Array) -> Array:
    """The images in nine places: up to one pixel off in each direction."""
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    return np.concatenate([padded[:, row : row + 8, column : column + 8] for row in range(3) for column in range(3)])
