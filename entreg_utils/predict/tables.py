"""What ``predict`` writes of all photographs together: tables, boxes as COCO, a sheet, an archive.

The formats stand in :mod:`entreg_utils.predict`.
"""

from __future__ import annotations

import json
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd

from entreg_utils.data.annotations import BOXES
from entreg_utils.data.decoding import read_image
from entreg_utils.data.download import storing
from entreg_utils.experiments.provenance import usable_cores
from entreg_utils.figures import raster
from entreg_utils.files import atomic_write
from entreg_utils.predict.passes import TOP, Job, name_of

_SHEET, _TILE = 60, 240  # photographs of the contact sheet, and their longer side in pixels


def write_tables(job: Job, rows: list[dict]) -> pd.DataFrame:
    names, weights = job.asked.classes, job.asked.weights
    table = pd.DataFrame(rows, columns=["image", "index", "probability", "boxes", "best", "frame"])
    table.insert(1, "class", [names[index] for index in table.pop("index")])
    best, frames = table.pop("best"), table.pop("frame")
    predictions = table[["image"]].copy()
    for rank in range(min(TOP, len(names))):
        predictions[f"class_{rank + 1}"] = [names[own[rank][0]] for own in best]
        predictions[f"probability_{rank + 1}"] = [own[rank][1] for own in best]
    boxes = table.explode("boxes").dropna(subset="boxes")
    corners = np.array(boxes.pop("boxes").tolist(), int).reshape(-1, 4)
    for at, name in enumerate(BOXES[1:]):
        boxes.insert(1 + at, name, corners[:, at])
    boxes["threshold"] = job.threshold
    for name, one in {"predictions": predictions, "boxes": boxes}.items():
        text = one.assign(weights=weights).to_csv(index=False, float_format="%.6g")
        atomic_write(job.out / f"{name}.csv", text)
    images = [
        {"id": number, "file_name": image, "width": width, "height": height}
        for number, (image, (width, height)) in enumerate(zip(table["image"], frames, strict=True))
    ]
    found = zip(boxes.index, boxes["class"], boxes["probability"], corners.tolist(), strict=True)
    annotations = [
        {"id": at, "image_id": number, "category_id": rows[number]["index"], "score": score}
        | {"bbox": [x0, y0, x1 - x0, y1 - y0], "area": (x1 - x0) * (y1 - y0), "iscrowd": 0}
        for at, (number, _, score, (x0, y0, x1, y1)) in enumerate(found, 1)
    ]
    coco = {"info": {"description": job.asked.title, "weights": weights}, "images": images}
    coco |= {"annotations": annotations}
    coco["categories"] = [{"id": index, "name": name} for index, name in enumerate(names)]
    atomic_write(job.out / "boxes.coco.json", json.dumps(coco) + "\n")
    for kind in ("map", "overlay"):
        table[kind] = [job.path(kind, image) for image in table["image"]]
    return table


def write_sheet(job: Job, rows: list[dict], photographs: dict[str, Path]) -> None:
    def tile(row: dict) -> np.ndarray:
        picture = np.asarray(read_image(photographs[row["image"]], upright=True))
        raw = np.load(job.path("map", row["image"]))
        return job.draw(raster.fit(picture, _TILE), raw, row, f"\n{row['image']}")[0]

    spaced = np.linspace(0, len(rows) - 1, min(len(rows), _SHEET)).round().astype(int)
    with ThreadPoolExecutor(usable_cores()) as pool:
        tiles = list(pool.map(tile, [rows[at] for at in spaced]))
    if tiles:
        atomic_write(job.out / "contact_sheet.png", raster.png(raster.sheet(tiles)))


def write_npz(job: Job, rows: list[dict]) -> None:
    path = job.out / "maps.npz"
    part = path.with_name(f".{path.name}")
    with storing(f"write {path}"):
        with zipfile.ZipFile(part, "w") as file:  # map by map: they need not fit into memory
            for row in rows:
                file.write(job.path("map", row["image"]), f"{name_of(row['image'])}.npy")
        part.replace(path)
