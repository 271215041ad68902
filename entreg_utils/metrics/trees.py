"""Every contour of every threshold in one pass: component trees of an 8-bit map.

The masks ``gray > L`` are nested: as L falls, components only grow and merge. One pass over the
pixels from the brightest to the darkest, with a union-find, meets every component of every mask.

1. **Order.** A mask is cut from 8 bits, but within one of the 256 levels the order is free. Taken
   from 16 bits it follows the map's slope, where 8 bits have terraces.
2. **Code.** The 8 bits of a pixel's neighbours that are on before it: brighter, or as bright and
   earlier in raster order. The code alone tells whether the pixel is *quiet*: it continues one
   component, within its box. Then a pointer to one such neighbour is all of it, and in a smooth map
   nineteen of twenty pixels are quiet.
3. **Tree.** The others, sorted, are joined to the components around them; whenever one grows, the
   box that it has had is noted with the levels for which it stood.

Holes are the same pass over the negative, with 4-neighbours, the frame counting as outside.

The largest contour is that of the largest ``contourArea``: of the polygon through the pixel centres
of the outer border, so that a 2x2 block with 4 pixels on counts 1, with 3 on 1/2, holes filled.
Holes are filled first, for all thresholds at once; then every pixel is visited and adds to its
component's area what its code says. Of equal areas the protocol's ``max`` takes the first contour
that OpenCV lists, which is the one whose first pixel in raster order comes last.

Sources: Najman & Couprie, IEEE TIP 2006 (union-find over sorted pixels); Barnes, Lehman & Mulla,
Computers & Geosciences 2014 (priority flood).
"""

from __future__ import annotations

from functools import cache

import numpy as np

from entreg_utils.metrics.maps import compiled

# Ring of neighbours (x, y), clockwise from the upper left: the bits of a code. Odd ones share a
# side with the pixel.
RING = ((-1, -1), (0, -1), (1, -1), (1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0))


def framed(scores: np.ndarray) -> np.ndarray:
    """Levels (H+2, W+2) uint16 of a 0..1 map, in a frame of zeros.

    ``uint16(256 (255 s))``: the upper byte is the 8-bit map of the protocol, ``uint8(255 s)``.
    """
    fine = np.zeros((scores.shape[0] + 2, scores.shape[1] + 2), dtype=np.uint16)
    np.multiply(scores * 255, 256, out=fine[1:-1, 1:-1], casting="unsafe")
    return fine


def all_boxes(fine: np.ndarray) -> np.ndarray:
    """Boxes of every contour of every mask, of objects and of holes; ``fine`` as of :func:`framed`.

    Rows (M, 6) int64: a box x0, y0, x1, y1 as :mod:`.contours` has them, and the first and the last
    L of the masks ``gray > L`` that it belongs to. Where nothing is on, the box is 0, 0, 0, 0.
    """
    negative = ~fine
    negative[1:-1, 1:-1] &= 0xFFFE  # the frame comes before all of it
    holes = _standing(negative, 4)[1:]
    holes[:, 4:6] = 254 - holes[:, 5:3:-1]  # level v of the negative is on in the mask 255 - v
    return np.concatenate([_standing(fine, 8), holes])[:, :6]


def largest_boxes(fine: np.ndarray) -> np.ndarray:
    """Box of the largest contour of every mask, rows (256, 6) int64 as of :func:`all_boxes`, that
    of the mask ``gray > L`` in row L."""
    rows, levels = _standing(_without_holes(fine), 8, every=True), np.arange(256)
    rows = rows[np.lexsort((rows[:, 7], rows[:, 6]))]
    return np.column_stack([rows[last_at(rows), :4], levels, levels])


@compiled
def last_at(rows):
    """(256,): which of the rows (M, 6 or more) that stand at a level is the last; one does."""
    found = np.zeros(256, np.int64)
    for index in range(len(rows)):
        found[rows[index, 4] : rows[index, 5] + 1] = index
    return found


