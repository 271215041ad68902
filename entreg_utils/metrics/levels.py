"""What the component trees (:mod:`.trees`) stand on: the map in 8 bits inside a frame of zeros,
and for each pixel a *code*, the 8 bits of those neighbours that are on before it when the threshold
falls: brighter, or as bright and earlier in raster order.
"""

from __future__ import annotations

import numpy as np

from entreg_utils.metrics.maps import compiled

# Ring of neighbours (x, y), clockwise from the upper left: the bits of a code. Odd ones share a
# side with the pixel.
RING = ((-1, -1), (0, -1), (1, -1), (1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0))


def tables(connectivity: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What each of the 256 codes means, for components of 8- or 4-neighbours.

    joins (256, 4) int8: one ring position of each component that the neighbours on form around the
    pixel, padded with -1 (none: the pixel starts a component). visit (256,) bool: it starts a
    component, joins two, or may push out a side of the bounding box, which it does not when a
    neighbour on lies as far out. area (256,) int8: halves of a unit cell that it adds to the area
    of the polygon through the outer pixels' centres; a cell of 2x2 pixels has 1 of 2 halves with
    three pixels on, and both with four.
    """
    joins = np.full((256, 4), -1, dtype=np.int8)
    visit, area = np.zeros(256, dtype=np.bool_), np.zeros(256, dtype=np.int8)
    for code in range(256):
        on = [position for position in range(8) if code >> position & 1]
        groups = _groups(on, connectivity)
        for slot, group in enumerate(groups):
            joins[code, slot] = next(p for p in group if connectivity == 8 or p % 2)
        x, y = np.array([RING[p] for group in groups for p in group]).reshape(-1, 2).T
        sides = (x <= 0).any(), (y <= 0).any(), (x >= 0).any(), (y >= 0).any()
        visit[code] = len(groups) != 1 or not all(sides)
        for corner in (0, 2, 4, 6):
            area[code] += len({corner, (corner + 1) % 8, (corner - 1) % 8} & set(on)) >= 2
    return joins, visit, area


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


def framed(scores: np.ndarray) -> np.ndarray:
    """8-bit levels (H+2, W+2) uint8 of a 0..1 map, in the frame of zeros that the trees want."""
    gray = np.zeros((scores.shape[0] + 2, scores.shape[1] + 2), dtype=np.uint8)
    np.multiply(scores, 255, out=gray[1:-1, 1:-1], casting="unsafe")  # to_gray, without a copy
    return gray


@compiled
def neighbour_codes(gray):
    """(H+2, W+2) uint8: which neighbours are on before each pixel inside the frame."""
    codes = np.zeros_like(gray)
    rows, columns = gray.shape
    for y in range(1, rows - 1):
        above, row, below = gray[y - 1], gray[y], gray[y + 1]
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
def by_level(gray, codes, chosen):
    """Flat indices of the pixels of level >= 1 whose code is chosen, brightest first, in raster
    order within a level; and where each level begins, (257,): level v at starts[255 - v]."""
    rows, columns = gray.shape
    found = np.empty(rows * columns, dtype=np.int32)
    starts = np.zeros(257, dtype=np.int64)
    count = 0
    for y in range(1, rows - 1):
        for x in range(1, columns - 1):
            wanted = chosen[codes[y, x]] & (gray[y, x] > 0)
            found[count] = y * columns + x
            count += wanted
            starts[256 - gray[y, x]] += wanted
    for level in range(256):
        starts[level + 1] += starts[level]
    order = np.empty(count, dtype=np.int32)
    place = starts[:256].copy()
    levels = gray.ravel()
    for pixel in found[:count]:
        order[place[255 - levels[pixel]]] = pixel
        place[255 - levels[pixel]] += 1
    return order, starts


def without_holes(gray: np.ndarray) -> np.ndarray:
    """The map (H+2, W+2) whose masks are those of ``gray`` with all holes filled, at every level.

    Each pixel is raised to the lowest level over which a path of 4-neighbours leads from it to the
    frame, ``min over paths of max over pixels``.
    """
    filled = np.full_like(gray, 255)
    filled[0] = filled[-1] = filled[:, 0] = filled[:, -1] = 0
    _sweep(gray, filled, np.ones((2, len(gray)), dtype=np.bool_))
    return filled


@compiled
def _sweep(gray, filled, stale):
    """Lower ``filled`` until it is what :func:`without_holes` returns.

    Sweeps over the rows, down and up, each row relaxed from the row before and then along itself to
    both sides. ``stale`` (2, H+2), all True: by direction, the row before has changed since.
    """
    rows, columns = gray.shape
    left = 2 * (rows - 2)
    sweep = 0
    while left:
        up = sweep % 2
        for i in range(1, rows - 1):
            y = rows - 1 - i if up else i
            if not stale[up, y]:
                continue
            stale[up, y] = False
            left -= 1
            changed = sweep < 2  # the frame to the left and right has not spoken yet
            for x in range(1, columns - 1):
                value = max(gray[y, x], min(filled[y, x], filled[y + 1 if up else y - 1, x]))
                changed |= value != filled[y, x]
                filled[y, x] = value
            if not changed:
                continue
            for x in range(1, columns - 1):
                filled[y, x] = max(gray[y, x], min(filled[y, x], filled[y, x - 1]))
            for x in range(columns - 2, 0, -1):
                filled[y, x] = max(gray[y, x], min(filled[y, x], filled[y, x + 1]))
            for way, row in ((0, y + 1), (1, y - 1)):
                if 0 < row < rows - 1 and not stale[way, row]:
                    stale[way, row] = True
                    left += 1
        sweep += 1
