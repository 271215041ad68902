"""The cost of maps: beside the forward pass they come from, and beside two CAM libraries."""

from __future__ import annotations

import contextlib
import copy
import importlib.util
from collections.abc import Callable

import torch

from benchmarks.timing import Row, in_turns, paired_ratio, threads
from entreg_utils import cam, models

# Import name of each library: how to have it. Both belong to the extra ``bench``.
OTHERS = {"pytorch_grad_cam": "pytorch-grad-cam", "torchcam": "torch-cam"}


def maps(
    name: str = "toy", repeats: int = 20, batch: int = 50, side: int = 48, **options
) -> list[Row]:
    """CAM and logits together against the logits alone, and the other libraries against both.

    Args:
        name, options: the model, as for ``models.build``.
        batch, side: images a call and their side in pixels.
    """
    model = models.build(name, 8, **options).eval()
    images, classes = torch.rand(batch, 3, side, side), torch.arange(batch) % 8

    def forward():
        with torch.no_grad():
            model(images)

    calls = {"cam": lambda: cam.class_activation_map(model, images, classes), "forward": forward}
    makers = {"pytorch_grad_cam": _grad_cam, "torchcam": _torch_cam}
    with contextlib.ExitStack() as stack, threads(1):
        for other, make in makers.items():
            if importlib.util.find_spec(other) is not None:
                # a network of its own: its hooks shall not slow the others
                calls[other] = make(stack, copy.deepcopy(model), images, classes)
        seconds = in_turns(calls, repeats)
    title = f"{name}, {side}x{side}"
    ratio = paired_ratio(seconds, "cam", "forward")
    rows = [
        Row(f"CAM and logits against forward, {title}", ratio, "x", repeats, "<= 1.1", ratio <= 1.1)
    ]
    for other, words in OTHERS.items():
        if other not in calls:
            print(f"{words} is not installed, so not beside it: pip install 'entreg_utils[bench]'")
            continue
        ratio = paired_ratio(seconds, other, "cam")
        goal = (">= 3", ratio >= 3) if other == "pytorch_grad_cam" else ("", None)
        rows.append(Row(f"  {words} against ours", ratio, "x", repeats, *goal))
    return rows


def _last_map(model) -> torch.nn.Module:
    return model.erasing_points()["last"]


def _grad_cam(stack, model, images, classes) -> Callable[[], None]:
    """GradCAM, which on a GAP and linear head is CAM / (h w); its maps are at the image's size."""
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    method = stack.enter_context(GradCAM(model=model, target_layers=[_last_map(model)]))
    targets = [ClassifierOutputTarget(int(c)) for c in classes]
    return lambda: method(input_tensor=images, targets=targets)


def _torch_cam(stack, model, images, classes) -> Callable[[], None]:
    """CAM at the map's own size, through a hook."""
    from torchcam.methods import CAM

    method = stack.enter_context(CAM(model, _last_map(model), model.head))
    chosen = classes.tolist()

    def call():
        with torch.no_grad():
            model(images)
            return method(chosen)

    return call
