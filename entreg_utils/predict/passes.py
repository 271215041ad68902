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
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from tqdm.auto import tqdm

from entreg_utils import cam, metrics
from entreg_utils.data.decoding import UnreadableImage, pixels_of, read_image
from entreg_utils.data.download import storing
from entreg_utils.experiments.provenance import usable_cores
from entreg_utils.figures import raster
from entreg_utils.files import atomic_write, read_bytes
from entreg_utils.metrics.contours import level_of, mask_boxes
from entreg_utils.metrics.maps import to_gray
from entreg_utils.predict.classifiers import UNTRAINED, Classifier
from entreg_utils.training.batches import as_input
from entreg_utils.training.guard import enough_memory

SIDE = 224  # of the map from which a box is read
TOP = 5  # classes of a row
_BATCH = 16


def name_of(image: str) -> str:
    """NAME of an image, its path without the ending."""
    folder, slash, file = image.rpartition("/")
    return f"{folder}{slash}{Path(file).stem}"


class _Photo(NamedTuple):
    image: str
    file: list[int]
    frame: tuple[int, int]  # (W, H)
    picture: np.ndarray  # as it is drawn
    pixels: np.ndarray  # as it is shown to the network


@dataclass(frozen=True)
class Job:
    asked: Classifier
    out: Path
    threshold: float
    contours: str
    of_class: int | None
    home: str  # the folder of the photographs, which may have the names of others

    def path(self, kind: str, image: str) -> Path:
        return self.out / f"{kind}s" / f"{name_of(image)}.{'npy' if kind == 'map' else 'png'}"

    def run(self, photographs: dict[str, Path], progress: bool) -> tuple[list[dict], dict]:
        """Rows of the journal in the photographs' order, and why others failed, by image."""
        self._claim()
        journal, failed = _Journal(self.out / "journal.jsonl"), {}
        todo = [pair for pair in photographs.items() if not self._is_done(*pair, journal.rows)]

        def read(pair: tuple[str, Path]) -> _Photo | None:
            try:
                pair[0].encode()
                return self._read(*pair)
            except UnreadableImage as error:
                failed[pair[0]] = str(error)
            except UnicodeEncodeError:
                failed[pair[0]] = f"{ascii(pair[0])} has a name that is no UTF-8 text: rename it"

        def keep(answer: tuple) -> None:
            journal.add(self._keep(*answer))

        count, pool = len(photographs), ThreadPoolExecutor(usable_cores())
        shown = {"desc": self.asked.title, "unit": "image", "disable": not progress}
        with tqdm(total=count, initial=count - len(todo), **shown) as bar:
            try:
                for _ in _ahead(pool, keep, self._answers(_ahead(pool, read, todo))):
                    bar.update()
            finally:  # also after Ctrl-C
                pool.shutdown(cancel_futures=True)
            bar.update(len(failed))
        failed = {image: failed[image] for image in photographs if image in failed}  # in order
        return [journal.rows[image] for image in photographs if image not in failed], failed

    def _claim(self) -> None:
        """Make the folder that of this call, or refuse what is in it."""
        asked = self.asked
        settings = {"network": asked.title, "weights": asked.weights, "digest": asked.digest}
        settings |= {"size": asked.size, "threshold": self.threshold, "contours": self.contours}
        settings |= {"class": self.of_class, "photographs": self.home}
        text = json.dumps(settings, indent=1) + "\n"
        path = self.out / "predict.json"
        there = read_bytes(path)
        if there is None and self.out.is_dir() and any(self.out.iterdir()):
            raise ValueError(f"{self.out} holds something else: give a new folder with --out")
        if there not in (None, text.encode()):
            raise ValueError(
                f"{self.out} holds predictions of another network or folder, other weights or "
                "settings (see predict.json there): give another folder with --out"
            )
        if there is None:
            atomic_write(path, text)

    def _is_done(self, image: str, path: Path, rows: dict[str, dict]) -> bool:
        """Whether all of it is there, of the file as it is now."""
        return (
            image in rows
            and rows[image]["file"] == _facts(path)
            and all(self.path(kind, image).exists() for kind in ("map", "overlay"))
        )

    def _read(self, image: str, path: Path) -> _Photo:
        file, whole = _facts(path), read_image(path, upright=True)
        picture = raster.fit(np.asarray(whole))
        return _Photo(image, file, whole.size, picture, pixels_of(whole, self.asked.size))

    def _answers(self, photos: Iterator[_Photo | None]) -> Iterator[tuple]:
        """(photograph, raw map, probability of each class), in order."""
        network, photos = self.asked.network, filter(None, photos)
        device = next(network.parameters()).device
        while batch := list(itertools.islice(photos, _BATCH)):
            images = as_input(torch.from_numpy(np.stack([p.pixels for p in batch])), device)
            classes = None if self.of_class is None else [self.of_class] * len(batch)
            with enough_memory("photographs"):
                maps, logits = cam.class_activation_map(network, images, classes)
            shares = logits.sigmoid() if self.asked.sigmoid else logits.softmax(1)
            yield from zip(batch, maps.cpu().numpy(), shares.cpu().numpy(), strict=True)

    def _keep(self, photo: _Photo, raw: np.ndarray, shares: np.ndarray) -> dict:
        """Write map and overlay of one photograph; its row."""
        best = np.argsort(-shares, kind="stable")[:TOP].tolist()
        index = best[0] if self.of_class is None else self.of_class
        row = {"image": photo.image, "file": photo.file, "frame": photo.frame, "index": index}
        row |= {"probability": float(shares[index]), "best": [[i, float(shares[i])] for i in best]}
        content = io.BytesIO()
        np.save(content, raw)
        atomic_write(self.path("map", photo.image), content.getvalue())
        drawn, boxes = self.draw(photo.picture, raw, row)
        atomic_write(self.path("overlay", photo.image), raster.png(drawn))
        width, height = photo.frame
        ends = np.array([width, height] * 2)
        boxes = np.minimum(np.ceil(boxes * ends / SIDE), ends - 1).astype(int)
        solid = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
        return row | {"boxes": boxes[solid].tolist()}

    def draw(self, picture: np.ndarray, raw: np.ndarray, row: dict, more: str = "") -> tuple:
        """The overlay, with ``more`` in its caption, and the boxes (n, 4) at 224x224."""
        scored = metrics.score_map(raw, SIDE)
        gray = to_gray(scored.scores) * np.uint8(not scored.constant)
        level = int(level_of(np.array([self.threshold]), gray)[0])
        boxes = mask_boxes(gray, level, self.contours)
        said = f"{row['probability']:.2f}  {self.asked.classes[row['index']]}{more}"
        said = f"UNTRAINED {said}" if self.asked.weights == UNTRAINED else said
        return raster.overlay(picture, gray, level, boxes, self.threshold, said), boxes


class _Journal:
    """Rows of what is done, by image: a JSON line each, written when it is done."""

    def __init__(self, path: Path):
        self.path, self.rows, self.lock = path, {}, threading.Lock()
        for line in (read_bytes(path) or b"").splitlines():
            with contextlib.suppress(ValueError):  # cut by a kill
                row = json.loads(line)
                self.rows[row["image"]] = row

    def add(self, row: dict) -> None:
        with self.lock, storing(f"write {self.path}"), self.path.open("a") as file:
            file.write(f"\n{json.dumps(row)}")  # a line of its own also behind one that was cut
            self.rows[row["image"]] = row


def _facts(path: Path) -> list[int]:
    """Bytes and time of the last change of a file; [] where it is gone."""
    try:
        facts = path.stat()
    except OSError:
        return []
    return [facts.st_size, facts.st_mtime_ns]


def _ahead(pool: ThreadPoolExecutor, function, items: Iterable) -> Iterator:
    """``function`` of each item, in order; the pool is at most a batch ahead."""
    waiting = deque()
    for item in items:
        waiting.append(pool.submit(function, item))
        if len(waiting) > _BATCH:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
