"""Every contour of every threshold in one pass: component trees of an 8-bit map.

The masks ``gray > L`` are nested: as L falls, components only grow and merge. One pass over the
pixels from the brightest to the darkest, with a union-find over components, meets every component
of every mask.

1. **Code** (:mod:`.levels`). For each pixel, which neighbours are on before it.
2. **Look-up.** The code alone tells whether the pixel starts a component, continues one, or joins
   several; whether it can widen a bounding box; what it adds to the contour's area. Nearly all
   pixels continue one component and widen nothing: they are never visited. Each knows one brighter
   neighbour, and following these pointers leads to the component (paths are compressed).
3. **Tree.** The other pixels, sorted by level in N steps, are visited once: a union-find that keeps
   the bounding box and notes each change with the levels for which it stood.

Holes are the same pass over the negative, with 4-neighbours, the frame counting as outside.

The largest contour needs areas. OpenCV's ``contourArea`` is that of the polygon through the pixel
centres of the outer border: a 2x2 block with 4 pixels on counts 1, with 3 on 1/2, holes filled. So
the holes are filled first, for all thresholds at once, and all pixels are visited.

In pixels N: all contours about 3 N cheap steps, largest contour 6 N; memory 20 N bytes. Sources:
Najman & Couprie, IEEE TIP 2006 (union-find over sorted pixels); Salembier et al., IEEE TIP 1998.
"""

from __future__ import annotations

import numpy as np

from entreg_utils.metrics.levels import RING, by_level, neighbour_codes, tables, without_holes
from entreg_utils.metrics.maps import compiled

_JOINS_8, _VISIT_8, _AREA = tables(8)
_JOINS_4, _VISIT_4, _ = tables(4)
_EVERYONE = np.ones(256, dtype=np.bool_)
# Columns of a component: 0..3 its box x0, y0, x1, y1 (both ends inside, frame coordinates), then
_SINCE, _PARENT = 4, 5  # the level at which the box was last widened, and the union-find's parent


@compiled
def _find(parts, item):
    while parts[item, _PARENT] != item:
        parts[item, _PARENT] = parts[parts[item, _PARENT], _PARENT]
        item = parts[item, _PARENT]
    return item


@compiled
def _component(owner, parts, codes, joins, steps, pixel):
    """Component of a pixel that is on: follow brighter neighbours to one that knows its own."""
    start = pixel
    while owner[pixel] < 0:
        pixel += steps[joins[codes[pixel], 0]]
    known = _find(parts, owner[pixel])
    while owner[start] < 0:  # write it on the way, so that the next one asks once
        owner[start] = known
        start += steps[joins[codes[start], 0]]
    return known


@compiled
def _close(parts, item, level, out, written):
    """Note the box of a component that stood until above ``level``, if it stood at all."""
    if parts[item, _SINCE] <= level:
        return written
    for side in range(4):
        out[written, side] = parts[item, side]
    out[written, 4], out[written, 5] = level + 1, parts[item, _SINCE]
    return written + 1


@compiled
def _changes(codes, order, starts, joins, steps, columns, owner, parts, out, made):
    """Bounding boxes of all components of ``gray >= t``, t = 1..255, each as long as it stands.

    Fills ``out`` with rows x0, y0, x1, y1, first and last t, and returns how many. With ``made`` =
    1 component 0, the frame's, is there already; it is never noted.
    """
    written, outside = 0, made - 1
    for level in range(255, 0, -1):
        for place in range(starts[255 - level], starts[256 - level]):
            pixel = np.int64(order[place])
            code = codes[pixel]
            x0, y0 = pixel % columns, pixel // columns
            x1, y1 = x0, y0
            if joins[code, 0] < 0:
                parts[made, 0], parts[made, 1], parts[made, 2], parts[made, 3] = x0, y0, x1, y1
                parts[made, _SINCE], parts[made, _PARENT] = level, made
                owner[pixel] = made
                made += 1
                continue
            keep = _component(owner, parts, codes, joins, steps, pixel + steps[joins[code, 0]])
            for slot in range(1, 4):
                if joins[code, slot] < 0:
                    break
                near = pixel + steps[joins[code, slot]]
                other = _component(owner, parts, codes, joins, steps, near)
                if other == keep:
                    continue
                keep, other = min(keep, other), max(keep, other)  # the outside, 0, keeps its name
                parts[other, _PARENT] = keep
                x0, y0 = min(x0, parts[other, 0]), min(y0, parts[other, 1])
                x1, y1 = max(x1, parts[other, 2]), max(y1, parts[other, 3])
                written = _close(parts, other, level, out, written)
            owner[pixel] = keep
            wider = x0 < parts[keep, 0] or y0 < parts[keep, 1]
            if keep != outside and (wider or x1 > parts[keep, 2] or y1 > parts[keep, 3]):
                written = _close(parts, keep, level, out, written)
                parts[keep, _SINCE] = level
                parts[keep, 0], parts[keep, 1] = min(x0, parts[keep, 0]), min(y0, parts[keep, 1])
                parts[keep, 2], parts[keep, 3] = max(x1, parts[keep, 2]), max(y1, parts[keep, 3])
    for item in range(outside + 1, made):
        if parts[item, _PARENT] == item:
            written = _close(parts, item, 0, out, written)
    return written


