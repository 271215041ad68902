"""What is found in a folder of photographs, before anything is trained on it."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from entreg_utils.data.decoding import read_all, size_of
from entreg_utils.data.folder import find
from entreg_utils.data.world import SPLITS
from entreg_utils.files import StorageError, sha256

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
    """What ``data.folder`` finds, as a table by split; every file is read to its end.

    Columns: ``images``, ``classes``, images ``with_boxes`` and their ``boxes``, ``with_masks``, and
    the sizes of the ``smallest``, ``median`` and ``largest`` image by area, "WxH" in pixels.
    Suspects: files that are no images or are cut short, boxes outside their photograph, masks of
    another size or of values that no class has (these are refused when they are loaded), files and
    empty folders that are left out, equal files in two splits (twins that differ by a bit are not
    seen), and classes that are not in all splits.

    ``options``: ``boxes``, ``masks``, ``labels``, ``hold_out`` and ``seed`` of ``data.folder``, and
    its errors for what leaves nothing to count.
    """
    import pandas as pd  # takes half a second: not for who loads the drawn world

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = find(path, root, **options)
    suspects, rows, shown = [str(one.message) for one in said], {}, {}
    first: dict[str, tuple[str, str]] = {}  # digest of a file: its split and name
    for split, part in found.parts.items():
        sizes, boxes = [], []
        seen = read_all([*part.values()], _seen, f"{split}: reading")
        for (name, file), own in zip(part.items(), seen, strict=True):
            try:
                if isinstance(own, StorageError):
                    raise own
                sizes.append(own[0])
                place, same = first.setdefault(own[1], (split, name))
                if place != split:
                    suspects.append(f"{name} of {split} and {same} of {place} are the same file")
                photo = found.photo(name, file, sizes[-1])
                boxes.append(photo.boxes)
                for label in photo.classes if photo.mask_files else ():
                    found.reader.read(photo.mask_files, label, (1, 1))
            except (ValueError, StorageError) as error:
                suspects.append(str(error))
        sizes = sorted(sizes, key=np.prod) or [("-", "-")]
        shown[split] = {kind for name in part for kind in found.labels[name]}
        boxes = [sum(map(len, own)) if found.several else len(own) for own in boxes if own]
        rows[split] = {
            "images": len(part),
            "classes": len(shown[split]),
            "with_boxes": len(boxes),
            "boxes": sum(boxes),
            "with_masks": sum(name in found.masks for name in part),
        } | {
            column: "{}x{}".format(*sizes[row])
            for column, row in (("smallest", 0), ("median", len(sizes) // 2), ("largest", -1))
        }
    for index, name in enumerate(found.names):
        places = [split for split in SPLITS if index in shown[split]]
        if len(places) < len(SPLITS):
            suspects.append(f"class {name!r} is in {' and '.join(places)} only")
    return Survey(pd.DataFrame.from_dict(rows, orient="index"), found.source, tuple(suspects))


def _seen(file: Path) -> tuple[tuple[int, int], str] | StorageError:
    """Size and digest of a photograph, or what is wrong with it."""
    try:
        return size_of(file, upright=True, whole=True), sha256(file.read_bytes())
    except StorageError as error:
        return error
