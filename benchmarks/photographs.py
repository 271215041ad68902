"""Training on photographs: this package's loop beside the plain one that most codes have."""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn import functional
from torchvision import datasets, transforms

from benchmarks.timing import Row, in_turns, paired_ratio
from entreg_utils import models
from entreg_utils.data.decoding import read_pixels
from entreg_utils.experiments.provenance import pick_device
from entreg_utils.training import Recipe, fit


@dataclass
class Decoded:
    """Decoded images in memory, as ``fit`` takes them."""

    images: torch.Tensor
    labels: torch.Tensor

    def __len__(self) -> int:
        return len(self.labels)


def epoch(
    name: str = "resnet50",
    batch: int = 32,
    steps: int = 0,
    repeats: int = 2,
    resize: int = 256,
    crop: int = 224,
    workers: int = 4,
) -> list[Row]:
    """Images a second of an epoch of ``steps`` batches: the plain loop and ``training.fit``.

    The plain loop decodes JPEGs with PIL in worker processes, transforms image by image, computes
    in float32 (TF32 where PyTorch's defaults have it), contiguous, and reads the loss at each step.
    Ours takes decoded images from memory, crops and mirrors on the device, channels-last, in bf16
    on CUDA, where it is timed in float32 as well. All end with the same number of SGD steps of the
    same network. On a GPU the goal is 3 times the plain loop, and ``steps`` are 12, else 2.
    """
    device = pick_device()
    cuda, turn = device.type == "cuda", {"batch_size": batch, "learning_rate": 1e-4}
    steps = steps or (12 if cuda else 2)
    recipe = Recipe(epochs=1, precision="bf16" if cuda else "fp32", **turn)
    changes = [transforms.Resize((resize, resize)), transforms.RandomCrop(crop)]
    changes += [transforms.RandomHorizontalFlip(), transforms.ToTensor()]
    theirs, mine = (models.build(name, 8).to(device) for _ in range(2))
    mine = mine.to(memory_format=torch.channels_last)
    with tempfile.TemporaryDirectory() as folder:
        paths = photographs(Path(folder), batch * steps)
        images = torch.from_numpy(np.stack([read_pixels(path, resize) for path in paths]))
        cached = Decoded(images, torch.arange(len(paths)) % 8)
        loader = torch.utils.data.DataLoader(
            datasets.ImageFolder(folder, transforms.Compose(changes)),
            batch,
            shuffle=True,
            num_workers=workers,
            persistent_workers=workers > 0,
        )
        calls = {
            "plain": lambda: plain_epoch(theirs, loader, device),
            "ours": lambda: fit(mine, cached, recipe, crop=crop),
        }
        if cuda:
            single = replace(recipe, precision="fp32")
            calls["fp32"] = lambda: fit(mine, cached, single, crop=crop)
        seconds = in_turns(calls, repeats, threads=torch.get_num_threads())
    title = f"{name}, {crop}x{crop}, batch {batch}, {device.type}"
    speed = len(paths) / float(np.median(seconds["ours"]))
    ratio = paired_ratio(seconds, "plain", "ours")
    goal = (">= 3", ratio >= 3) if cuda else ("", None)
    rows = [
        Row(f"training {title}", speed, "images/s", repeats),
        Row("  plain loop against it", ratio, "x", repeats, *goal),
    ]
    if cuda:
        rows.append(Row("  it in float32", paired_ratio(seconds, "fp32", "ours"), "x", repeats))
    return rows


def plain_epoch(model, loader, device) -> None:
    """One epoch as most codes have it."""
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), 1e-4, 0.9, nesterov=True)
    total = 0.0
    for images, target in loader:
        loss = functional.cross_entropy(model(images.to(device)), target.to(device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()


def photographs(folder: Path, count: int, width: int = 500, height: int = 375) -> list[Path]:
    """JPEG files of the size of CUB's in 8 folders, smooth and noisy like photographs."""
    generator = np.random.default_rng(0)
    paths = [folder / str(index % 8) / f"{index}.jpg" for index in range(count)]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        small = generator.integers(0, 256, (12, 16, 3), dtype=np.uint8)
        large = np.asarray(Image.fromarray(small).resize((width, height), Image.BICUBIC), np.int16)
        noisy = large + generator.integers(-12, 13, large.shape)
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(path, quality=90)
    return paths
