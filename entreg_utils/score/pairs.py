"""Which map is of which image, and what is left over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from entreg_utils.cam.scaling import as_array
from entreg_utils.data.lists import match
from entreg_utils.score.mapfiles import find
from entreg_utils.score.truth import Truth


class Pair(NamedTuple):
    """One map: its image, its class where its name says one, and how it is read."""

    image: str
    kind: str | None
    read: Callable[[], np.ndarray]


def paired(
    maps: Mapping | Path | str, truth: Truth, partial: bool = False, more: bool = False
) -> tuple[list[Pair], list[str]]:
    """A :class:`Pair` for each map of the truth, in its order, and notes of what is left out.

    ``maps``, ``partial``: as in :func:`entreg_utils.score.score`; ``more``: maps of other images
    are no reason to refuse. ValueError: maps without truth, or truth without maps.
    """
    found = maps if isinstance(maps, Mapping) else find(maps)
    groups: dict[str | None, dict[str, str]] = {}
    for name in found:
        head, _, rest = name.partition("/")
        kind, own = (head, rest) if rest and head in truth.classes else (None, name)
        groups.setdefault(kind, {})[own] = name
    pairs, lonely = [], []
    for kind, own in groups.items():
        strangers: list[str] = []
        for name, image in match(own, truth.images, strangers).items():
            given = found[own[name]]
            read = given if callable(given) else lambda array=given: as_array(array)
            pairs.append(Pair(image, kind, read))
        lonely += [own[name] for name in strangers]
    told = {image for image, own in truth.boxes.items() if len(own)} | {*truth.files}
    bare = sorted(told - {pair.image for pair in pairs})
    left = {"maps without truth": [] if more else lonely, "images of the truth without map": bare}
    notes = [
        f"{what}: {len(names)} ({', '.join(names[:3])}{', ..' if len(names) > 3 else ''})"
        for what, names in left.items()
        if names
    ]
    if notes and not partial:
        way = "write those" if more else "--partial scores the images that have both"
        raise ValueError(f"{'; '.join(notes)}: {way}")
    place = {image: index for index, image in enumerate(truth.images)}
    return sorted(pairs, key=lambda pair: place[pair.image]), [f"left out, {n}" for n in notes]
