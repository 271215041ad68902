"""From a raw map to one in 0..1 at the size of the picture, and an overlay that does not lie.

The order of the evaluation protocol (Choe et al., CVPR 2020) is: raw map -> :func:`upsample` to the
size of the picture in float32 -> :func:`normalize` in float64 -> threshold. Normalising before
upsampling, or twice, gives another map.

Source of the rules max, PaS and IVR: Kim et al., "Normalization Matters", ICCV 2021.
"""

from __future__ import annotations

import warnings

import cv2
import numpy as np
import torch
from matplotlib import colormaps
from torch import Tensor

NORMALIZATIONS = ("minmax", "max", "pas", "ivr")
# PaS: 90 is the paper's value. IVR: its paper tunes P for each data set and backbone, so there is
# no right default; 40 is only a place to start from, to be chosen on validation data.
_PERCENTILE = {"pas": 90.0, "ivr": 40.0}


def upsample(maps: np.ndarray | Tensor, size: int) -> np.ndarray:
    """(N, h, w) maps to (N, size, size) float32 with OpenCV's INTER_CUBIC, as the protocol does.

    The cubic kernel over- and undershoots: values may leave the range of the input by a little.

    Raises:
        ValueError: maps are not (N, h, w), or size is not a positive whole number.
    """
    array = _maps(maps).astype(np.float32)
    if size != int(size) or size < 1:
        raise ValueError(f"size is {size}, but must be a positive whole number of pixels")
    if len(array) == 0:
        return np.empty((0, int(size), int(size)), dtype=np.float32)
    wanted = (int(size), int(size))
    return np.stack([cv2.resize(one, wanted, interpolation=cv2.INTER_CUBIC) for one in array])


def normalize(
    maps: np.ndarray | Tensor, method: str = "minmax", percentile: float | None = None
) -> np.ndarray | Tensor:
    """Bring each map to 0..1 by itself, in float64; four rules (v: values of one map).

        minmax  (v - min) / (max - min)             0 and 1 both attained
        max     clip(v, 0) / max                    negatives become 0, zero stays zero
        pas     min((v - min) / P(v - min), 1)      P = 90th percentile: the top tenth saturates
        ivr     clip(v - P(v), 0) / max of that     the lowest P percent become 0

    A percentile is the order statistic at index ``floor(size * percentile / 100)``, as in the
    public code. A map with nothing to show becomes zeros: constant, no positive value (max), or
    nothing above the percentile (ivr). So does a map with NaN or infinite values, with a warning.
    Where so much of a map is its minimum that P is 0, pas gives 0 there and 1 elsewhere.

    Args:
        maps: (N, h, w), numpy or torch; not changed.
        method: "minmax", "max", "pas" or "ivr".
        percentile: percent, 0 <= P < 100; pas (default 90) and ivr (default 40) only. Choose
            ivr's on validation data and report it: it decides how much of the map is zero.

    Returns:
        float64 in 0..1, same shape; numpy for numpy, a CPU tensor for a tensor.

    Raises:
        ValueError: unknown method, wrong shape, or a percentile that is out of range or not used.
    """
    if method not in NORMALIZATIONS:
        raise ValueError(f"unknown method {method!r}: choose one of {', '.join(NORMALIZATIONS)}")
    if percentile is not None and method not in _PERCENTILE:
        raise ValueError(f"method {method!r} takes no percentile: leave it out, or use pas or ivr")
    if percentile is not None and (not 0 <= percentile < 100 or 0 < percentile < 1):
        raise ValueError(f"percentile is {percentile}, but is in percent, 0 to below 100: write 90")
    if percentile is None:
        percentile = _PERCENTILE.get(method)
    array = _maps(maps).astype(np.float64)
    finite = np.isfinite(array).all(axis=(1, 2))
    if not finite.all():
        warnings.warn(
            f"map {int(np.argmin(finite))} holds NaN or infinite values and becomes all zeros: "
            "check the model's weights for a diverged training",
            RuntimeWarning,
            stacklevel=2,
        )
    result = np.zeros_like(array)
    for index in np.flatnonzero(finite):
        result[index] = _normalize_one(array[index], method, percentile)
    return torch.from_numpy(result) if isinstance(maps, Tensor) else result


