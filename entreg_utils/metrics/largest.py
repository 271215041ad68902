"""The largest contour of every threshold, ties as OpenCV decides them.

OpenCV's ``contourArea`` is that of the polygon through the pixel centres of the outer border: a 2x2
block with 4 pixels on counts 1, with 3 on 1/2, holes filled. Two ways to it:

- **Walks**, where few components start, as in nearly all maps of networks. The tree of
  :mod:`.trees` gives each component's box, which bounds its area. Where that leaves two that may be
  the largest, their borders are walked around; a component only grows as the threshold falls, thus
  one that is too small some levels further down is too small on the way, too.
- **Sums**, for all other maps, noise above all, and where walks get long: ten times as dear. Holes
  are filled first, for all thresholds at once; then each pixel adds to its component's area what
  its code says, and the component in which they add up to half of the map needs no more of it.

Of equally large contours the protocol's ``max`` takes the first that OpenCV lists. None of the
largest lies in a hole (what is around would be larger), and of those that lie in none OpenCV lists
first what it met last: the one whose first pixel in raster order comes last.
"""

from __future__ import annotations

import numpy as np

from entreg_utils.metrics.levels import (
    by_level,
    decisive,
    neighbour_codes,
    offsets,
    tables,
    without_holes,
)
from entreg_utils.metrics.maps import compiled
from entreg_utils.metrics.trees import component, find, objects, widen

_, _GROUPS, _AREA = tables(8)
_STARTS = 1 / 400  # more components a pixel than this: sums
_STEPS = 2  # so many steps of a walk a pixel before sums


@compiled
def _outline(values, columns, start, mask, most):
    """Walk around the component of ``gray > mask`` (flat), from the upper side of ``start``.

    Returns twice the area of the polygon through the border's pixels, negative where it is a hole's
    border, -1 after ``most`` steps; the first pixel in raster order; and the number of steps.
    """
    along, dark = (1, columns, -1, -columns), mask << 8 | 255
    right, down = (1, 0, -1, 0), (0, 1, 0, -1)
    pixel, way, area, x, y, first = start, 0, 0, 0, 0, start
    for step in range(most):
        dx, dy, ahead = right[way], down[way], pixel + along[way]
        left = (way + 3) % 4  # where it is off
        if values[ahead + along[left]] > dark:
            dx, dy, ahead, way = dx + right[left], dy + down[left], ahead + along[left], left
        elif values[ahead] <= dark:
            dx, dy, ahead, way = 0, 0, pixel, (way + 1) % 4
        area += x * dy - y * dx
        x, y, pixel, first = x + dx, y + dy, ahead, min(first, ahead)
        if pixel == start and way == 0:
            return area, first, step + 1
    return -1, first, most


@compiled
def by_walks(fine, rows, patience):
    """:func:`largest_boxes` from the rows of :func:`.trees.objects`; no row where ``patience``, the
    steps that all walks may have, was not enough."""
    values, columns, out = fine.ravel(), fine.shape[1], _blank()
    # Rows by the last mask for which they stand, and those that do.
    begins, after, items = np.full(256, -1), np.empty(len(rows), dtype=np.int64), 0
    for row in range(len(rows)):
        after[row], begins[rows[row, 5]] = begins[rows[row, 5]], row
        items = max(items, rows[row, 6] + 1)
    standing, rivals = np.empty(len(rows), dtype=np.int64), np.empty(len(rows), dtype=np.int64)
    # Down to mask ``safe`` a component is known to be smaller than another; ``stride``: how far to
    # look ahead. ``least``: twice the area of a component, at this mask or before.
    safe, stride = np.full(items, 256), np.full(items, 8)
    stand, least, winner = 0, 0, -1
    for mask in range(254, -1, -1):
        row = begins[mask]
        while row >= 0:
            standing[stand] = row
            row, stand = after[row], stand + 1
        left, many, most, best = 0, 0, -1, -1
        for row in standing[:stand]:
            if rows[row, 4] > mask:
                continue
            standing[left] = row
            left += 1
            room = 2 * (rows[row, 2] - rows[row, 0]) * (rows[row, 3] - rows[row, 1])
            item = rows[row, 6]
            if room < least or safe[item] <= mask:
                continue
            rivals[many] = row
            many += 1
            if item == winner or room > most:
                best, most = row, room if item != winner else 2**60
        stand = left
        if not many:
            continue
        exact, first = False, 0
        for row in rivals[:many]:
            item = rows[row, 6]
            while row != best:
                ahead, start = max(mask - stride[item] + 1, 0), np.int64(rows[row, 7])
                while values[start - columns] >> 8 > ahead:
                    start -= columns
                    patience -= 1
                area, top, steps = _outline(values, columns, start, ahead, patience)
                patience -= steps
                if area >= least and not exact:
                    start = np.int64(rows[best, 7])
                    least, first, steps = _outline(values, columns, start, mask, patience)
                    patience, exact = patience - steps, True
                if patience <= 0:
                    return out[:0]
                if 0 <= area < least:
                    safe[item], stride[item] = ahead, min(2 * stride[item], 128)
                    break
                if ahead == mask:
                    if area > least or top > first:
                        best, least, first = row, area, top
                    break
                stride[item] //= 2
        winner = rows[best, 6]
        for side in range(4):
            out[mask, side] = rows[best, side]
    return out


