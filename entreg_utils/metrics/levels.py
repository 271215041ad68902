"""What the component trees (:mod:`.trees`, :mod:`.largest`) stand on: the map inside a frame of
zeros, and for each pixel a *code*, the 8 bits of those neighbours that are on before it when the
threshold falls: brighter, or as bright and earlier in raster order.

A mask is cut from 8 bits, but the order within one of the 256 levels is free. Taken from 16 bits it
follows the map's slope, where 8 bits have terraces: in a smooth map three times fewer pixels start
a component, join two, or widen a box (:func:`decisive`), and only these are sorted and visited.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from entreg_utils.cam.scaling import Size, normalize_one
from entreg_utils.metrics.maps import compiled, resized

# Ring of neighbours (x, y), clockwise from the upper left: the bits of a code. Odd ones share a
# side with the pixel.
RING = ((-1, -1), (0, -1), (1, -1), (1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0))


@cache
def tables(connectivity: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What each of the 256 codes means, for components of 8- or 4-neighbours.

    joins (256, 4) int8: one ring position of each component that the neighbours on form around the
    pixel, padded with -1 (none: the pixel starts a component); the middle one, so that a walk from
    pixel to pixel goes about straight uphill. groups (256,) int8: their number. area (256,) int8:
    halves of a unit cell that the pixel adds to the area of the polygon through the outer pixels'
    centres; a cell of 2x2 pixels has 1 of 2 halves with three pixels on, and both with four.
    """
    joins, area = np.full((256, 4), -1, dtype=np.int8), np.zeros(256, dtype=np.int8)
    for code in range(256):
        on = [position for position in range(8) if code >> position & 1]
        for slot, group in enumerate(_groups(on, connectivity)):
            x, y = np.mean([RING[p] for p in group], axis=0)
            fit = [p for p in group if connectivity == 8 or p % 2]
            joins[code, slot] = max(fit, key=lambda p: RING[p][0] * x + RING[p][1] * y + p % 2 / 8)
        for corner in (0, 2, 4, 6):
            area[code] += len({corner, (corner + 1) % 8, (corner - 1) % 8} & set(on)) >= 2
    return joins, np.count_nonzero(joins >= 0, axis=1).astype(np.int8), area


def _groups(on: list[int], connectivity: int) -> list[list[int]]:
    """Ring positions that hang together and touch the pixel in the middle."""
    groups: list[list[int]] = []
    for position in on:
        near = [group for group in groups if any(_touch(position, p, connectivity) for p in group)]
        groups = [group for group in groups if group not in near]
        groups.append(sorted([position, *(p for group in near for p in group)]))
    return sorted(g for g in groups if connectivity == 8 or any(p % 2 for p in g))


def _touch(first: int, second: int, connectivity: int) -> bool:
    across, down = (abs(a - b) for a, b in zip(RING[first], RING[second], strict=True))
    return max(across, down) == 1 if connectivity == 8 else across + down == 1


@cache
def offsets(connectivity: int, columns: int) -> np.ndarray:
    """``joins`` of :func:`tables` as steps (256, 4) int32 in a flattened map of so many columns."""
    joins, steps = tables(connectivity)[0], np.array([y * columns + x for x, y in RING])
    return np.where(joins < 0, 0, steps[joins]).astype(np.int32)


def fine_map(cam, size: Size, method: str, percentile: float | None = None) -> tuple:
    """One raw map as the trees want it, see :func:`framed`, and whether it is constant and invalid;
    arguments as of :func:`.score_map`."""
    values, (low, high), constant, invalid = resized(cam, size)
    if invalid:
        fine = framed(np.zeros(values.shape))
    elif method == "minmax" and low < high:
        fine = _stretched(values, low, high)
    else:
        fine = framed(normalize_one(values, method, percentile))
    return fine, constant, invalid


def framed(scores: np.ndarray) -> np.ndarray:
    """Levels (H+2, W+2) uint16 of a 0..1 map, in a frame of zeros.

    ``uint16(256 (255 s))``: the upper byte is the 8-bit map of the protocol, ``uint8(255 s)``.
    """
    fine = np.zeros((scores.shape[0] + 2, scores.shape[1] + 2), dtype=np.uint16)
    np.multiply(scores * 255, 256, out=fine[1:-1, 1:-1], casting="unsafe")
    return fine


@compiled
def _stretched(values, low, high):
    """:func:`framed` of ``(values - low) / (high - low)``, (H, W) float64, in one pass."""
    rows, columns = values.shape
    fine = np.zeros((rows + 2, columns + 2), dtype=np.uint16)
    for y in range(rows):
        out, row = fine[y + 1], values[y]
        for x in range(columns):
            out[x + 1] = np.int32((row[x] - low) / (high - low) * 255 * 256)
    return fine


def gray_of(fine: np.ndarray) -> np.ndarray:
    """The 8-bit map (H, W) inside a framed one."""
    return (fine[1:-1, 1:-1] >> 8).astype(np.uint8)


