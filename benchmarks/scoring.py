"""The cost of maps beside the forward pass they come from, and of the scores made from them."""

import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch

from benchmarks.timing import Row, in_turns, paired_ratio
from entreg_utils import cam, metrics, models
from entreg_utils.ahead import ahead
from entreg_utils.experiments.provenance import pick_device
from entreg_utils.training import View, predict
from entreg_utils.training.tally import Tally

IOUS = (0.3, 0.5, 0.7)
_PEAK = """
import resource, sys
import numpy as np
from entreg_utils import metrics

class Maps:
    def __len__(self):
        return int(sys.argv[1])

    def __getitem__(self, index):
        if index >= len(self):
            raise IndexError
        return np.outer(np.arange(128.0), np.arange(128)) + index

metrics.box_accuracy(Maps(), [[10, 10, 99, 99]] * len(Maps()), threads=int(sys.argv[2]))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def maps(
    name: str = "toy", repeats: int = 20, batch: int = 50, side: int = 48, **options
) -> list[Row]:
    """CAM and logits together against the logits alone, one thread; ``batch`` images a call."""
    device = pick_device()
    model = models.build(name, 8, **options).to(device).eval()
    images, classes = torch.rand(batch, 3, side, side).to(device), torch.arange(batch) % 8

    def forward():
        with torch.no_grad():
            return model(images).cpu()  # a GPU has finished when its answer is here

    def maps():
        found, logits = cam.class_activation_map(model, images, classes.to(device))
        return found.cpu(), logits.cpu()

    calls = {"cam": maps, "forward": forward}
    ratio = paired_ratio(in_turns(calls, repeats), "cam", "forward")
    title = f"CAM and logits against forward, {name}, {side}x{side}, {device.type}"
    return [Row(title, ratio, "x", repeats, "<= 1.1", ratio <= 1.1)]


def smooth_maps(count: int = 32, side: int = 14, seed: int = 0) -> np.ndarray:
    """(count, side, side) float32: a few bumps and some noise, as attention maps are."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] / side
    result = 0.1 * generator.normal(size=(count, side, side))
    for image in result:
        for _ in range(4):
            at, spread = generator.random(2), generator.uniform(0.1, 0.3)
            far = (y - at[0]) ** 2 + (x - at[1]) ** 2
            image += generator.random() * np.exp(-far / (2 * spread**2))
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
            counts[:, i] += metrics.box_iou(predicted, true[None]).max() >= np.array(IOUS)
    return counts


