"""What a network says of a split: a map of every (image, class) pair, logits of every image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from entreg_utils import cam
from entreg_utils.training.batches import as_input
from entreg_utils.training.guard import enough_memory


@dataclass(frozen=True)
class Prediction:
    """Raw outputs on a split: maps float32 (P, h, w) of the true classes, logits float32 (N, C).

    P = N with one class an image; with several, one map for each row of ``dataset.pairs``.
    """

    maps: np.ndarray
    logits: np.ndarray


def predict(model: nn.Module, dataset, limit: int | None = None, batch: int = 200) -> Prediction:
    """Run a model over the first ``limit`` images of a data set, on the model's device.

    One forward pass gives logits and maps together; an image of several classes is passed once for
    each. Passes are in float32, however the model was trained.

    Args:
        dataset: ``images`` uint8 (N, 3, H, W), ``labels`` (N,) or multi-hot (N, C) with ``pairs``;
            a :class:`~entreg_utils.training.View` also says which part of the image is shown.

    Raises:
        TrainingError: the device has too little memory.
    """
    device = next(model.parameters()).device
    count = len(dataset) if limit is None else min(limit, len(dataset))
    several, maps, logits = dataset.labels.ndim == 2, [], []
    show = getattr(dataset, "show", lambda images: images)
    with enough_memory("a pass in evaluation"):
        for start in range(0, count, batch):
            rows = slice(start, min(start + batch, count))
            images = as_input(show(dataset.images[rows]), device)
            if several:
                a, z = _several(model, images, dataset.pairs, rows)
            else:
                classes = dataset.labels[rows].to(device)
                a, z = cam.class_activation_map(model, images, classes)
            maps.append(a.float().cpu().numpy())
            logits.append(z.float().cpu().numpy())
    return Prediction(np.concatenate(maps), np.concatenate(logits))


def _several(model: nn.Module, images: Tensor, pairs: Tensor, rows: slice) -> tuple[Tensor, Tensor]:
    """Maps of the pairs whose image lies in ``rows``, and logits of every image there."""
    own = pairs[(pairs[:, 0] >= rows.start) & (pairs[:, 0] < rows.stop)]
    owners, classes = own[:, 0] - rows.start, own[:, 1]
    everyone = torch.arange(len(images))
    bare = everyone[~torch.isin(everyone, owners)]  # shows no class: passed for its logits alone
    passed = torch.cat([owners, bare])
    a, z = cam.class_activation_map(
        model, images[passed.to(images.device)], torch.cat([classes, torch.zeros_like(bare)])
    )
    one_of = torch.empty(len(images), dtype=torch.int64)
    one_of[passed] = torch.arange(len(passed))  # of equal rows any will do
    return a[: len(own)], z[one_of.to(z.device)]
