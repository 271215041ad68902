"""Predicted classes of images, ``image,class_1,..,class_5``, beside the true ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from entreg_utils.data.lists import match, plain
from entreg_utils.files import StorageError
from entreg_utils.score.truth import Truth


def read_right(path: Path | str, images: Sequence[str], truth: Truth) -> dict[str, np.ndarray]:
    """{"top1": (N,) bool, whether ``class_1`` of an image is its class; "top5": one of them all}.

    The true class is the truth's, else that in the column ``label``; "top5" is left out where the
    file has one class an image. ValueError: other columns, an image without a row or a class, and
    classes that are spelled otherwise than the true ones.
    """
    path = Path(path).expanduser()
    try:
        rows = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror}; give predictions.csv") from error
    except ValueError as error:  # no UTF-8, no CSV, nothing in it
        raise ValueError(f"{path} is no CSV in UTF-8 ({error})") from error
    ranks = [name for name in (f"class_{rank}" for rank in range(1, 6)) if name in rows]
    if "image" not in rows or not ranks or ranks[0] != "class_1":
        raise ValueError(
            f"{path} has the columns {', '.join(map(str, rows.columns))}: begin it with "
            "image,class_1, and more ranks up to class_5"
        )
    places = {plain(name): index for index, name in enumerate(rows["image"])}
    found = match(places, images, strangers=[])
    row_of = {image: places[name] for name, image in found.items()}
    if lonely := [image for image in images if image not in row_of]:
        raise ValueError(
            f"{path} has no row for {lonely[0]} ({len(lonely)} of {len(images)} images)"
        )
    own = rows.iloc[[row_of[image] for image in images]]
    labels = dict(zip(images, own["label"], strict=True)) if "label" in own else {}
    labels |= {image: truth.labels[image] for image in images if image in truth.labels}
    if lonely := [image for image in images if not labels.get(image)]:
        raise ValueError(
            f"the true class of {lonely[0]} is not known: give boxes with a column class, or "
            f"{path.name} a column label"
        )
    said = own[ranks].to_numpy()
    classes = set(truth.classes) or set(labels.values())
    strange = sorted(set(said.ravel()) - classes)
    if strange and (truth.classes or not set(said.ravel()) & classes):
        raise ValueError(
            f"{path}: the class {strange[0]!r} is none of the true ones, such as "
            f"{min(classes)!r}: --classes TABLE, value,name, names those of numbers"
        )
    hits = said == np.array([labels[image] for image in images])[:, None]
    return {"top1": hits[:, 0]} | ({"top5": hits.any(axis=1)} if len(ranks) > 1 else {})
