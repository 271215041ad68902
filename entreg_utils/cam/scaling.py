"""From a raw map to one in 0..1 at the size of the picture, and an overlay that does not lie.

The protocol (Choe et al., CVPR 2020): raw map -> :func:`upsample` -> :func:`normalize` ->
threshold, in float64; another order gives another map. The project's only resize of maps, masks and
boxes. Takes arrays and tensors alike, and imports no torch.
"""

import warnings

import cv2
import numpy as np

from entreg_utils.fields import known, plain, plain_numbers, shown

Size = int | tuple[int, int]  # side of a square in pixels, or (height, width)
NORMALIZATIONS = ("minmax", "max", "pas", "ivr")
# PaS: 90 is the paper's value. IVR: its paper tunes P for each data set and backbone, so there is
# no right default; 40 is only a place to start from, to be chosen on validation data.
_PERCENTILE = {"pas": 90.0, "ivr": 40.0}
LARGEST_SIDE = 2**15  # of a resized map: a slip, or 8 GB


@plain_numbers
def upsample(maps, size: Size) -> np.ndarray:
    """(N, h, w) maps to (N, H, W) float64 with OpenCV's INTER_CUBIC, as the protocol does.

    The cubic kernel over- and undershoots: values may leave the range of the input by a little.
    ``maps``: array or tensor of any number type. ``size``: side of the square, or ``(H, W)``.
    ValueError: maps are not (N, h, w), or sides that are not positive whole numbers.
    """
    array, sides = _stack(maps), height_width(size)
    return np.array([resize(one, sides) for one in array]).reshape(len(array), *sides)


def _stack(maps) -> np.ndarray:
    array = as_array(maps)
    if array.ndim != 3 or 0 in array.shape[1:]:
        raise ValueError(
            f"maps have shape {array.shape}, but must be (N, h, w), one map as map[None]"
        )
    return array


@plain_numbers
def normalize(maps, method: str = "minmax", percentile: float | None = None):
    """Bring each map to 0..1 by itself, in float64; four rules (v: values of one map).

        minmax  (v - min) / (max - min)             0 and 1 both attained
        max     clip(v, 0) / max                    negatives become 0, zero stays zero
        pas     min((v - min) / P(v - min), 1)      P = 90th percentile: the top tenth saturates
        ivr     clip(v - P(v), 0) / max of that     the lowest P percent become 0

    A percentile is the order statistic at index ``floor(size * percentile / 100)``, as in the
    public code (rules: Kim et al., "Normalization Matters", ICCV 2021). A map with nothing to show
    becomes zeros: constant, no positive value (max), or nothing above the percentile (ivr). So does
    a map with NaN or infinite values, with a warning. Where P is 0, pas gives 0 there, 1 elsewhere.

    ``maps``: (N, h, w), array or tensor; not changed. ``percentile``: percent, 0 <= P < 100; pas
    (default 90) and ivr (default 40) only. Choose ivr's on validation data and report it: it
    decides how much of the map is zero. Returns float64 in 0..1, same shape; an array for an array,
    a CPU tensor for a tensor. ValueError: unknown method, wrong shape, or a percentile that is out
    of range or not used.
    """
    check_normalization(method, percentile)
    array = _stack(maps).astype(np.float64)
    finite = np.isfinite(array).all(axis=(1, 2))
    if not finite.all():
        message = (
            f"map {int(np.argmin(finite))} holds NaN or infinite values and becomes all zeros: "
            "check the model's weights for a diverged training"
        )
        warnings.warn(message, RuntimeWarning, stacklevel=3)
    result = np.zeros_like(array)
    for index in np.flatnonzero(finite):
        result[index] = normalize_one(array[index], method, percentile)
    if hasattr(maps, "detach"):
        import torch  # who gave a tensor has it loaded

        return torch.from_numpy(result)
    return result


