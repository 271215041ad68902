"""Training on photographs: this package's loop beside the plain one that most codes have."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn import functional
from torchvision import transforms

from benchmarks.timing import Row, in_turns, paired_ratio
from entreg_utils import models
from entreg_utils.data.decoding import read_pixels
from entreg_utils.experiments.provenance import pick_device
from entreg_utils.training import Recipe, fit

WORKERS = 4


class _Files(torch.utils.data.Dataset):
    """JPEG files, decoded and transformed one by one, every time."""

    def __init__(self, paths: list[Path], resize: int, crop: int):
        self.paths = paths
        steps = [transforms.Resize((resize, resize)), transforms.RandomCrop(crop)]
        steps += [transforms.RandomHorizontalFlip(), transforms.ToTensor()]
        self.transform = transforms.Compose(steps)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        with Image.open(self.paths[index]) as file:
            return self.transform(file.convert("RGB")), index % 8


def training(
    name: str = "resnet50",
    batch: int = 32,
    steps: int = 2,
    repeats: int = 2,
    resize: int = 256,
    crop: int = 224,
    workers: int = WORKERS,
) -> list[Row]:
    """Images a second of an epoch of ``steps`` batches: the plain loop and ``training.fit``.

    The plain loop decodes JPEGs with PIL in worker processes, transforms image by image, computes
    in float32 (TF32 where PyTorch's defaults have it), contiguous, and reads the loss at each step.
    Ours takes decoded images from memory, crops and mirrors on the device, channels-last, in bf16
    on CUDA. Both end with the same number of SGD steps of the same network. On a GPU the goal is 3
    times the plain loop.
    """
    device = pick_device()
    with tempfile.TemporaryDirectory() as folder:
        paths = _photographs(Path(folder), batch * steps)
        images = np.stack([read_pixels(path, resize) for path in paths])
        cached = _Decoded(torch.from_numpy(images), torch.arange(len(paths)) % 8)
        theirs, mine = (models.build(name, 8).to(device) for _ in range(2))
        mine = mine.to(memory_format=torch.channels_last)
        loader = torch.utils.data.DataLoader(
            _Files(paths, resize, crop),
            batch,
            shuffle=True,
            num_workers=workers,
            persistent_workers=workers > 0,
        )
        recipe = Recipe(
            epochs=1,
            batch_size=batch,
            learning_rate=1e-4,
            crop=crop,
            precision="bf16" if device.type == "cuda" else "fp32",
        )
        calls = {
            "plain": lambda: _plain_epoch(theirs, loader, device),
            "ours": lambda: fit(mine, cached, recipe),
        }
        seconds = in_turns(calls, repeats, warmup=1)
    title = f"{name}, {crop}x{crop}, batch {batch}, {device.type}"
    speed = len(paths) / float(np.median(seconds["ours"]))
    rows = [Row(f"training {title}", speed, "images/s", repeats)]
    ratio = paired_ratio(seconds, "plain", "ours")
    goal = (">= 3", ratio >= 3) if device.type == "cuda" else ("", None)
    rows.append(Row("  plain loop against it", ratio, "x", repeats, *goal))
    return rows


class _Decoded(torch.utils.data.Dataset):
    """Decoded images in memory, as ``fit`` takes them."""

    def __init__(self, images: torch.Tensor, labels: torch.Tensor):
        self.images, self.labels = images, labels

    def __len__(self) -> int:
        return len(self.labels)


def _plain_epoch(model, loader, device) -> None:
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), 1e-4, 0.9, nesterov=True)
    total = 0.0
    for images, target in loader:
        loss = functional.cross_entropy(model(images.to(device)), target.to(device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()


def _photographs(folder: Path, count: int, width: int = 500, height: int = 375) -> list[Path]:
    """JPEG files of the size of CUB's, smooth and noisy like photographs."""
    generator = np.random.default_rng(0)
    paths = []
    for index in range(count):
        small = generator.integers(0, 256, (12, 16, 3), dtype=np.uint8)
        large = np.asarray(Image.fromarray(small).resize((width, height), Image.BICUBIC), np.int16)
        noisy = large + generator.integers(-12, 13, large.shape)
        paths.append(folder / f"{index}.jpg")
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(paths[-1], quality=90)
    return paths