@compiled
def _write(out, mask, box, winner, shape):
    """Row ``mask``: the box without the frame. Returns whether it is the whole map."""
    wide, tall = shape[1] - 3, shape[0] - 3
    x0, y0 = box[winner, 0] - 1, box[winner, 1] - 1
    x1, y1 = min(box[winner, 2], wide), min(box[winner, 3], tall)
    out[mask, 0], out[mask, 1], out[mask, 2], out[mask, 3] = x0, y0, x1, y1
    return x0 == 0 and y0 == 0 and box[winner, 2] > wide and box[winner, 3] > tall


@compiled
def _sums(shape, codes, order, starts, uphill, visit):
    """:func:`largest_boxes` of a map without holes: ``order``, of all its pixels; ``visit``: those
    that are decisive.

    Areas lie at the first pixel in raster order of their component. They only grow, thus the
    largest ever is the largest now; ``last``: no component of that area begins after this pixel.
    """
    columns, most = shape[1], 1
    for pixel in order:
        most += pixel & 255 == 0
    parent, first = np.zeros(most, dtype=np.int32), np.zeros(most, dtype=np.int32)
    box = np.empty((most, 4), dtype=np.int32)
    owner, path = np.full(len(codes), -1, dtype=np.int32), np.empty(len(codes), dtype=np.int32)
    areas, out = np.full(len(codes), -1, dtype=np.int32), _blank()
    made, best, last, half = 0, -1, 0, (shape[0] - 3) * (shape[1] - 3)
    for level in range(255, 0, -1):
        for place in range(starts[255 - level], starts[256 - level]):
            pixel, code = order[place] >> 8, order[place] & 255
            if best > half and not visit[pixel]:  # who is the largest is settled
                continue
            if code == 0:
                begin, area, keep, parent[made] = pixel, 0, made, made
                box[made, 0], box[made, 1], box[made, 2], box[made, 3] = 2**30, 2**30, 0, 0
                made += 1
            else:
                keep = component(owner, parent, codes, uphill, path, pixel + uphill[code, 0])
                begin = np.int64(first[keep])
                area = areas[begin] + _AREA[code]
            owner[pixel] = keep
            if visit[pixel]:
                y = np.int64(np.uint32(pixel) // np.uint32(columns))
                x = pixel - y * columns
                widen(box, keep, x, y, x, y)
                for slot in range(1, _GROUPS[code]):
                    near = pixel + uphill[code, slot]
                    other = component(owner, parent, codes, uphill, path, near)
                    if other == keep:
                        continue
                    parent[other] = keep
                    widen(box, keep, box[other, 0], box[other, 1], box[other, 2], box[other, 3])
                    area += areas[first[other]]
                    areas[begin] = areas[first[other]] = -1
                    begin = min(begin, first[other])
            areas[begin], begin = -1, min(begin, pixel)
            areas[begin], first[keep] = area, begin
            if area > best:
                best, last = area, begin
            elif area == best:
                last = max(last, begin)
        if best < 0:
            continue
        while areas[last] != best:
            last -= 1
        winner = find(parent, owner[last])
        if _write(out, level - 1, box, winner, shape) and best > half:
            for mask in range(level - 1):
                _write(out, mask, box, winner, shape)
            break
    return out


@compiled
def _blank():
    """Rows (256, 6) of :func:`largest_boxes` for a map in which nothing is on."""
    out = np.zeros((256, 6), dtype=np.int32)
    for level in range(256):
        out[level, 4], out[level, 5] = level, level
    return out


def largest_boxes(fine: np.ndarray) -> np.ndarray:
    """Box of the largest contour of every mask; ``fine`` as of :func:`.levels.framed`.

    Rows (256, 6) int32: x0, y0, x1, y1, zeros where nothing is on, and twice the L of the mask
    ``gray > L`` that it belongs to.
    """
    codes = neighbour_codes(fine)
    if np.count_nonzero((codes == 0) & (fine > 255)) <= _STARTS * fine.size:
        boxes = by_walks(fine, objects(fine, codes), int(_STEPS * fine.size))
        if len(boxes):
            return boxes
    return by_sums(fine)


def by_sums(fine: np.ndarray) -> np.ndarray:
    """:func:`largest_boxes` of any map."""
    filled = without_holes(fine)
    codes = neighbour_codes(filled)
    visit = decisive(filled, codes, 8)
    every = np.zeros_like(visit)
    every[: fine.size] = filled.ravel() > 255
    order = by_level(filled, codes, every)
    return _sums(fine.shape, codes.ravel(), *order, offsets(8, fine.shape[1]), visit)