def boxes(
    cams: np.ndarray | None = None,
    true: np.ndarray | None = None,
    size: int = 224,
    thresholds: int = 1000,
    repeats: int = 5,
) -> list[Row]:
    """``box_accuracy`` on one and two threads, the plain loop over thresholds, and the floor: what
    no score can spare, the map's resize in float64, its min-max and its 8 bits.

    Raises:
        ValueError: the two count differently.
    """
    cams = smooth_maps() if cams is None else cams
    if true is None:
        true = np.tile([size // 8, size // 8, size // 2, size // 2], (len(cams), 1))
    shape, rows = (thresholds, size), []

    def floor():
        for raw in cams.astype(np.float64):
            scores = cv2.resize(raw, (size, size), interpolation=cv2.INTER_CUBIC)
            low, high = scores.min(), scores.max()
            (255 * ((scores - low) / (high - low))).astype(np.uint8)

    for rule in ("largest", "all"):
        ours = partial(metrics.box_accuracy, cams, true, rule, IOUS, *shape)
        plain = partial(plain_counts, cams, true, rule, *shape)
        counts = plain()
        if not all(np.array_equal(ours(count).counts, counts) for count in (1, 2)):
            raise ValueError("box_accuracy and the loop over thresholds count differently")
        calls = {"plain": plain, 1: partial(ours, 1), 2: partial(ours, 2), "floor": floor}
        seconds = in_turns(calls, repeats)
        a_map = 1000 * float(np.median(seconds[1])) / len(cams)
        rows.append(Row(f"box_accuracy, {rule}, {size}x{size}", a_map, "ms/image", repeats))
        for count, goal in ((1, 15), (2, 25)):
            ratio = paired_ratio(seconds, "plain", count)
            name = f"  plain loop of {thresholds} against it, threads: {count}"
            rows.append(Row(name, ratio, "x", repeats, f">= {goal}", ratio >= goal))
        ratio = paired_ratio(seconds, 1, "floor")
        rows.append(Row("  it over preparing the map", ratio, "x", repeats))
    return rows


def hard_maps(size: int = 224, repeats: int = 5) -> list[Row]:
    """Time of ``box_accuracy`` for maps without a clear maximum over that for a usual one.

    Where half of the pixels start a component, join some or widen one, as in white noise, the trees
    of all contours take eight times as long as in a smooth map.
    """
    generator, rows = np.random.default_rng(0), []
    y, x = np.mgrid[:size, :size]
    constant = np.full((8, 8), 0.1)  # not a binary fraction: rounding noise is stretched
    kinds = {
        "constant 8x8": constant,
        "constant but for rounding": constant + 1e-16 * generator.integers(0, 3, (8, 8)),
        "all zero": np.zeros((8, 8)),
        "noise 14x14": generator.normal(size=(14, 14)),
        "noise 56x56": generator.normal(size=(56, 56)),
        f"noise {size}x{size}": generator.normal(size=(size, size)),
        "dots of any height": np.where((x % 2) | (y % 2), 0, generator.random((size, size))),
        "equal dots": np.where((x % 2) | (y % 2), 0.0, 1.0),
        "salt and pepper": generator.choice([0, 0.5, 1], (size, size), p=[0.1, 0.8, 0.1]),
        "stripes": x // 4 % 2 * 1.0,
        "four levels": generator.integers(0, 4, (size, size)),
    }
    true, usual = [[size // 8, size // 8, size // 2, size // 2]], smooth_maps(9)
    for rule in ("largest", "all"):
        calls = {
            name: partial(metrics.box_accuracy, [cam], true, rule, IOUS, 1000, size)
            for name, cam in kinds.items()
        }
        calls["usual"] = partial(metrics.box_accuracy, usual, true * 9, rule, IOUS, 1000, size)
        seconds = in_turns(calls, repeats)
        seconds["usual"] = seconds["usual"] / len(usual)
        ratios = {name: paired_ratio(seconds, name, "usual") for name in kinds}
        for name, ratio in ratios.items():
            rows.append(Row(f"{name} over usual, {rule}", ratio, "x", repeats, "<= 5", ratio <= 5))
    return rows


def memory(few: int = 100, many: int = 8000) -> list[Row]:
    """Peak memory of a process that scores ``many`` maps of 128x128, each made when it is asked
    for (1 GB of them), at one and at two threads, over that of one that scores ``few``."""

    def peak(*words: int) -> float:
        # A process's peak begins with that of the one that started it: a small one between.
        between = "import subprocess, sys; subprocess.run(sys.argv[1:], check=True)"
        python = [sys.executable, "-c"]
        command = [*python, between, *python, _PEAK, *map(str, words)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return float(done.stdout)

    base, rows = peak(few, 1), []
    for threads in (1, 2):
        ratio = peak(many, threads) / base
        name = f"memory of {many} maps over that of {few}, threads: {threads}"
        rows.append(Row(name, ratio, "x", 1, "<= 1.1", ratio <= 1.1))
    return rows


class Boxed:
    """``count`` images of noise with a box each, as ``training.View`` takes them."""

    def __init__(self, count: int, side: int):
        self.images = torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8)
        self.labels = torch.arange(count) % 8

    def boxes_at(self, size: int) -> list[np.ndarray]:
        return [np.array([[size // 8, size // 8, size // 2, size // 2]])] * len(self.labels)

    def masks_at(self, size: int) -> None:
        return None


def meanwhile(
    name: str = "resnet18", count: int = 0, side: int = 224, repeats: int = 3, **options
) -> list[Row]:
    """A pass whose maps are scored while the next batch is passed (``training.evaluate``), beside
    the pass and then the scores, and beside the pass alone; on all threads. On a GPU the scores
    are meant to cost no time of their own. ``count``: images, by default 2,048 there, else 128."""
    count = count or (2048 if torch.cuda.is_available() else 128)
    device, threads = pick_device(), torch.get_num_threads()
    model, view = models.build(name, 8, **options).to(device), View(Boxed(count, side))
    view.title, tallies = "", {}

    def both() -> None:
        tallies["both"] = own = Tally(view)
        predict(model, view, score=own.measure, use=own.add)

    def apart() -> None:
        tallies["apart"] = own = Tally(view)
        maps = predict(model, view).maps
        for found in ahead(lambda pair: own.measure(*pair), enumerate(maps), threads):
            own.add(found)

    calls = {"both": both, "apart": apart, "pass": lambda: predict(model, view)}
    seconds = in_turns(calls, repeats, threads=threads)
    if not np.array_equal(tallies["both"].hits, tallies["apart"].hits):
        raise ValueError("scored meanwhile, boxes count differently")
    title = f"evaluate {name}, {device.type}, {threads} threads"
    cuda, rows = device.type == "cuda", []
    rows.append(Row(title, count / float(np.median(seconds["both"])), "images/s", repeats))
    for other, what, goal in (("apart", "pass, then scores", 1.0), ("pass", "pass alone", 1.1)):
        ratio = paired_ratio(seconds, "both", other)
        target = (f"<= {goal:g}", ratio <= goal) if cuda else ("", None)
        rows.append(Row(f"  it over the {what}", ratio, "x", repeats, *target))
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
    command = [sys.executable, "-c", code]
    with tempfile.TemporaryDirectory() as folder:
        options = {"env": os.environ | {"NUMBA_CACHE_DIR": folder}, "check": True, "text": True}
        cold, warm = (
            float(subprocess.run(command, capture_output=True, **options).stdout) for _ in range(2)
        )
    return [
        Row("compiling at the first call of all", cold - warm, "s", 1, "<= 5 s", cold - warm <= 5),
        Row("first call of a later process", warm, "s", 1),
    ]


STARTS = {  # words behind ``python``: CPU seconds that they may take
    ("-c", "import entreg_utils.metrics"): 1.0,
    ("-m", "entreg_utils", "--help"): 0.3,
    ("-m", "entreg_utils", "doctor"): 2.0,
}


def starts(repeats: int = 5) -> list[Row]:
    """CPU seconds of new processes and theirs, user and system: others count little."""
    rows = []
    for words, goal in STARTS.items():
        seconds = []
        for _ in range(repeats):
            before = os.times()
            subprocess.run([sys.executable, *words], stdout=subprocess.DEVNULL)
            after = os.times()
            seconds.append(sum(after[2:4]) - sum(before[2:4]))
        median = float(np.median(seconds))
        name = f"CPU time of `python {' '.join(words)}`"
        rows.append(Row(name, median, "s", repeats, f"<= {goal:g} s", median <= goal))
    return rows


def pixels(images: int = 8, size: int = 224, repeats: int = 5) -> list[Row]:
    """PxAP: megapixels a second on one core."""
    cams = smooth_maps(images)
    masks = np.zeros((images, size, size), dtype=bool)
    masks[:, size // 8 : size // 2, size // 8 : size // 2] = True
    calls = {"pixels": lambda: metrics.pixel_average_precision(cams, masks, size=size)}
    seconds = in_turns(calls, repeats)["pixels"]
    speed = images * size**2 / 1e6 / float(np.median(seconds))
    name = f"pixel_average_precision, {size}x{size}"
    return [Row(name, speed, "Mpixels/s", repeats, ">= 20", speed >= 20)]
