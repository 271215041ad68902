"""Every contour of every threshold in one pass: component trees of an 8-bit map.

The masks ``gray > L`` are nested: as L falls, components only grow and merge. One pass over the
pixels from the brightest to the darkest, with a union-find, meets every component of every mask.

1. **Order.** A mask is cut from 8 bits, but within one of the 256 levels the order is free. Taken
   from 16 bits it follows the map's slope, where 8 bits have terraces.
2. **Code.** The 8 bits of a pixel's neighbours that are on before it: brighter, or as bright and
   earlier in raster order. The code alone tells whether the pixel is *quiet*: it continues one
   component, within its box. Then a pointer to one such neighbour is all of it.
3. **Tree.** The others, sorted, are joined to the components around them; whenever one grows, the
   box that it has had is noted with the levels for which it stood.

Holes are the same pass over the negative, with 4-neighbours, the frame counting as outside.

The largest contour is that of the largest ``contourArea``, of the polygon through the pixel centres
of the outer border. At each level the borders of those components are walked around whose boxes
leave room for it. Of equal areas the protocol's ``max`` takes the first contour that OpenCV lists:
none of the largest lies in a hole (what is around would be larger), and of the others it is the one
whose first pixel in raster order comes last.

In pixels N: 2 N cheap steps, some dozens for each pixel that is not quiet (one in twenty of a
smooth map, half of white noise), and the walks; memory 13 N bytes, and 140 for each of the others.
Source: Najman & Couprie, IEEE TIP 2006 (union-find over sorted pixels).
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
    return _cut(np.concatenate([_standing(fine, 8), holes])[:, :6], fine.shape)


def largest_boxes(fine: np.ndarray) -> np.ndarray:
    """Box of the largest contour of every mask, rows (256, 6) int64 as of :func:`all_boxes`, that
    of the mask ``gray > L`` in row L."""
    rows, levels = _standing(fine, 8), np.arange(256)
    room = 2 * (rows[:, 2] - rows[:, 0] - 1) * (rows[:, 3] - rows[:, 1] - 1)  # for twice the area
    falling = np.argsort(-room)
    winners = _winners(fine.ravel(), fine.shape[1], rows[falling], room[falling])
    return _cut(np.column_stack([rows[falling[winners], :4], levels, levels]), fine.shape)


def _cut(rows: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """A box ends one pixel further than its object, but not outside the map in its frame."""
    rows[:, 2:4] = np.minimum(rows[:, 2:4], [shape[1] - 3, shape[0] - 3])
    return rows


@compiled
def highest(rows, values):
    """(256,) float64: the highest of ``values`` (M,), none below 0, whose rows stand at a level."""
    found = np.zeros(256)
    for index in range(len(rows)):
        if values[index] > 0:
            for level in range(rows[index, 4], rows[index, 5] + 1):
                found[level] = max(found[level], values[index])
    return found


def _standing(fine: np.ndarray, connectivity: int) -> np.ndarray:
    """Each box that a component has had, in rows (M, 7) int64: the box, the first and the last L of
    the masks ``gray > L`` with it, and a pixel of its uppermost row (flat, within the frame). The
    first row is the box 0, 0, 0, 0 of the masks in which nothing is on.
    """
    codes = _neighbour_codes(fine)
    parent, pixels = _quiet(fine, codes, _uphill(connectivity, fine.shape[1]))
    order = pixels[np.argsort(~fine.ravel()[pixels], kind="stable")]
    steps = np.array([y * fine.shape[1] + x for x, y in RING])
    return _passed(fine, codes, parent, order, steps, 8 // connectivity)


@cache
def _uphill(connectivity: int, columns: int) -> np.ndarray:
    """(256,) int64: for each code of a quiet pixel, the step to a neighbour that is on in a
    flattened map of so many columns; else 0. Components are of 8- or 4-neighbours."""
    uphill = np.zeros(256, dtype=np.int64)
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
    return uphill


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
def _quiet(fine, codes, uphill):
    """Flat, of each pixel: the neighbour that it continues, or itself; and which of the latter are
    on in some mask, in raster order."""
    columns, values, code_of = fine.shape[1], fine.ravel(), codes.ravel()
    parent, found, count = np.zeros(fine.size, np.int32), np.empty(fine.size, np.int32), 0
    for y in range(1, fine.shape[0] - 1):
        for pixel in range(y * columns + 1, (y + 1) * columns - 1):
            step = uphill[code_of[pixel]]
            parent[pixel], found[count] = pixel + step, pixel
            count += (step == 0) & (values[pixel] > 255)
    return parent, found[:count]


@compiled
def _find(parent, item):
    """The component that ``item`` is part of by now; the way to it is shortened."""
    while parent[item] >= 0:
        above = parent[item]
        if parent[above] >= 0:
            parent[item] = parent[above]
        item = above
    return np.int64(item)


@compiled
def _passed(fine, codes, parent, order, steps, stride):
    """Rows of :func:`_standing`. A component goes by one of its pixels; pixel 0 is the outside. The
    ``parent`` of that pixel is -1 - its place in ``order``, so that what is kept of it is small.
    """
    columns, values, code_of = fine.shape[1], fine.ravel(), codes.ravel()
    # of a component: box, level since when it stands (0, never, for the outside), uppermost pixel
    now, rows = np.zeros((len(order) + 1, 6), np.int32), np.empty((2 * len(order) + 2, 7), np.int64)
    parent[0], rows[0], rows[0, 5], count = -1 - len(order), 0, 255, 1
    if len(order):
        rows[0, 4] = values[order[0]] >> 8
    for place in range(len(order)):
        # the frame adds 1 to a coordinate, a box ends a pixel further, a hole's runs around it
        pixel = np.int64(order[place])
        y = pixel // columns
        x = pixel - y * columns
        now[place, 0], now[place, 2] = x - stride, x + stride - 1
        now[place, 1], now[place, 3] = y - stride, y + stride - 1
        level, code, root = np.int64(values[pixel] >> 8), code_of[pixel], pixel
        now[place, 4], now[place, 5], parent[pixel] = level, pixel, -1 - place
        for position in range(stride - 1, 8, stride):
            before = code >> (position - 1 & 7) & code >> (position - stride & 7) & 1
            if code >> position & 1 == 0 or before:  # that one hangs together with this one
                continue
            other = _find(parent, pixel + steps[position])
            if other == root:
                continue
            root, gone = min(root, other), max(root, other)
            kept, lost, parent[gone] = -1 - parent[root], -1 - parent[gone], root
            count = _note(rows, count, now, kept, level)
            count = _note(rows, count, now, lost, level)
            now[kept, 0] = min(now[kept, 0], now[lost, 0])
            now[kept, 1] = min(now[kept, 1], now[lost, 1])
            now[kept, 2] = max(now[kept, 2], now[lost, 2])
            now[kept, 3] = max(now[kept, 3], now[lost, 3])
            now[kept, 5] = min(now[kept, 5], now[lost, 5])
    for place in range(len(order)):
        if parent[order[place]] < 0:
            count = _note(rows, count, now, place, 0)
    return rows[:count]


@compiled
def _note(rows, count, now, item, level):
    """Write what a component has been from some level until above this one, where it changes."""
    since = now[item, 4]
    if since <= level:
        return count
    for column in range(4):
        rows[count, column] = now[item, column]
    rows[count, 4], rows[count, 5], rows[count, 6] = level, since - 1, now[item, 5]
    now[item, 4] = level
    return count + 1


@compiled
def _winners(values, columns, rows, room):
    """(256,): which row has the largest contour at each level; ``room`` of their boxes falls.

    The largest area only grows as the level falls. Where that of the level above leaves room for
    one component alone, nobody walks; where no pixel has the value between, the mask is the same.
    """
    widest, second, occurs = np.full(256, -1), np.full(256, -1), np.zeros(257, np.bool_)
    for value in values:
        occurs[value >> 8] = True
    for index in range(len(rows)):
        for level in range(rows[index, 4], rows[index, 5] + 1):
            if widest[level] < 0:
                widest[level] = index
            elif second[level] < 0:
                second[level] = room[index]
    winners, last, most, area = widest.copy(), np.zeros(256, np.int64), np.full(256, -1), -1
    for level in range(255, -1, -1):
        if second[level] >= area and occurs[level + 1]:
            most[level], last[level] = _around(values, columns, rows[widest[level], 6], level)
            area = max(area, most[level])
    for index in range(len(rows)):
        for level in range(rows[index, 4], rows[index, 5] + 1):
            if most[level] < 0 or room[index] < most[level] or index == widest[level]:
                continue
            area, first = 0, rows[index, 6]  # of what is one pixel wide or high
            if room[index] > 0:
                area, first = _around(values, columns, first, level)
            if area > most[level] or (area == most[level] and first > last[level]):
                winners[level], most[level], last[level] = index, area, first
    for level in range(254, -1, -1):
        if not occurs[level + 1]:
            winners[level] = winners[level + 1]
    return winners


@compiled
def _around(values, columns, start, level):
    """Walk around a component of ``gray > level`` (flat), from the upper side of ``start``: twice
    the area of the polygon through the border's pixels, and the first pixel in raster order."""
    along, dark = (1, columns, -1, -columns), level << 8 | 255
    right, down = (1, 0, -1, 0), (0, 1, 0, -1)
    pixel, way, area, x, y, first = start, 0, 0, 0, 0, start
    while True:
        dx, dy, ahead = right[way], down[way], pixel + along[way]
        left = (way + 3) % 4  # where it is off
        if values[ahead + along[left]] > dark:
            dx, dy, ahead, way = dx + right[left], dy + down[left], ahead + along[left], left
        elif values[ahead] <= dark:
            dx, dy, ahead, way = 0, 0, pixel, (way + 1) % 4
        area += x * dy - y * dx
        x, y, pixel, first = x + dx, y + dy, ahead, min(first, ahead)
        if pixel == start and way == 0:
            return area, first
