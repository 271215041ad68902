"""``predict`` beside what cannot be spared: decoding the photographs and the forward pass."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from benchmarks.photographs import photographs
from benchmarks.timing import Row, in_turns, paired_ratio
from entreg_utils import models
from entreg_utils.data.decoding import read_pixels
from entreg_utils.predict import predict
from entreg_utils.predict.classifiers import classifier
from entreg_utils.training.batches import as_input

_PEAK = """
import resource, sys
from entreg_utils import models
from entreg_utils.predict import predict
predict(sys.argv[1], models.build("timm:test_resnet", 1000), sys.argv[2], progress=False)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def speed(name: str = "timm:resnet18", count: int = 256, repeats: int = 2) -> list[Row]:
    """Time of ``predict`` on 640x480 photographs over that of decoding them and a pass in batches.

    Both at 224 pixels in batches of 16 on all threads; the plain loop keeps nothing.
    """
    asked = classifier(models.build(name, 1000))
    device = next(asked.network.parameters()).device
    with tempfile.TemporaryDirectory() as folder:
        paths = many(Path(folder, "in"), count)
        outs = (Path(folder, f"out{index}") for index in itertools.count())

        def plain() -> None:
            for start in range(0, count, 16):
                images = [read_pixels(p, asked.size, True) for p in paths[start : start + 16]]
                with torch.no_grad():
                    asked.network(as_input(torch.from_numpy(np.stack(images)), device)).cpu()

        calls = {
            "predict": lambda: predict(Path(folder, "in"), asked, next(outs), progress=False),
            "plain": plain,
        }
        seconds = in_turns(calls, repeats, threads=torch.get_num_threads())
    ratio = paired_ratio(seconds, "predict", "plain")
    rate = count / float(np.median(seconds["predict"]))
    return [
        Row(f"predict {name}, 640x480, {device.type}", rate, "images/s", repeats),
        Row("  over decoding and forward pass", ratio, "x", repeats, "<= 1.25", ratio <= 1.25),
    ]


def memory(few: int = 200, many_more: int = 2000) -> list[Row]:
    """Peak memory of a process that predicts ``many_more`` photographs over that of ``few``."""
    peaks = []
    for count in (few, many_more):
        with tempfile.TemporaryDirectory() as folder:
            many(Path(folder, "in"), count)
            words = [sys.executable, "-c", _PEAK, f"{folder}/in", f"{folder}/out"]
            done = subprocess.run(words, check=True, capture_output=True, text=True)
        peaks.append(int(done.stdout.split()[-1]))
    ratio = peaks[1] / peaks[0]
    name = f"predict, peak memory of {many_more} over {few}"
    return [Row(name, ratio, "x", 1, "<= 1.1", ratio <= 1.1)]


def many(folder: Path, count: int, different: int = 40) -> list[Path]:
    """``count`` files of 640x480 pixels, of which so many differ."""
    with tempfile.TemporaryDirectory() as place:
        made = photographs(Path(place), min(count, different), 640, 480)
        folder.mkdir()
        paths = [folder / f"{index:05}.jpg" for index in range(count)]
        for path, one in zip(paths, itertools.cycle(made), strict=False):
            shutil.copy(one, path)
    return paths