@compiled
def _largest(
    codes, order, starts, joins, visit, area, steps, columns, owner, parts, areas, alive, out
):
    """Box of the component of largest area of ``gray >= t``, and how many are as large.

    Fills row t of ``out`` (256, 5): x0, y0, x1, y1 and the number, 0 where nothing is on.
    """
    made, living = 0, 0
    for level in range(255, 0, -1):
        for place in range(starts[255 - level], starts[256 - level]):
            pixel = np.int64(order[place])
            code = codes[pixel]
            if joins[code, 0] < 0:
                x, y = pixel % columns, pixel // columns
                parts[made, 0], parts[made, 1], parts[made, 2], parts[made, 3] = x, y, x, y
                parts[made, _PARENT] = alive[living] = made
                owner[pixel] = made
                made, living = made + 1, living + 1
                continue
            keep = _find(parts, owner[pixel + steps[joins[code, 0]]])
            owner[pixel] = keep
            areas[keep] += area[code]
            if not visit[code]:  # nearly all: it joins one component and widens nothing
                continue
            x, y = pixel % columns, pixel // columns
            parts[keep, 0], parts[keep, 1] = min(parts[keep, 0], x), min(parts[keep, 1], y)
            parts[keep, 2], parts[keep, 3] = max(parts[keep, 2], x), max(parts[keep, 3], y)
            for slot in range(1, 4):
                if joins[code, slot] < 0:
                    break
                other = _find(parts, owner[pixel + steps[joins[code, slot]]])
                if other != keep:
                    parts[other, _PARENT] = keep
                    areas[keep] += areas[other]
                    for side in range(2):
                        parts[keep, side] = min(parts[keep, side], parts[other, side])
                        parts[keep, side + 2] = max(parts[keep, side + 2], parts[other, side + 2])
        best, number, left = -1, 0, 0
        for place in range(living):
            item = alive[place]
            if parts[item, _PARENT] != item:
                continue
            alive[left] = item
            left += 1
            if areas[item] > best:
                best, number = areas[item], 0
                for side in range(4):
                    out[level, side] = parts[item, side]
            number += areas[item] == best
        living = left
        out[level, 4] = number


def all_boxes(gray: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Boxes of every contour of every mask, holes included; ``gray`` as of :func:`.levels.framed`.

    Returns boxes (M, 4) int64, x0, y0, x1, y1 as :mod:`.contours` has them, and levels (M, 2)
    int64: the box belongs to the masks ``gray > L`` with ``levels[:, 0] <= L <= levels[:, 1]``.
    """
    limit = np.array([gray.shape[1], gray.shape[0]] * 2) - 3
    bright = _run(gray, neighbour_codes(gray), _JOINS_8, _VISIT_8, outside=False)
    negative = 255 - gray  # a hole at L is a component of negative >= 255 - L
    codes = neighbour_codes(negative)
    # The frame is outside, and on before every pixel, also before equal ones to its upper left.
    codes[1] |= 0b00000111
    codes[-2] |= 0b01110000
    codes[:, 1] |= 0b11000001
    codes[:, -2] |= 0b00011100
    dark = _run(negative, codes, _JOINS_4, _VISIT_4, outside=True)
    # A hole's contour runs on the pixels around it. The frame adds 1 to each coordinate, and a box
    # ends one further than its last pixel.
    objects = np.minimum(bright[:, :4] + [-1, -1, 0, 0], limit)
    holes = np.minimum(dark[:, :4] + [-2, -2, 1, 1], limit)
    levels = np.concatenate([bright[:, 4:] - 1, 255 - dark[:, :3:-1]])
    return np.concatenate([objects, holes]), levels.astype(np.int64)


def _run(gray, codes, joins, visit, outside: bool) -> np.ndarray:
    """The rows (M, 6) of :func:`_changes`; with ``outside``, the frame is a component."""
    order, starts = by_level(gray, codes, visit)
    owner = np.full(gray.shape, -1, dtype=np.int32)
    if outside:
        owner[0] = owner[-1] = owner[:, 0] = owner[:, -1] = 0
    parts = np.zeros((len(order) + 1, 6), dtype=np.int32)
    out = np.empty((2 * len(order) + 1, 6), dtype=np.int32)
    steps, columns, made = _steps(gray), gray.shape[1], int(outside)
    flat, owner = codes.ravel(), owner.ravel()
    rows = _changes(flat, order, starts, joins, steps, columns, owner, parts, out, made)
    return out[:rows]


def largest_boxes(gray: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Box of the largest contour of every mask; ``gray`` as for :func:`all_boxes`.

    Returns boxes (256, 4) int64, row L for the mask ``gray > L``, zeros where it is empty, and the
    number (256,) of contours that are as large: where it is not 1, OpenCV's order decides.
    """
    filled = without_holes(gray)
    codes = neighbour_codes(filled)
    order, starts = by_level(filled, codes, _EVERYONE)
    flat, owner = codes.ravel(), np.empty(gray.size, dtype=np.int32)
    most = np.count_nonzero(codes == 0)  # no neighbour on: a component, or the frame's pixels
    parts, areas = np.zeros((most, 6), dtype=np.int32), np.zeros(most, dtype=np.int64)
    alive, out = np.empty(most, dtype=np.int32), np.zeros((257, 5), dtype=np.int32)
    sorted_pixels, memory = (flat, order, starts), (owner, parts, areas, alive, out)
    _largest(*sorted_pixels, _JOINS_8, _VISIT_8, _AREA, _steps(gray), gray.shape[1], *memory)
    limit = np.array([gray.shape[1], len(gray)] * 2) - 3
    boxes, number = np.minimum(out[1:, :4] + [-1, -1, 0, 0], limit), out[1:, 4].astype(np.int64)
    return np.where(number[:, None] > 0, boxes, 0), number


def _steps(gray: np.ndarray) -> np.ndarray:
    """Offsets of the ring's positions in the flattened map."""
    return np.array([y * gray.shape[1] + x for x, y in RING])
