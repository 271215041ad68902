"""What ``predict`` writes of all photographs together: tables, boxes as COCO, a sheet, an archive.

The formats stand in :mod:`entreg_utils.predict`.
"""

from __future__ import annotations

import itertools
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from entreg_utils.ahead import ahead
from entreg_utils.data.annotations import BOXES
from entreg_utils.data.decoding import read_image
from entreg_utils.data.download import storing
from entreg_utils.figures import raster
from entreg_utils.files import atomic_write

TOP = 5  # classes of a row
_SHEET, _TILE = 60, 240  # photographs of the contact sheet, and their longer side in pixels


def write_tables(job, rows: list[dict]) -> pd.DataFrame:
    names, weights = job.asked.classes, job.asked.weights
    predictions, boxes, images, annotations = [], [], [], []
    for at, row in enumerate(rows):
        image, (width, height), best = row["image"], row["frame"], row["best"]
        predictions.append([image, *itertools.chain(*best)])
        images.append({"id": at, "file_name": image, "width": width, "height": height})
        for x0, y0, x1, y1 in row["boxes"]:
            boxes.append([image, x0, y0, x1, y1, *best[0], job.threshold])
            bbox = {"bbox": [x0, y0, x1 - x0, y1 - y0], "area": (x1 - x0) * (y1 - y0)}
            said = {"category_id": row["index"], "score": best[0][1], "iscrowd": 0}
            annotations.append({"id": len(boxes), "image_id": at} | bbox | said)
    ranks = [f"{what}_{k + 1}" for k in range(TOP) for what in ("class", "probability")]
    for name, columns, lines in (
        ("predictions", ["image", *ranks[: 2 * len(names)]], predictions),
        ("boxes", [*BOXES, "class", "probability", "threshold"], boxes),
    ):
        table = pd.DataFrame(lines, columns=columns).assign(weights=weights)
        atomic_write(job.out / f"{name}.csv", table.to_csv(index=False, float_format="%.6g"))
    coco = {"info": {"description": job.asked.title, "weights": weights}, "images": images}
    kinds = [{"id": index, "name": name} for index, name in enumerate(names)]
    coco |= {"annotations": annotations, "categories": kinds}
    atomic_write(job.out / "boxes.coco.json", json.dumps(coco) + "\n")
    lines = [line[:3] for line in predictions]
    table = pd.DataFrame(lines, columns=["image", "class", "probability"])
    table["boxes"] = [row["boxes"] for row in rows]
    for kind in ("map", "overlay"):
        table[kind] = [job.path(kind, row["image"]) for row in rows]
    return table


def write_sheet(job, rows: list[dict], photographs: Mapping[str, Path]) -> None:
    def tile(row: dict) -> np.ndarray:
        picture = np.asarray(read_image(photographs[row["image"]], upright=True))
        raw = np.load(job.path("map", row["image"]))
        return job.draw(raster.fit(picture, _TILE), raw, row)[0]

    spaced = np.linspace(0, len(rows) - 1, min(len(rows), _SHEET)).round().astype(int)
    if tiles := [*ahead(tile, [rows[at] for at in spaced], title="contact sheet")]:
        atomic_write(job.out / "contact_sheet.png", raster.png(raster.sheet(tiles)))


def write_npz(job, rows: list[dict]) -> None:
    path = job.out / "maps.npz"
    part = path.with_name(f".{path.name}")
    with storing(f"write {path}"):
        with zipfile.ZipFile(part, "w") as file:  # map by map: they need not fit into memory
            for row in rows:
                own = job.path("map", row["image"])
                file.write(own, own.relative_to(job.out / "maps").as_posix())
        part.replace(path)
