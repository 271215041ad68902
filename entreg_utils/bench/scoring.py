"""The cost of maps and of the scores made from them."""

from __future__ import annotations

import cv2
import numpy as np
import torch

from entreg_utils import cam, metrics, models
from entreg_utils.bench.timing import Row, in_turns, paired_ratio, threads


def maps(repeats: int = 20, batch: int = 50, side: int = 48, width: int = 16) -> list[Row]:
    """CAM and logits together against the logits alone, no gradients."""
    model = models.build("toy", 8, width=width).eval()
    images, classes = torch.rand(batch, 3, side, side), torch.arange(batch) % 8

    def forward():
        with torch.no_grad():
            model(images)

    calls = {"cam": lambda: cam.class_activation_map(model, images, classes), "forward": forward}
    with threads(1):
        ratio = paired_ratio(in_turns(calls, repeats), "cam", "forward")
    return [Row("CAM and logits against a forward pass alone", ratio, "x", repeats)]


def naive_box_counts(cams, boxes, thresholds: int, size: int, iou: float = 0.5) -> np.ndarray:
    """Images (thresholds,) whose largest contour's box is right: one OpenCV pass a threshold."""
    counts = np.zeros(thresholds, dtype=np.int64)
    for raw, true in zip(cams, boxes, strict=True):
        gray = (metrics.score_map(raw, size).scores * 255).astype(np.uint8)
        for i in range(thresholds):
            level = int(i * (1 / thresholds) * gray.max())
            _, mask = cv2.threshold(gray, level, 255, cv2.THRESH_BINARY)
            contours = cv2.findContours(mask, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)[-2]
            box = [0, 0, 0, 0]
            if len(contours):
                x, y, w, h = cv2.boundingRect(max(contours, key=cv2.contourArea))
                box = [x, y, min(x + w, size - 1), min(y + h, size - 1)]
            counts[i] += metrics.box_iou(np.array([box]), true[None])[0, 0] >= iou
    return counts


def scores(images: int = 8, size: int = 224, thresholds: int = 1000, repeats: int = 3) -> list[Row]:
    """``box_accuracy`` against the loop over thresholds, which must agree, and PxAP.

    Raises:
        ValueError: the two count differently.
    """
    generator = np.random.default_rng(0)
    cams = generator.random((images, size // 16, size // 16), dtype=np.float32)
    boxes = np.tile(np.array([size // 8, size // 8, size // 2, size // 2]), (images, 1))
    masks = np.zeros((images, size, size), dtype=bool)
    masks[:, size // 8 : size // 2, size // 8 : size // 2] = True
    found = {}

    def package():
        result = metrics.box_accuracy(cams, boxes[:, None], thresholds=thresholds, size=size)
        found["package"] = result.counts[1]  # IoU 0.5

    def naive():
        found["naive"] = naive_box_counts(cams, boxes, thresholds, size)

    def pixels():
        metrics.pixel_average_precision(cams, masks, size=size)

    seconds = in_turns({"box": package, "naive": naive, "pixels": pixels}, repeats, warmup=1)
    if not np.array_equal(found["package"], found["naive"]):
        raise ValueError("box_accuracy and the loop over thresholds count differently")
    a_map = 1000 * float(np.median(seconds["box"])) / images
    speed = images * size**2 / 1e6 / float(np.median(seconds["pixels"]))
    return [
        Row(f"box_accuracy, {size}x{size}, {thresholds} thresholds", a_map, "ms/image", repeats),
        Row("loop over thresholds against it", paired_ratio(seconds, "naive", "box"), "x", repeats),
        Row(f"pixel_average_precision, {size}x{size}", speed, "Mpixels/s", repeats),
    ]