@compiled
def neighbour_codes(fine):
    """(H+2, W+2) uint8: which neighbours are on before each pixel inside the frame."""
    codes = np.zeros(fine.shape, dtype=np.uint8)
    rows, columns = fine.shape
    for y in range(1, rows - 1):
        above, row, below = fine[y - 1], fine[y], fine[y + 1]
        out = codes[y]
        for x in range(1, columns - 1):
            value = row[x]
            out[x] = (
                np.uint8(above[x - 1] >= value)
                | np.uint8(above[x] >= value) << 1
                | np.uint8(above[x + 1] >= value) << 2
                | np.uint8(row[x + 1] > value) << 3
                | np.uint8(below[x + 1] > value) << 4
                | np.uint8(below[x] > value) << 5
                | np.uint8(below[x - 1] > value) << 6
                | np.uint8(row[x - 1] >= value) << 7
            )
    return codes


@compiled
def decisive(fine, codes, connectivity):
    """Which pixels have a level >= 1 and start a component, join two, or may push out a side of the
    bounding box, which they do not when a neighbour on lies as far out. (N,) bool, N rounded up to
    a multiple of 8.

    Going around the ring, a component begins at each gap: for 8-neighbours a side that is off with
    one of the next two positions on, for 4-neighbours the same with on and off exchanged.
    """
    rows, columns = fine.shape
    flags = np.zeros((fine.size + 7) // 8 * 8, dtype=np.bool_)
    byte = np.uint8  # said everywhere: else numba counts in 64 bits, an eighth as many at a time
    flip, seen, sides = byte(0), byte(255), byte(0b10101010)
    if connectivity == 4:
        flip, seen = byte(255), sides
    left, upper, right, lower = (
        byte(0b11100011),
        byte(0b10001111),
        byte(0b00111110),
        byte(0b11111000),
    )
    left, upper, right, lower = left & seen, upper & seen, right & seen, lower & seen
    for y in range(1, rows - 1):
        row, near, out = fine[y], codes[y], flags[y * columns : (y + 1) * columns]
        for x in range(1, columns - 1):
            on = near[x]
            ring = byte(on ^ flip)
            next_one = byte(byte(ring >> 1) | byte(ring << 7))
            next_two = byte(byte(next_one >> 1) | byte(next_one << 7))
            gaps = byte(byte(byte(~ring) & byte(next_one | next_two)) & sides)
            out[x] = (
                (byte(gaps & byte(gaps - byte(1))) != 0)
                | (byte(on & left) == 0)
                | (byte(on & upper) == 0)
                | (byte(on & right) == 0)
                | (byte(on & lower) == 0)
            ) & (row[x] > 255)
    return flags


def by_level(
    fine: np.ndarray, codes: np.ndarray, chosen: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The pixels that are ``chosen`` (as of :func:`decisive`), brightest first, in raster order
    where equal: ``index << 8 | code`` int64 of each, flat; and where each 8-bit level begins,
    (257,): level v at starts[255 - v]."""
    return _sorted(fine.ravel(), codes.ravel(), chosen, chosen.view(np.uint64))


@compiled
def _sorted(values, codes, chosen, eight):
    found, count, low = np.empty(len(chosen), dtype=np.int64), 0, 0
    for word in range(len(eight)):  # mostly none of eight is chosen
        if eight[word]:
            for pixel in range(8 * word, 8 * word + 8):
                found[count] = pixel
                count += np.int64(chosen[pixel])
    starts, free, pixels = np.zeros(257, np.int64), np.zeros(257, np.int64), found[:count]
    for place in range(count):
        low |= values[pixels[place]] & 255
        pixels[place] = pixels[place] << 8 | codes[pixels[place]]
    for shift in range(8 if low == 0 else 0, 9, 8):  # by the lower byte, if any has one, then upper
        given, pixels = pixels, np.empty(len(pixels), dtype=np.int64)
        for level in range(257):
            starts[level] = 0
        for pixel in given:
            starts[256 - (values[pixel >> 8] >> shift & 255)] += 1
        for level in range(256):
            starts[level + 1] += starts[level]
            free[level + 1] = starts[level + 1]
        free[0] = 0
        for pixel in given:
            level = 255 - (values[pixel >> 8] >> shift & 255)
            pixels[free[level]] = pixel
            free[level] += 1
    return pixels, starts


@compiled
def without_holes(fine):
    """The map (H+2, W+2) uint16 whose masks are those of ``fine`` with all holes filled, at every
    8-bit level; the lower byte is 0.

    Each pixel is raised to the lowest level over which a path of 4-neighbours leads from it to the
    frame, ``min over paths of max over pixels``: water that rises from the frame (priority flood,
    Barnes, Lehman & Mulla, Computers & Geosciences 2014), one stack a level.
    """
    rows, columns = fine.shape
    filled, wet = (
        np.zeros(fine.shape, dtype=np.uint16),
        np.ones((rows + 1, columns), dtype=np.bool_),
    )
    wet[1 : rows - 1, 1:-1] = False  # one row more, which the frame's last looks at
    values, surface, known = fine.ravel(), filled.ravel(), wet.ravel()
    below, top = np.empty(fine.size, dtype=np.int32), np.full(256, -1, dtype=np.int32)
    for pixel in range(fine.size):
        if known[pixel]:
            below[pixel], top[0] = top[0], pixel
    steps = np.array([1, -1, columns, -columns])
    for level in range(256):
        pixel = top[level]
        while pixel >= 0:
            rest = below[pixel]
            for step in steps:
                near = pixel + step
                if known[near]:
                    continue
                known[near] = True
                value = np.int64(values[near] >> 8)
                surface[near] = max(value, level) << 8
                if value <= level:
                    below[near], rest = rest, near
                else:
                    below[near], top[value] = top[value], near
            pixel = rest
    return filled