def check_normalization(method: str, percentile: float | None) -> None:
    known("normalization", method, NORMALIZATIONS)
    if percentile is None:
        return
    percentile = plain("percentile", float, percentile)
    if method not in _PERCENTILE:
        raise ValueError(f"{method!r} takes no percentile: leave it out, or use pas or ivr")
    if not 0 <= percentile < 100 or 0 < percentile < 1:
        raise ValueError(f"percentile is {percentile}, but is in percent, 0 to below 100: write 90")


def normalize_one(values: np.ndarray, method: str, percentile: float | None) -> np.ndarray:
    """:func:`normalize` of one finite float64 map (h, w), without its checks."""
    low, high = values.min(), values.max()
    if low == high:
        return np.zeros_like(values)
    if method in ("max", "ivr"):
        floor = 0.0 if method == "max" else _order_statistic(values, method, percentile)
        values = np.maximum(values - floor, 0)
        return values / values.max() if values.max() > 0 else values
    values = values - low
    if method == "minmax":
        values /= high - low
        return values
    top = _order_statistic(values, method, percentile)
    return np.minimum(values / top, 1.0) if top > 0 else (values > 0).astype(np.float64)


def _order_statistic(values: np.ndarray, method: str, percentile: float | None) -> float:
    percentile = _PERCENTILE[method] if percentile is None else percentile
    # percentile * size first: 0.9 is not exact in binary, 90 * size / 100 is
    index = int(percentile * values.size / 100)
    return float(np.partition(values, index, axis=None)[index])


def is_blank(values) -> bool:
    """True where a map shows nothing: the same value everywhere, or NaN or infinite values.
    ValueError: no values, or none that are numbers."""
    values = as_array(values)
    if not values.size:
        raise ValueError(f"a map of shape {values.shape} has no values: give one with some")
    return not np.isfinite(values).all() or bool(values.max() == values.min())