def _standing(fine: np.ndarray, connectivity: int, every: bool = False) -> np.ndarray:
    """Each box that a component has had, in rows (M, 8) int64: the box, the first and the last L of
    the masks ``gray > L`` with it, and, where ``every`` pixel is visited, twice the area and the
    first pixel in raster order. The first row is the box 0, 0, 0, 0 of masks in which nothing is.
    """
    codes, (uphill, halves) = _neighbour_codes(fine), _meaning(connectivity, fine.shape[1])
    chosen = fine > 255
    if not every:
        chosen &= uphill[codes] == 0
    chosen[[0, -1]] = chosen[:, [0, -1]] = False
    pixels, values = np.flatnonzero(chosen), fine.ravel()
    order = pixels[np.argsort(~values[pixels], kind="stable")]
    steps = np.array([y * fine.shape[1] + x for x, y in RING])
    return _passed(fine, codes, order, uphill, halves, steps, 8 // connectivity)


@cache
def _meaning(connectivity: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """What each of the 256 codes means, for components of 8- or 4-neighbours.

    uphill (256,) int64: of a quiet pixel, the step to a neighbour on in a flattened map of so many
    columns; else 0. halves (256,) int64: of a unit cell, which the pixel adds to the polygon; a
    cell of 2x2 pixels has 1 of 2 halves with three pixels on, and both with four.
    """
    uphill, halves = np.zeros((2, 256), dtype=np.int64)
    for code in range(256):
        on = [code >> position & 1 for position in range(8)] * 2
        # Around the ring a component begins at each side that is off with one of the next two
        # positions on; with 4-neighbours the same with on and off exchanged.
        if connectivity == 8:
            groups = sum(not on[p] and (on[p + 1] or on[p + 2]) for p in (1, 3, 5, 7))
        else:
            groups = sum(on[p] and not (on[p + 1] and on[p + 2]) for p in (1, 3, 5, 7))
        near = [p for p in range(8) if on[p] and (connectivity == 8 or p % 2)]
        reach = [[RING[p][axis] * way for p in near] for axis in (0, 1) for way in (1, -1)]
        if near and groups < 2 and all(max(far) >= 0 for far in reach):
            x, y = RING[max(near, key=lambda p: p % 2)]
            uphill[code] = y * columns + x
        halves[code] = sum(on[p] + on[p + 1] + on[p + 7] >= 2 for p in (0, 2, 4, 6))
    return uphill, halves


@compiled
def _neighbour_codes(fine):
    """(H+2, W+2) uint8: which neighbours are on before each pixel inside the frame."""
    codes = np.zeros(fine.shape, dtype=np.uint8)
    for y in range(1, fine.shape[0] - 1):
        above, row, below, out = fine[y - 1], fine[y], fine[y + 1], codes[y]
        for x in range(1, fine.shape[1] - 1):
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
def _find(parent, item):
    """The component that ``item`` is part of by now; the way to it is halved."""
    while parent[item] != item:
        parent[item] = parent[parent[item]]
        item = parent[item]
    return np.int64(item)


@compiled
def _passed(fine, codes, order, uphill, halves, steps, stride):
    """Rows of :func:`_standing`. A component goes by one of its pixels; pixel 0 is the outside."""
    columns, values, code_of = fine.shape[1], fine.ravel(), codes.ravel()
    parent = np.zeros(fine.size, dtype=np.int32)
    for y in range(1, fine.shape[0] - 1):
        for pixel in range(y * columns + 1, (y + 1) * columns - 1):
            parent[pixel] = pixel + uphill[code_of[pixel]]
    # of a component: box, level since when it stands (0, never, for the outside), area, first pixel
    now, rows = np.empty((fine.size, 7), np.int32), np.empty((2 * len(order) + 2, 8), np.int64)
    now[0], rows[0], rows[0, 5], count = 0, 0, 255, 1
    if len(order):
        rows[0, 4] = values[order[0]] >> 8
    for pixel in order:
        level, code, root = np.int64(values[pixel] >> 8), code_of[pixel], _find(parent, pixel)
        if uphill[code]:
            count = _note(rows, count, now, root, level)
        else:
            # the frame adds 1 to a coordinate, a box ends a pixel further, a hole's runs around it
            y = pixel // columns
            x = pixel - y * columns
            now[pixel, 0], now[pixel, 2] = x - stride, min(x + stride - 1, columns - 3)
            now[pixel, 1], now[pixel, 3] = y - stride, min(y + stride - 1, len(fine) - 3)
            now[pixel, 4], now[pixel, 5], now[pixel, 6] = level, 0, pixel
            for position in range(stride - 1, 8, stride):
                if code >> position & 1 == 0:
                    continue
                other = _find(parent, pixel + steps[position])
                if other == root:
                    continue
                root, gone = min(root, other), max(root, other)
                parent[gone] = root
                count = _note(rows, count, now, root, level)
                count = _note(rows, count, now, gone, level)
                now[root, 0] = min(now[root, 0], now[gone, 0])
                now[root, 1] = min(now[root, 1], now[gone, 1])
                now[root, 2] = max(now[root, 2], now[gone, 2])
                now[root, 3] = max(now[root, 3], now[gone, 3])
                now[root, 5] += now[gone, 5]
                now[root, 6] = min(now[root, 6], now[gone, 6])
        now[root, 5] += halves[code]
        now[root, 6] = min(now[root, 6], pixel)
    for pixel in order:
        if parent[pixel] == pixel:
            count = _note(rows, count, now, pixel, 0)
    return rows[:count]


@compiled
def _note(rows, count, now, item, level):
    """Write what a component has been from some level until above this one, where it changes."""
    since = now[item, 4]
    if since <= level:
        return count
    for column in range(4):
        rows[count, column] = now[item, column]
    rows[count, 4], rows[count, 5] = level, since - 1
    rows[count, 6], rows[count, 7] = now[item, 5], now[item, 6]
    now[item, 4] = level
    return count + 1


@compiled
def _without_holes(fine):
    """The map (H+2, W+2) uint16 whose masks are those of ``fine`` with all holes filled, at every
    8-bit level; the lower byte is 0.

    Each pixel is raised to the lowest level over which a path of 4-neighbours leads from it to the
    frame, ``min over paths of max over pixels``: water that rises from the frame, a stack a level.
    """
    rows, columns = fine.shape
    filled, wet = np.zeros(fine.shape, np.uint16), np.ones((rows + 1, columns), np.bool_)
    wet[1 : rows - 1, 1:-1] = False  # one row more, which the frame's last looks at
    values, surface, known = fine.ravel(), filled.ravel(), wet.ravel()
    below, top = np.full(fine.size, -1), np.full(256, -1)
    for pixel in range(fine.size):
        if known[pixel]:
            below[pixel], top[0] = top[0], pixel
    for level in range(256):
        while top[level] >= 0:
            pixel = top[level]
            top[level] = below[pixel]
            for near in (pixel + 1, pixel - 1, pixel + columns, pixel - columns):
                if not known[near]:
                    known[near] = True
                    height = max(np.int64(values[near] >> 8), level)
                    surface[near] = height << 8
                    below[near], top[height] = top[height], near
    return filled
