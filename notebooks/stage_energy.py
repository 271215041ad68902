"""Where a network is loud, stage by stage: a probe of one's own, notebook 09 and plan voc_stages.

The records of the plan name the content of this file: who changes it has other runs.
"""

import numpy as np
import torch

from entreg_utils import metrics
from entreg_utils.cam.activation import evaluating
from entreg_utils.cam.scaling import resize_mask
from entreg_utils.training.batches import as_input


def inside(model, view, prediction, batch: int = 64) -> dict[str, float]:
    """Share of each stage's energy that lies inside the object's mask, 0..1, mean over images.

    The energy at a position is the mean over channels, ``A(x) = mean_k A_k(x)``, of the map that a
    stage hands on; its share is ``sum_x A(x) m(x) / sum_x A(x)``, with ``m(x)`` the part of the
    cell x that the mask covers. Pixels that are ignored count nowhere. Of a layer of either sign
    the positive part is taken, as of the class map.

    Returns ``inside_stage1``, ... under the names of ``model.stage_features``, ``inside_class_map``
    of the true class, and ``inside_even``: the object's share of the picture, which a map that is
    the same everywhere has. With several classes an image, a mean over the pairs of image and
    class, each with the mask of its class. Pairs whose mask has no object are left out, and of one
    stage those whose map has no energy. A view without masks gives nothing.
    """
    if not view.has_masks:
        return {}
    device, shares = next(model.parameters()).device, {}
    for start in range(0, len(view), batch):
        stop = min(start + batch, len(view))
        chosen = (view.pairs[:, 0] >= start) & (view.pairs[:, 0] < stop)
        if not chosen.any():  # pictures that show none of the classes
            continue
        with evaluating(model), torch.no_grad():
            stages = model.stage_features(as_input(view.images(start, stop), device))
        owners = view.pairs[chosen, 0] - start
        loud = {name: maps.clamp_min(0).mean(1).cpu()[owners] for name, maps in stages.items()}
        loud["class_map"] = np.maximum(prediction.maps[chosen.numpy()], 0)
        loud["even"] = np.ones((len(owners), view.size, view.size))
        masks = [view.mask(pair) for pair in chosen.nonzero()[:, 0].tolist()]
        for name, energy in loud.items():
            shares.setdefault(f"inside_{name}", []).extend(_shares(energy, masks))
    return {name: float(np.nanmean(s)) for name, s in shares.items() if np.isfinite(s).any()}


def _shares(energy, masks) -> np.ndarray:
    """Of maps (n, h, w) the shares (n,) inside n pairs (mask, ignore); NaN without an object."""
    height, width = energy.shape[1:]
    size = masks[0][0].shape[0]  # brought to the next whole number of pixels a cell
    sides = -(-size // height) * height, -(-size // width) * width
    ignored = [np.zeros_like(mask) if ignore is None else ignore for mask, ignore in masks]
    objects = [mask & ~ignore for (mask, _), ignore in zip(masks, ignored, strict=True)]
    regions = (np.stack([resize_mask(own, sides) for own in part]) for part in (objects, ignored))
    inside_, left_out = metrics.energy_shares(energy, *regions).T
    empty = np.array([not own.any() for own in objects])
    with np.errstate(invalid="ignore", divide="ignore"):  # all of a map's energy is ignored
        return np.where(empty, np.nan, inside_ / (1 - left_out))
