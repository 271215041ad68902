"""What is found in a folder of photographs, before anything is trained on it."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from entreg_utils.data.decoding import read_all, size_of
from entreg_utils.data.folder import Found, find
from entreg_utils.data.world import SPLITS
from entreg_utils.files import StorageError, sha256

if TYPE_CHECKING:
    import pandas as pd


_SHOWN = 20  # suspects of one printing
_COLUMNS = "images classes with_boxes boxes with_masks smallest median largest".split()


@dataclass(frozen=True)
class Survey:
    """``table``: a row a split. ``suspects``: a sentence for each thing that may be a mistake."""

    table: pd.DataFrame
    source: str
    suspects: tuple[str, ...]

    def __str__(self) -> str:
        found = [f"suspect: {one}" for one in self.suspects[:_SHOWN]]
        found += [f"and {len(self.suspects) - _SHOWN} more"] * (len(self.suspects) > _SHOWN)
        found = found or ["nothing looks like a mistake"]
        return "\n".join([self.table.to_string(), self.source, *found])


def survey(path: Path | str, root=None, **options) -> Survey:
    """What ``data.folder`` finds, as a table by split; every file is read to its end.

    Columns: ``images``, ``classes``, images ``with_boxes`` and their ``boxes``, ``with_masks``, and
    the sizes of the ``smallest``, ``median`` and ``largest`` image by area, "WxH" in pixels.
    Suspects: what is refused when it is loaded (files that are no images or are cut short, boxes
    outside their photograph, masks of another size or of values that no class has), files and empty
    folders that are left out, equal files in two splits (twins that differ by a bit are not seen),
    and classes that are not in all splits. ``options`` and errors are those of ``data.folder``.
    """
    import pandas as pd  # takes half a second: not for who loads the drawn world

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = find(path, root, **options)
    suspects, rows, shown = [str(one.message) for one in said], {}, {}
    first: dict[str, tuple[str, str]] = {}  # digest of a file: its split and name
    for split, part in found.parts.items():
        seen = read_all(list(part.items()), partial(_look, found), f"{split}: reading")
        for name, (size, digest, _, wrong) in zip(part, seen, strict=True):
            place, same = first.setdefault(digest, (split, name)) if size else (split, "")
            if place != split:
                suspects.append(f"{name} of {split} and {same} of {place} are the same file")
            suspects += wrong
        sizes = sorted((size for size, *_ in seen if size), key=np.prod) or [("-", "-")]
        boxes = [count for _, _, count, _ in seen if count]
        shown[split] = {kind for name in part for kind in found.labels[name]}
        masked = sum(name in found.masks for name in part)
        ranks = ("{}x{}".format(*sizes[rank]) for rank in (0, len(sizes) // 2, -1))
        rows[split] = [len(part), len(shown[split]), len(boxes), sum(boxes), masked, *ranks]
    for index, name in enumerate(found.names):
        places = [split for split in SPLITS if index in shown[split]]
        if len(places) < len(SPLITS):
            suspects.append(f"class {name!r} is in {' and '.join(places)} only")
    table = pd.DataFrame.from_dict(rows, orient="index", columns=_COLUMNS)
    return Survey(table, found.source, tuple(suspects))


def _look(found: Found, item: tuple[str, Path]) -> tuple:
    """Size, digest and number of boxes of a photograph as far as it can be read; what is wrong."""
    size, digest, boxes = None, "", 0
    try:
        size, digest = size_of(item[1], upright=True, whole=True), sha256(item[1].read_bytes())
        photo = found.photo(*item)
        boxes = sum(map(len, photo.boxes_in(size, 1)))
        for label in photo.classes if photo.mask_files else ():
            found.reader.read(photo.mask_files, label, (1, 1))
    except (ValueError, StorageError) as error:
        return size, digest, boxes, [str(error)]
    return size, digest, boxes, []