def is_blank(normalised_map: np.ndarray | Tensor) -> bool:
    """True where a map shows nothing: the same value everywhere, or NaN or infinite values."""
    array = np.asarray(torch.as_tensor(normalised_map).detach().cpu())
    return not np.isfinite(array).all() or bool(array.max() == array.min())


def overlay(
    image: np.ndarray | Tensor, normalised_map: np.ndarray | Tensor, alpha: float = 0.5
) -> np.ndarray:
    """Picture and map in one: ``(1 - alpha) * image + alpha * magma(map)``, nothing else.

    The same ``alpha`` at every pixel and for every image: nothing is brightened, squared or
    rescaled, so equal map values look equal in two overlays. A blank map (:func:`is_blank`) has no
    evidence to show: the picture comes back grey under diagonal stripes, which no map looks like.

    Args:
        image: (3, H, W) or (H, W, 3), float in 0..1 or uint8.
        normalised_map: (H, W) in 0..1, the size of the image (see :func:`upsample`).
        alpha: weight of the map, 0..1.

    Returns:
        (H, W, 3) float32 in 0..1.

    Raises:
        ValueError: shapes that do not match, values outside 0..1, or alpha outside 0..1.
    """
    picture = np.asarray(torch.as_tensor(image).detach().cpu())
    picture = picture / 255.0 if picture.dtype == np.uint8 else picture.astype(np.float64)
    if picture.ndim == 3 and picture.shape[0] == 3:
        picture = picture.transpose(1, 2, 0)
    values = np.asarray(torch.as_tensor(normalised_map).detach().cpu()).astype(np.float64)
    if picture.ndim != 3 or picture.shape[2] != 3 or values.shape != picture.shape[:2]:
        raise ValueError(
            f"image {tuple(np.shape(image))} and map {values.shape} do not match: give one "
            "(3, H, W) image and its (H, W) map, upsampled to the image's size"
        )
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha is {alpha}, but must be in 0..1 (0: picture only, 1: map only)")
    if is_blank(values):
        height, width = values.shape
        stripes = (np.add.outer(np.arange(height), np.arange(width)) // max(height // 12, 1)) % 2
        grey = picture.mean(axis=2) * 0.4 + 0.35 + 0.25 * stripes
        return np.repeat(np.clip(grey, 0, 1)[:, :, None], 3, axis=2).astype(np.float32)
    if values.min() < 0 or values.max() > 1 or picture.min() < 0 or picture.max() > 1:
        raise ValueError(
            "image and map must lie in 0..1: divide the image by 255, normalize the map"
        )
    colour = colormaps["magma"](values)[:, :, :3]
    return ((1 - alpha) * picture + alpha * colour).astype(np.float32)


def _normalize_one(values: np.ndarray, method: str, percentile: float | None) -> np.ndarray:
    if values.max() == values.min():
        return np.zeros_like(values)
    if method == "max":
        values = np.maximum(values, 0)
        return values / values.max() if values.max() > 0 else values
    if method == "ivr":
        values = np.maximum(values - _order_statistic(values, percentile), 0)
        return values / values.max() if values.max() > 0 else values
    values = values - values.min()
    if method == "minmax":
        return values / values.max()
    top = _order_statistic(values, percentile)
    return np.minimum(values / top, 1.0) if top > 0 else (values > 0).astype(np.float64)


def _order_statistic(values: np.ndarray, percentile: float) -> float:
    # percentile * size first: 0.9 is not exact in binary, 90 * size / 100 is
    index = int(percentile * values.size / 100)
    return float(np.partition(values, index, axis=None)[index])


def _maps(maps: np.ndarray | Tensor) -> np.ndarray:
    array = maps.detach().cpu().numpy() if isinstance(maps, Tensor) else np.asarray(maps)
    if array.ndim != 3 or 0 in array.shape[1:]:
        raise ValueError(
            f"maps have shape {array.shape}, but must be (N, h, w), one map as map[None]"
        )
    return array
