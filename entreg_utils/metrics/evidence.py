"""How much of a map falls on the part, the rest of the body, the context (drawn worlds only)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from entreg_utils.ahead import ahead
from entreg_utils.cam.scaling import Size, as_array, non_zero, resize_mask
from entreg_utils.fields import plain_numbers
from entreg_utils.metrics.maps import check_maps, score_map, warn_invalid


@dataclass(frozen=True)
class EvidenceShares:
    """Two readings of the same maps, each a mean over images, in 0..1.

    ``part``, ``body`` (without the part), ``context``: the mean score *within* the region, whatever
    its area. ``part_mass``, ``body_mass``, ``context_mass``: the share of the map's total score
    that falls on the region; a large region collects mass by area alone.
    """

    part: float
    body: float
    context: float
    part_mass: float
    body_mass: float
    context_mass: float


@plain_numbers
def evidence_shares(cams, parts, bodies, contexts, size: Size | None = None) -> EvidenceShares:
    """Mean score after min-max, and share of its sum, on part, rest of body and context.

    ``cams``: (N, h, w) raw maps; those with NaN or infinite values count as all-zero maps, with one
    warning. ``parts``, ``bodies`` (with or without the part), ``contexts``: N masks (H, W) each,
    non-zero = inside; masses of regions that leave pixels over sum to less than 1. ``size``: side
    that maps and masks are brought to; by default that of the masks.

    An image counts for a region only if the region has pixels, and for the masses only if its map
    has contrast. A number without any such image is NaN. ValueError: shapes or lengths that
    disagree.
    """
    check_maps(cams, parts=parts, bodies=bodies, contexts=contexts)

    def shares(image) -> tuple[list[float], bool]:
        cam, part, body, context = image
        pixels = tuple(np.shape(body)) if size is None else size
        scores, _, broken = score_map(cam, pixels)
        part, body, context = (resize_mask(mask, pixels) for mask in (part, body, context))
        regions = (part, body & ~part, context)
        total = scores.sum()
        means = [scores[r].mean() if r.any() else np.nan for r in regions]
        masses = [scores[r].sum() / total if r.any() and total else np.nan for r in regions]
        return means + masses, broken

    images = zip(cams, parts, bodies, contexts, strict=True)
    found = [*ahead(shares, images, title="scoring evidence", total=len(cams))]
    warn_invalid(sum(broken for _, broken in found), len(cams))
    columns = np.array([row for row, _ in found]).T
    there = [column[np.isfinite(column)] for column in columns]
    return EvidenceShares(*(float(own.mean()) if len(own) else float("nan") for own in there))


def energy_shares(features, *regions) -> np.ndarray:
    """Share of a feature map's energy on each region: where a stage of a network is loud.

    The energy at a position is ``A(x) = mean_k A_k(x)``, the mean over channels (as in ADL), and

        E_r = sum_x A(x) m_r(x) / sum_x A(x),

    with ``m_r(x)`` the part of the cell x that region r covers; an even map has the region's share
    of the picture. ``features``: (N, K, h, w), or (N, h, w) with channels summed up, non-negative.
    ``regions``: (N, H, W) each, non-zero = inside; H and W are multiples of h and w. Returns (N, R)
    float64 in 0..1, NaN where a map has no energy. ValueError: negative or not finite features, or
    shapes that do not fit.
    """
    energy = as_array(features, "features").astype(np.float64)
    energy = energy.mean(axis=1) if energy.ndim == 4 and energy.size else energy
    if energy.ndim != 3 or not energy.size or not ((energy >= 0) & (energy < np.inf)).all():
        raise ValueError(
            "energy wants finite, non-negative features (N, K, h, w), such as those after a ReLU"
        )
    count, height, width = energy.shape
    columns = []
    for region in regions:
        mask = non_zero(region, "a region")
        wrong = mask.ndim != 3 or len(mask) != count or not mask.size
        if wrong or mask.shape[1] % height or mask.shape[2] % width:
            raise ValueError(
                f"a region has shape {mask.shape}: {count} masks are needed, with sides that are "
                f"multiples of the map's, {height} and {width}"
            )
        cells = mask.reshape(count, height, mask.shape[1] // height, width, -1).mean(axis=(2, 4))
        columns.append((energy * cells).sum(axis=(1, 2)))
    total = energy.sum(axis=(1, 2))
    total = np.where(total > 0, total, np.nan)
    return np.stack(columns, axis=1) / total[:, None]
