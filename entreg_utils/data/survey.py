"""What is found in a folder of photographs, before anything is trained on it."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from entreg_utils.data.decoding import size_of
from entreg_utils.data.folder import find
from entreg_utils.data.world import SPLITS
from entreg_utils.files import StorageError

if TYPE_CHECKING:
    import pandas as pd


_SHOWN = 20  # suspects of one printing


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
    """What ``data.folder`` finds, as a table by split; no picture is decoded.

    Columns: ``images``, ``classes``, images ``with_boxes`` and their ``boxes``, ``with_masks``, and
    the sizes of the ``smallest``, ``median`` and ``largest`` image by area, "WxH" in pixels.
    Suspects: files that are no images, boxes outside their photograph, masks of another size (these
    three are refused when they are loaded), files that are left out, and classes that are not in
    all splits.

    ``options``: ``boxes``, ``masks``, ``labels``, ``hold_out`` and ``seed`` of ``data.folder``, and
    its errors for what leaves nothing to count.
    """
    import pandas as pd  # takes half a second: not for who loads the drawn world

    suspects = []
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = find(path, root, **options, refuse=lambda error: suspects.append(str(error)))
    suspects, rows = [str(one.message) for one in said] + suspects, {}
    shown = {split: set() for split in SPLITS}
    for split, part in found.parts.items():
        frames = {}
        for name, file in part.items():
            try:
                frames[name] = size_of(file, upright=True)
            except StorageError as error:
                suspects.append(str(error))
        photos = found.photos(split, frames, lambda error: suspects.append(str(error)))
        sizes = sorted(frames.values(), key=np.prod) or [("-", "-")]
        shown[split] = {kind for photo in photos for kind in found.labels[photo.image_id]}
        boxes = [
            sum(map(len, p.boxes)) if found.several else len(p.boxes) for p in photos if p.boxes
        ]
        rows[split] = {
            "images": len(part),
            "classes": len(shown[split]),
            "with_boxes": len(boxes),
            "boxes": sum(boxes),
            "with_masks": sum(bool(photo.mask_files) for photo in photos),
        } | {
            column: "{}x{}".format(*sizes[row])
            for column, row in (("smallest", 0), ("median", len(sizes) // 2), ("largest", -1))
        }
    for index, name in enumerate(found.names):
        places = [split for split in SPLITS if index in shown[split]]
        if len(places) < len(SPLITS):
            suspects.append(f"class {name!r} is in {' and '.join(places)} only")
    return Survey(pd.DataFrame.from_dict(rows, orient="index"), found.source, tuple(suspects))
