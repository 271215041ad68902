"""Photographs that are made, and runs in other processes."""

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from entreg_utils import models
from entreg_utils.data import Data
from entreg_utils.data.world import SPLITS
from entreg_utils.experiments import Config

ROOT = Path(__file__).parents[2]

# What a child process runs: the same call, with `hook(step)` before each step of training.
CHILD = """
import json, os, signal, sys, time
from pathlib import Path
from entreg_utils.data.world import SPLITS
from entreg_utils.experiments import Config, run
from entreg_utils.training import loop

SPLITS.update(json.loads(sys.argv[2]))
plain, step = loop.regularised_loss, 0

def hooked(*arguments):
    global step
    step += 1
    hook(step)
    return plain(*arguments)

loop.regularised_loss = hooked
def hook(step):
    {hook}

print(run(Config(**json.loads(sys.argv[1])), progress=False).weights_sha256)
"""


class Photographs:
    """Images of one or two of three classes, each a bright third of the image."""

    num_classes, frame, source = 3, 224, "made by a test"

    def __init__(self, split, size, several, version):
        generator = torch.Generator().manual_seed({"train": 0, "val": 1, "test": 2}[split])
        count = {"train": 24, "val": 8, "test": 12}[split]
        first = torch.arange(count) % 3
        second = (first + torch.randint(0, 2, (count,), generator=generator)) % 3
        self.several, self.size = several, size
        rows = torch.zeros(count, 3)
        rows[torch.arange(count), first] = 1
        if several:
            rows[torch.arange(count), second] = 1
        self.labels, self.pairs = rows if several else first, rows.nonzero()
        images = torch.randint(0, 90, (count, 3, size, size), generator=generator)
        for image, c in self.pairs.tolist():
            images[image, c][self._third(c, size)] += 150
        self.images = images.to(torch.uint8)
        self.fingerprint = hashlib.sha256(f"{split} {version}".encode()).hexdigest()

    def __len__(self):
        return len(self.labels)

    @staticmethod
    def _third(c, size):
        return slice(c * size // 3, (c + 1) * size // 3), slice(0, size)

    def boxes_at(self, size):
        if self.several:
            return None
        edges = [(c * size // 3, (c + 1) * size // 3 - 1) for c in self.pairs[:, 1].tolist()]
        return [np.array([[0, top, size - 1, bottom]]) for top, bottom in edges]

    def masks_at(self, size):
        if not self.several:
            return None
        masks = np.zeros((len(self.pairs), size, size), bool)
        for mask, c in zip(masks, self.pairs[:, 1].tolist(), strict=True):
            mask[self._third(c, size)] = True
        return [(mask, None) for mask in masks]


@pytest.fixture
def photographs(project, monkeypatch):
    """The data of ``voc`` and ``one`` lie here; gives a function that replaces them by others."""
    lying = {"version": 1}

    def load(data, split, size=None):
        if data.is_drawn:
            return plain(data, split, size)
        size = data.resize if split == "train" else size or 224
        return Photographs(split, size, data.dataset == "voc", lying["version"])

    plain = Data.load
    monkeypatch.setattr(Data, "load", load)
    return lambda version: lying.update(version=version)


SIZES = dict(model="toy", resize=40, crop=32, eval_size=32, epochs=3, batch_size=8)


@pytest.fixture
def voc(photographs):
    """A config of several classes an image, with masks."""
    return Config(dataset="voc", multilabel="softmax", learning_rate=0.05, **SIZES)


@pytest.fixture
def one(photographs):
    """A config of one class an image, with boxes."""
    return Config(dataset="cub", learning_rate=0.05, **SIZES)


@pytest.fixture
def birds(one, tmp_path):
    """A run of a second: a known network from a file of weights."""
    weights = tmp_path / "mine.pth"
    torch.save(models.build("mobilenet_v2", 3).state_dict(), weights)
    network = {"model": "mobilenet_v2", "weights": str(weights), "statistics": "half"}
    sizes = {"resize": 72, "crop": 64, "eval_size": 64, "epochs": 1, "learning_rate": 1e-3}
    return replace(one, **network, **sizes, freeze_bn=True)


@pytest.fixture
def child(tmp_path):
    """Start ``run(config)`` in another process, ``hook`` being what it does before each step."""
    started = []

    def start(config, hook="pass"):
        script = tmp_path / "child.py"
        script.write_text(CHILD.format(hook=hook))
        counts = {split: SPLITS[split] for split in ("val", "test")}
        arguments = [json.dumps(config.to_dict()), json.dumps(counts)]
        process = subprocess.Popen(
            [sys.executable, str(script), *arguments],
            env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