@plain_numbers
def overlay(image, normalized_map, alpha: float = 0.5) -> np.ndarray:
    """Picture and map in one: ``(1 - alpha) * image + alpha * magma(map)``, nothing else.

    The same ``alpha`` (0..1) at every pixel and for every image: nothing is brightened, squared or
    rescaled, so equal map values look equal in two overlays. A blank map (:func:`is_blank`) has no
    evidence to show: the picture comes back grey under diagonal stripes, which no map looks like.

    ``image``: (3, H, W) or (H, W, 3), float in 0..1 or uint8. ``normalized_map``: (H, W) in 0..1,
    the size of the image. Returns (H, W, 3) float32 in 0..1. ValueError: shapes that do not match,
    values outside 0..1, or alpha outside 0..1.
    """
    from matplotlib import colormaps  # scoring needs no plotting library

    picture, alpha = as_picture(image), plain("alpha", float, alpha)
    values = as_array(normalized_map).astype(np.float64)
    height, width = picture.shape[:2]
    if values.shape != (height, width):
        raise ValueError(
            f"image ({height}, {width}) and map {values.shape} do not match: give a map upsampled "
            "to the image's size"
        )
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha is {alpha}, but must be in 0..1 (0: picture only, 1: map only)")
    blank = is_blank(values)
    for one in (picture,) if blank else (picture, values):
        if not 0 <= one.min() <= one.max() <= 1:
            raise ValueError("values must lie in 0..1: divide the image by 255, normalize the map")
    if blank:
        stripes = (np.add.outer(np.arange(height), np.arange(width)) // max(height // 12, 1)) % 2
        grey = picture.mean(axis=2) * 0.4 + 0.35 + 0.25 * stripes
        return np.repeat(np.clip(grey, 0, 1)[:, :, None], 3, axis=2).astype(np.float32)
    colour = colormaps["magma"](values)[:, :, :3]
    return ((1 - alpha) * picture + alpha * colour).astype(np.float32)


def as_picture(image) -> np.ndarray:
    """An image, (3, H, W) or (H, W, 3), uint8 or float in 0..1, as float64 (H, W, 3), a copy;
    ValueError for another shape."""
    picture = as_array(image, "image")
    picture = picture / 255.0 if picture.dtype == np.uint8 else picture.astype(np.float64)
    picture = picture.transpose(1, 2, 0) if picture.ndim == 3 and len(picture) == 3 else picture
    if picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
        raise ValueError(f"image has shape {picture.shape}, but must be (3, H, W)")
    return picture


def resize(raw, size: Size) -> np.ndarray:
    """One map (h, w) as float64, resized bicubically to ``size``."""
    values = as_array(raw, "a map").astype(np.float64, order="C")
    return _resized(values, "a map must have shape (h, w)", size, cv2.INTER_CUBIC)


def resize_mask(mask, size: Size) -> np.ndarray:
    """Nearest-neighbour resize of a mask (H, W) (non-zero = inside) to ``size``; bool."""
    inside = np.ascontiguousarray(non_zero(mask, "a mask"), dtype=np.uint8)
    return _resized(inside, "a mask must have shape (H, W)", size, cv2.INTER_NEAREST).astype(bool)


def _resized(values: np.ndarray, wanted: str, size: Size, how: int) -> np.ndarray:
    height, width = height_width(size)
    if values.ndim != 2 or values.size == 0:
        raise ValueError(f"{wanted} with pixels; this one has {values.shape}")
    return cv2.resize(values, (width, height), interpolation=how)


def non_zero(mask, name: str) -> np.ndarray:
    """Where a mask is not zero, bool; ValueError, which calls it ``name``, for NaN in it."""
    mask = as_array(mask, name)
    if mask.dtype.kind == "f" and np.isnan(mask).any():
        raise ValueError(f"{name} holds NaN: give 0 outside the object, another number inside")
    return mask != 0


@plain_numbers
def rescale_boxes(boxes, frame: tuple[int, int], size: Size = 224) -> np.ndarray:
    """Boxes (..., 4), x0, y0, x1, y1, of an image of ``frame = (width, height)`` in those of
    ``size`` (side or ``(height, width)``): ``coordinate * new / old``, truncated to int64, as the
    public evaluation code does. Between equal frames, the boxes themselves. ValueError: another
    shape, coordinates that are not finite or beyond 2^53, or no frame of two sides."""
    new, old = height_width(size)[::-1] * 2, height_width(frame) * 2
    boxes = as_array(boxes).astype(float)
    boxes = boxes if boxes.size else boxes.reshape(0, 4)
    if boxes.shape[-1:] != (4,) or not (np.abs(boxes) < 2**53).all():
        raise ValueError(f"boxes of shape {boxes.shape} must be (..., 4), finite: x0, y0, x1, y1")
    return (boxes * new / old).astype(np.int64)


def height_width(size: Size) -> tuple[int, int]:
    """``(height, width)`` from an int (square) or a pair; both at least 1."""
    if type(size) is int and 1 <= size <= LARGEST_SIDE:  # nearly always
        return size, size
    pair = as_array(size, "size")
    pair = np.array([pair, pair]) if pair.ndim == 0 else pair
    odd = pair.shape != (2,) or pair.dtype == bool
    if odd or not all(1 <= side <= LARGEST_SIDE and side % 1 == 0 for side in pair):
        raise ValueError(
            f"size must be a positive int or (height, width), at most {LARGEST_SIDE}, got "
            f"{shown(size)}"
        )
    return int(pair[0]), int(pair[1])


def as_array(values, name: str = "what is given") -> np.ndarray:
    """NumPy view of numbers: an array, a nested list or a tensor of any device and precision.

    ValueError, which calls them ``name``: rows of unequal length, or anything but real numbers.
    """
    if not hasattr(values, "detach"):
        try:
            array = np.asarray(values)
        except ValueError:  # the only one to know is NumPy
            raise ValueError(f"{name} has rows of unequal length: give an array") from None
    else:
        half = values.is_floating_point() and values.element_size() < 4  # NumPy has no bfloat16
        array = (values.float() if half else values).numpy(force=True)
    if array.dtype.kind not in "biuf":
        kind = type(values).__name__ if array.dtype == object else array.dtype
        raise ValueError(f"{name} is {kind}: give real numbers, as an array, a tensor or a list")
    return array
