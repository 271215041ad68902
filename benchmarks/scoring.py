"""The cost of the scores that are made from maps."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from benchmarks.timing import Row, in_turns, paired_ratio
from entreg_utils import metrics
from entreg_utils.metrics.contours import CONTOUR_RULES


def smooth_maps(count: int = 8, side: int = 14, seed: int = 0) -> np.ndarray:
    """(count, side, side) float32: a few bumps and some noise, as attention maps are."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] / side
    result = 0.1 * generator.normal(size=(count, side, side))
    for image in result:
        for _ in range(4):
            at, spread = generator.random(2), generator.uniform(0.1, 0.3)
            image += generator.random() * np.exp(
                -((y - at[0]) ** 2 + (x - at[1]) ** 2) / (2 * spread**2)
            )
    return result.astype(np.float32)


def stored_maps(path: Path, count: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """``cams`` (N, h, w) and ``boxes_224`` (N, 4) of an .npz file, ``count`` of them evenly."""
    with np.load(path) as file:
        cams, boxes = file["cams"], file["boxes_224"]
    rows = np.linspace(0, len(cams) - 1, count).astype(int)
    return cams[rows], boxes[rows]


def plain_counts(cams, boxes, contours: str, thresholds: int, size: int) -> np.ndarray:
    """Images (3, thresholds) right at IoU 0.3, 0.5, 0.7: OpenCV once for each threshold."""
    counts = np.zeros((3, thresholds), dtype=np.int64)
    for raw, true in zip(cams, boxes, strict=True):
        gray = (metrics.score_map(raw, size).scores * 255).astype(np.uint8)
        for i in range(thresholds):
            level = int(i * (1 / thresholds) * gray.max())
            _, mask = cv2.threshold(gray, level, 255, cv2.THRESH_BINARY)
            found = cv2.findContours(mask, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)[-2]
            if contours == "largest" and len(found):
                found = [max(found, key=cv2.contourArea)]
            predicted = [[0, 0, 0, 0]] if not len(found) else []
            for x, y, w, h in map(cv2.boundingRect, found):
                predicted.append([x, y, min(x + w, size - 1), min(y + h, size - 1)])
            best = metrics.box_iou(predicted, true[None]).max()
            counts[:, i] += best >= np.array([0.3, 0.5, 0.7])
    return counts


def boxes(
    cams: np.ndarray | None = None,
    true: np.ndarray | None = None,
    size: int = 224,
    thresholds: int = 1000,
    repeats: int = 5,
) -> list[Row]:
    """``box_accuracy`` on one and two threads, the plain loop over thresholds, and the floor.

    Raises:
        ValueError: the two count differently.
    """
    cams = smooth_maps() if cams is None else cams
    if true is None:
        true = np.tile([size // 8, size // 8, size // 2, size // 2], (len(cams), 1))
    rows, found, goals = [], {}, {1: 15, 2: 25}

    def ours(rule: str, count: int):
        def call():
            result = metrics.box_accuracy(
                cams, true, rule, (0.3, 0.5, 0.7), thresholds, size, count
            )
            found["ours"] = result.counts

        return call

    def plain(rule: str):
        def call():
            found["plain"] = plain_counts(cams, true, rule, thresholds, size)

        return call

    def floor():
        for raw in cams:
            cv2.resize(raw, (size, size), interpolation=cv2.INTER_CUBIC)

    with _one_thread_each():
        for rule in CONTOUR_RULES:
            calls = {"plain": plain(rule), 1: ours(rule, 1), 2: ours(rule, 2), "floor": floor}
            seconds = in_turns(calls, repeats, warmup=1)
            if not np.array_equal(found["ours"], found["plain"]):
                raise ValueError("box_accuracy and the loop over thresholds count differently")
            a_map = 1000 * float(np.median(seconds[1])) / len(cams)
            rows.append(Row(f"box_accuracy, {rule}, {size}x{size}", a_map, "ms/image", repeats))
            for count, goal in goals.items():
                ratio = paired_ratio(seconds, "plain", count)
                name = f"  plain loop of {thresholds} against it, threads: {count}"
                rows.append(Row(name, ratio, "x", repeats, f">= {goal}", ratio >= goal))
            ratio = paired_ratio(seconds, 1, "floor")
            rows.append(Row("  it against the cubic resize alone", ratio, "x", repeats))
    return rows


def first_call() -> list[Row]:
    """Seconds of a process's first ``box_accuracy``, nothing compiled before and all of it stored.

    That of a stored one is taken off: what is left is the compiling.
    """
    code = (
        "import time, numpy; from entreg_utils import metrics; start = time.perf_counter();"
        "[metrics.box_accuracy(numpy.random.rand(2, 7, 7), [[1, 1, 9, 9]] * 2, r, size=32)"
        " for r in ('largest', 'all')]; print(time.perf_counter() - start)"
    )
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"NUMBA_CACHE_DIR": folder}
        cold, warm = (
            float(
                subprocess.run(
                    [sys.executable, "-c", code],
                    env=environment,
                    check=True,
                    capture_output=True,
                    text=True,
                ).stdout
            )
            for _ in range(2)
        )
    return [
        Row("compiling at the first call of all", cold - warm, "s", 1, "<= 5 s", cold - warm <= 5),
        Row("first call of a later process", warm, "s", 1),
    ]


def pixels(images: int = 8, size: int = 224, repeats: int = 5) -> list[Row]:
    """PxAP: megapixels a second on one core."""
    cams = smooth_maps(images)
    masks = np.zeros((images, size, size), dtype=bool)
    masks[:, size // 8 : size // 2, size // 8 : size // 2] = True
    with _one_thread_each():
        calls = {"pixels": lambda: metrics.pixel_average_precision(cams, masks, size=size)}
        seconds = in_turns(calls, repeats, warmup=1)["pixels"]
    speed = images * size**2 / 1e6 / float(np.median(seconds))
    name = f"pixel_average_precision, {size}x{size}"
    return [Row(name, speed, "Mpixels/s", repeats, ">= 20", speed >= 20)]


@contextlib.contextmanager
def _one_thread_each() -> Iterator[None]:
    """OpenCV on one thread within it, so that only ours are counted."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
