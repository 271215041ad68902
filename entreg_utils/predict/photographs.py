"""Photographs through a network: read ahead by threads, asked in batches, written by threads.

Three batches are held at most: one is read ahead, one asked, one written. So memory does not grow
with the number of photographs, but for a row each. A photograph is done when its map, its overlay
and its line in the journal are written.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import os
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import torch
from tqdm.auto import tqdm

from entreg_utils import cam, metrics
from entreg_utils.ahead import ahead
from entreg_utils.cam.activation import on_cpu
from entreg_utils.data.annotations import BOXES
from entreg_utils.data.decoding import UnreadableImage, pixels_of, read_image
from entreg_utils.data.download import storing
from entreg_utils.data.lists import plain
from entreg_utils.data.scan import ENDINGS, MASKS, SPOKEN, walk
from entreg_utils.fields import plain_numbers
from entreg_utils.figures import raster
from entreg_utils.files import StorageError, atomic_write, expand, parsed, read_bytes, results
from entreg_utils.metrics.contours import check_rule, level_of, mask_boxes, threshold_list
from entreg_utils.metrics.maps import to_gray
from entreg_utils.predict.classifiers import UNTRAINED, Classifier, classifier
from entreg_utils.training import SIGMA
from entreg_utils.training.batches import as_input
from entreg_utils.training.guard import enough_memory

_SIDE = 224  # of the map from which a box is read
_BATCH = 16
_TOP = 5  # classes of a row
_SHEET, _TILE = 60, 240  # photographs of the contact sheet, and their longer side in pixels


@plain_numbers
def predict(
    images,
    model,
    out: Path | str | None = None,
    threshold: float | Literal["carried"] = SIGMA,
    contours: str = "largest",
    npz: bool = False,
    progress: bool = True,
    **options,
) -> pd.DataFrame:
    """Ask a network about photographs, and write to ``out`` what ``help(entreg_utils.predict)``
    says. An interrupted call goes on where it was: what is there of the same network, settings and
    unchanged photographs is kept.

    Args:
        images: a folder, a file, a list of these, or photographs by what tables call them. In
            folders, hidden files and those in ``masks`` are left out.
        model: of :func:`classifier`, or what it takes, with ``options``.
        out: default ``results/predictions/NAME`` of the first of ``images``.
        threshold: of boxes, a share of the map's maximum; ``carried``: the run's, from validation.
        contours: ``largest``, or ``all``, a box each.
        npz: also ``maps.npz``, all maps by their NAME.

    Returns:
        A row a photograph: ``image, class, probability`` of the predicted class, ``boxes`` (a list
        of [x0, y0, x1, y1]), ``map`` and ``overlay`` (paths). ``.attrs["failed"]`` says of each
        photograph that cannot be read why.

    Raises:
        ValueError: no photographs, two with one NAME, ``out`` of another call, and what
            ``classifier`` refuses.
        StorageError: files that cannot be read or written.
    """
    given = [images] if isinstance(images, (str, Path)) else list(images)
    if not given:
        raise ValueError("name a folder of photographs, or photographs")
    out = expand(out) if out else results("predictions", expand(given[0]).resolve().name)
    photographs = images if isinstance(images, Mapping) else find(given, out)
    check_rule(contours)
    asked = model if isinstance(model, Classifier) else classifier(model, **options)
    if threshold == "carried" and (threshold := asked.threshold) is None:
        raise ValueError(f"{asked.title} has no threshold from validation: give a number")
    places = given if photographs is not images else images.values()
    places = [expand(one).resolve() for one in places]
    home = os.path.commonpath([path if path.is_dir() else path.parent for path in places])
    job = Job(asked, out, float(threshold_list([threshold])[0]), contours, home)
    rows = job.run(photographs, progress)
    table = job.tables(rows)
    job.sheet(rows, photographs)
    if npz:
        job.archive(rows)
    failed = {image: job.failed[image] for image in photographs if image in job.failed}  # in order
    table.attrs |= {"failed": failed, "out": out}
    return table


def find(given: Iterable[Path | str], out: Path) -> dict[str, Path]:
    """The photographs by what tables call them, in order; none of those in ``out``.

    StorageError: a path that is not there. ValueError: no photographs, two with one NAME, or a
    folder that is named as one.
    """
    found, others, endings = {}, [], ", ".join(ENDINGS)
    for place in map(expand, given):
        if not place.exists():
            raise StorageError(f"there is no {place}: name a folder or photographs")
        folder = place.is_dir()
        for path in walk(place, [out.resolve()]) if folder else [place]:
            inner = path.relative_to(place if folder else place.parent)
            if folder and path.suffix.lower() not in ENDINGS:
                others += [] if path.suffix.lower() in SPOKEN else [path]
            elif MASKS not in inner.parts[:-1]:
                image = plain(os.fsencode(inner.as_posix()).decode(errors="replace"))
                name = os.path.splitext(image)[0]
                _, other = found.setdefault(name, (image, path))
                if other != path:
                    raise ValueError(
                        f"{other} and {path} would both write maps/{name}.npy: rename one"
                    )
    if not found:
        raise ValueError(f"no photographs in {', '.join(map(str, given))}: they end in {endings}")
    if others:
        said = f"{len(others)} files are left out, such as {others[0]}"
        warnings.warn(f"{said}: photographs end in {endings}", stacklevel=4)
    return dict(found.values())


@dataclass(frozen=True)
class Job:
    """One call: ``rows`` of the journal, and why photographs ``failed``, by their names."""

    asked: Classifier
    out: Path
    threshold: float
    contours: str
    home: str  # folder of the photographs, whose names may be those of others elsewhere
    rows: dict[str, dict] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def path(self, kind: str, image: str) -> Path:
        ending = "npy" if kind == "map" else "png"
        return self.out / f"{kind}s" / f"{os.path.splitext(image)[0]}.{ending}"

    def run(self, photographs: Mapping[str, Path], progress: bool) -> list[dict]:
        """Do what is not done; the rows in the photographs' order."""
        self._claim()
        for line in (read_bytes(self.out / "journal.jsonl") or b"").splitlines():
            with contextlib.suppress(ValueError, TypeError, KeyError):  # cut by a kill
                row = parsed(line)
                self.rows[row["image"]] = row
        todo = [pair for pair in photographs.items() if not self._is_done(*pair)]
        count = len(photographs)
        shown = {"desc": self.asked.title, "unit": "image", "disable": not progress}
        with tqdm(total=count, initial=count - len(todo), **shown) as bar:
            answers = self._answers(ahead(self._read, todo, window=_BATCH))
            for _ in ahead(self._keep, answers, window=_BATCH):
                bar.update()
            bar.update(len(self.failed))
        return [self.rows[image] for image in photographs if image not in self.failed]

    def _claim(self) -> None:
        """Make the folder that of this call, or refuse what is in it."""
        asked = self.asked
        settings = {"network": asked.title, "weights": asked.weights, "digest": asked.digest}
        settings |= {"size": asked.size, "threshold": self.threshold, "contours": self.contours}
        text = json.dumps(settings | {"photographs": self.home}, indent=1) + "\n"
        path = self.out / "predict.json"
        if any(self.out.glob("*")) and read_bytes(path) != text.encode():
            raise ValueError(
                f"{self.out} holds something else, or predictions of another network or folder, "
                "other weights or settings (see predict.json there): give another folder with --out"
            )
        atomic_write(path, text)

    def _is_done(self, image: str, path: Path) -> bool:
        """Whether all of it is there, of the file as it is now."""
        files = [path, self.path("map", image), self.path("overlay", image)]
        changed = self.rows.get(image, {}).get("changed")
        return all(file.exists() for file in files) and changed == path.stat().st_mtime_ns

    def _read(self, pair: tuple[str, Path]) -> tuple[dict, np.ndarray, np.ndarray] | None:
        """Begin of a row, and the photograph as it is drawn, and as the network is shown it."""
        image, path = pair
        try:
            whole = read_image(path, upright=True)
        except UnreadableImage as error:
            self.failed[image] = str(error)
            return None
        row = {"image": image, "changed": path.stat().st_mtime_ns, "frame": whole.size}
        return row, raster.fit(np.asarray(whole)), pixels_of(whole, self.asked.size)

    def _answers(self, photos: Iterator[tuple | None]) -> Iterator[tuple]:
        """(row, photograph, raw map, probability of each class), in order."""
        network, photos = self.asked.network, filter(None, photos)
        device = next(network.parameters()).device
        while batch := list(itertools.islice(photos, _BATCH)):
            rows, pictures, pixels = zip(*batch, strict=True)
            images = as_input(torch.from_numpy(np.stack(pixels)), device)
            with enough_memory("photographs"):
                maps, logits = cam.class_activation_map(network, images, None)
            logits = logits.cpu()  # looked at where that is free
            if not logits.isfinite().all():
                raise ValueError(
                    f"{self.asked.title} answers with NaN or infinity to photographs near "
                    f"{rows[0]['image']}: its weights are damaged or of a training that diverged"
                )
            shares = (logits.sigmoid() if self.asked.sigmoid else logits.softmax(1)).numpy()
            yield from zip(rows, pictures, on_cpu(maps).numpy(), shares, strict=True)

    def _keep(self, answer: tuple[dict, np.ndarray, np.ndarray, np.ndarray]) -> None:
        """Write map, overlay and row of one photograph."""
        row, picture, raw, shares = answer
        best, names = np.argsort(-shares, kind="stable")[:_TOP].tolist(), self.asked.classes
        row |= {"index": best[0], "best": [[names[one], float(shares[one])] for one in best]}
        content = io.BytesIO()
        np.save(content, raw)
        atomic_write(self.path("map", row["image"]), content.getvalue())
        drawn, boxes = self.draw(picture, raw, row)
        atomic_write(self.path("overlay", row["image"]), raster.png(drawn))
        ends = np.array(row["frame"] * 2)
        boxes = np.minimum(np.ceil(boxes * ends / _SIDE), ends - 1).astype(int)
        row["boxes"] = boxes[(boxes[:, 2:] > boxes[:, :2]).all(axis=1)].tolist()
        journal = self.out / "journal.jsonl"
        with storing(f"write {journal}"), journal.open("ab", buffering=0) as file:
            # in one piece, for there are other threads, and not behind one that was cut
            file.write(f"\n{json.dumps(row)}".encode())
        self.rows[row["image"]] = row

    def draw(self, picture: np.ndarray, raw: np.ndarray, row: dict) -> tuple:
        """The overlay, and the boxes (n, 4) at 224x224."""
        scored = metrics.score_map(raw, _SIDE)
        gray = to_gray(scored.scores) * np.uint8(not scored.constant)
        level = int(level_of(np.array(self.threshold), gray))
        boxes = mask_boxes(gray, level, self.contours)
        name, share = row["best"][0]
        said = "UNTRAINED " * (self.asked.weights == UNTRAINED)
        said += f"{share:.2f}  {name}\n{row['image']}"
        return raster.overlay(picture, gray, level, boxes, self.threshold, said), boxes

    def tables(self, rows: list[dict]) -> pd.DataFrame:
        """Write the tables of the room's docstring; what :func:`predict` gives."""
        predictions, boxes, images, annotations = [], [], [], []
        for at, row in enumerate(rows):
            image, (width, height), best = row["image"], row["frame"], row["best"]
            predictions.append([image, *itertools.chain(*best)])
            images.append({"id": at, "file_name": image, "width": width, "height": height})
            for x0, y0, x1, y1 in row["boxes"]:
                boxes.append([image, x0, y0, x1, y1, *best[0], self.threshold])
                place = {"bbox": [x0, y0, x1 - x0, y1 - y0], "area": (x1 - x0) * (y1 - y0)}
                said = {"category_id": row["index"], "score": best[0][1], "iscrowd": 0}
                annotations.append({"id": len(boxes), "image_id": at} | place | said)
        names, weights = self.asked.classes, self.asked.weights
        ranks = [f"{what}_{k + 1}" for k in range(_TOP) for what in ("class", "probability")]
        for name, columns, lines in (
            ("predictions", ["image", *ranks[: 2 * len(names)]], predictions),
            ("boxes", [*BOXES, "class", "probability", "threshold"], boxes),
        ):
            table = pd.DataFrame(lines, columns=columns).assign(weights=weights)
            atomic_write(self.out / f"{name}.csv", table.to_csv(index=False, float_format="%.6g"))
        coco = {"info": {"description": self.asked.title, "weights": weights}, "images": images}
        kinds = [{"id": index, "name": name} for index, name in enumerate(names)]
        coco |= {"annotations": annotations, "categories": kinds}
        atomic_write(self.out / "boxes.coco.json", json.dumps(coco) + "\n")
        firsts = [[*line[:3], row["boxes"]] for line, row in zip(predictions, rows, strict=True)]
        table = pd.DataFrame(firsts, columns=["image", "class", "probability", "boxes"])
        for kind in ("map", "overlay"):
            table[kind] = [self.path(kind, row["image"]) for row in rows]
        return table

    def sheet(self, rows: list[dict], photographs: Mapping[str, Path]) -> None:
        """Write some of the photographs in one picture."""

        def tile(row: dict) -> np.ndarray:
            picture = np.asarray(read_image(photographs[row["image"]], upright=True))
            raw = np.load(self.path("map", row["image"]))
            return self.draw(raster.fit(picture, _TILE), raw, row)[0]

        spaced = np.linspace(0, len(rows) - 1, min(len(rows), _SHEET)).round().astype(int)
        if tiles := [*ahead(tile, [rows[at] for at in spaced], title="contact sheet")]:
            atomic_write(self.out / "contact_sheet.png", raster.png(raster.sheet(tiles)))

    def archive(self, rows: list[dict]) -> None:
        """Write all maps in one file, map by map: they need not fit into memory."""
        path = self.out / "maps.npz"
        part = path.with_name(f".{path.name}")
        with storing(f"write {path}"):
            with zipfile.ZipFile(part, "w") as file:
                for own in (self.path("map", row["image"]) for row in rows):
                    file.write(own, own.relative_to(self.out / "maps").as_posix())
            part.replace(path)
