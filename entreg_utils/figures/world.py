"""Pictures of the embedded world: what is given, what is asked for, and where each cue lies.

Every function takes a data set as ``data.load("toy", split)`` gives it and returns
``(Figure, sentence)``. Boxes are rows x0, y0, x1, y1 in pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from entreg_utils.figures.style import OKABE_ITO, picture_axes

CUES = ("part", "body", "context")
CUE_COLOURS = {
    "part": OKABE_ITO["vermillion"],
    "body": OKABE_ITO["blue"],
    "context": OKABE_ITO["green"],
}
REGION_WORDS = {"part": "the mark", "body": "all but the mark", "context": "the habitat"}
CUE_WORDS = {"part": "mark", "body": "body", "context": "habitat"}


def task(dataset, index: int) -> tuple[Figure, str]:
    """What training gives (picture and name) beside what a test asks for (box, pixels)."""
    check_index(dataset, index)
    name = dataset.class_names[int(dataset.labels[index])]
    mask = dataset.masks[index].numpy()
    figure, axes = plt.subplots(1, 3, figsize=(9, 3.5))
    for panel in axes:
        panel.imshow(picture(dataset, index))
        picture_axes(panel)
    axes[0].set_title("training gives: picture and name")
    axes[0].set_xlabel(f'"{name}"', fontsize=12)
    axes[1].set_title("the test asks: which box?")
    draw_box(axes[1], dataset.boxes[index], OKABE_ITO["vermillion"])
    x0, y0, x1, y1 = dataset.boxes[index].tolist()
    axes[1].set_xlabel(f"x {x0} to {x1}, y {y0} to {y1} pixels")
    axes[2].set_title("or: which pixels?")
    shown = picture(dataset, index)
    shown[~mask] = 0.25 * shown[~mask] + 0.75
    axes[2].imshow(shown)
    axes[2].contour(mask, levels=[0.5], colors=[OKABE_ITO["vermillion"]], linewidths=1.5)
    axes[2].set_xlabel(f"{mask.sum()} of {mask.size} pixels")
    sentence = (
        f"A {name}: for training there is the picture and its name; asked for is the box from "
        f"({x0}, {y0}) to ({x1}, {y1}), or the {mask.mean():.0%} of the pixels that are fish."
    )
    return figure, sentence


def gallery(dataset, per_class: int = 3) -> tuple[Figure, str]:
    """The first ``per_class`` pictures of every class, a column a class."""
    if per_class < 1:
        raise ValueError(f"per_class is {per_class}: show at least one picture of each class")
    count = dataset.num_classes
    figure, axes = plt.subplots(
        per_class, count, figsize=(9, 0.35 + 9 / count * per_class), squeeze=False
    )
    for label in range(count):
        members = np.flatnonzero(dataset.labels.numpy() == label)[:per_class]
        for panel, index in zip(axes[:, label], members, strict=False):
            panel.imshow(picture(dataset, index))
        for panel in axes[:, label]:
            picture_axes(panel)
        axes[0, label].set_title(dataset.class_names[label], fontsize=9, loc="center")
    sentence = (
        f"{count} species, a column each, in {dataset.images.shape[-1]}x{dataset.images.shape[-1]} "
        f"pixels; the split holds {len(dataset)} pictures, "
        f"{int(dataset.labels.bincount(minlength=count).min())} to "
        f"{int(dataset.labels.bincount(minlength=count).max())} of each species."
    )
    return figure, sentence


def cue_regions(dataset, index: int) -> tuple[Figure, str]:
    """One picture, and then only its mark, only the rest of its body, only its habitat."""
    check_index(dataset, index)
    part, mask = dataset.parts[index].numpy(), dataset.masks[index].numpy()
    regions = {"part": part, "body": mask & ~part, "context": ~mask}
    figure, axes = plt.subplots(1, 4, figsize=(9, 2.9))
    for panel in axes:
        picture_axes(panel)
    axes[0].imshow(picture(dataset, index))
    axes[0].set_title(dataset.class_names[int(dataset.labels[index])])
    for panel, name in zip(axes[1:], CUES, strict=True):
        shown = picture(dataset, index)
        shown[~regions[name]] = 0.93
        panel.imshow(shown)
        panel.set_title(f"{name}: {REGION_WORDS[name]}", color=CUE_COLOURS[name])
        panel.set_xlabel(f"{regions[name].mean():.1%} of the pixels")
    sentence = (
        "The same picture cut into its three regions, which share no pixel and cover all: "
        + ", ".join(f"{name} {regions[name].mean():.1%}" for name in CUES)
        + "."
    )
    return figure, sentence


def disagreements(dataset, indices: Sequence[int]) -> tuple[Figure, str]:
    """Pictures with, under each, the class that mark, body and habitat speak for."""
    for index in indices:
        check_index(dataset, index)
    figure, axes = plt.subplots(1, len(indices), figsize=(9, 2.95), squeeze=False)
    wrong = dict.fromkeys(CUES, 0)
    for panel, index in zip(axes[0], indices, strict=True):
        panel.imshow(picture(dataset, index))
        picture_axes(panel)
        label = int(dataset.labels[index])
        panel.set_title(dataset.class_names[label], loc="center")
        panel.set_anchor("N")  # the room that is left over goes under the picture, to the text
        for row, name in enumerate(CUES):
            value = int(dataset.cues[index, row])
            shown = dataset.class_names[value] if value >= 0 else "none"
            agrees = value == label
            wrong[name] += not agrees
            panel.text(
                0.0,
                -0.10 - 0.13 * row,
                f"{CUE_WORDS[name]}: {shown}",
                transform=panel.transAxes,
                fontsize=8.5,
                color="black" if agrees else OKABE_ITO["vermillion"],
                fontweight="normal" if agrees else "bold",
            )
    said = ", ".join(f"{CUE_WORDS[name]} in {wrong[name]}" for name in CUES)
    sentence = (
        f"Of these {len(indices)} pictures the cue speaks for another species than the label "
        f"(bold): {said}."
    )
    return figure, sentence


def part_and_object_boxes(dataset, indices: Sequence[int], part_boxes, ious) -> tuple[Figure, str]:
    """The tight box of the mark beside that of the object, with their IoU under each picture.

    Args:
        indices: which pictures of ``dataset``.
        part_boxes: (n, 4), one for each index.  ious: (n,) in 0..1.
    """
    figure, axes = plt.subplots(1, len(indices), figsize=(9, 2.45), squeeze=False)
    rows = zip(axes[0], indices, part_boxes, ious, strict=True)
    for panel, index, box, value in rows:
        check_index(dataset, index)
        panel.imshow(picture(dataset, index))
        picture_axes(panel)
        draw_box(panel, dataset.boxes[index], OKABE_ITO["vermillion"])
        draw_box(panel, box, OKABE_ITO["green"])
        panel.set_xlabel(f"IoU {float(value):.2f}")
    figure.suptitle(
        "green: box of the mark     red: box of the fish", x=0.005, ha="left", fontsize=11
    )
    highest = max(float(value) for value in ious)
    sentence = (
        f"The mark names the fish and marks a spot on it: in these {len(indices)} pictures the IoU "
        f"of the two boxes is at most {highest:.2f}."
    )
    return figure, sentence


def picture(dataset, index: int) -> np.ndarray:
    """Image ``index`` as float64 (H, W, 3) in 0..1, a copy."""
    return dataset.images[index].permute(1, 2, 0).numpy() / 255.0


def draw_box(axes, box, colour: str) -> None:
    """Outline one box x0, y0, x1, y1 on axes that show a picture."""
    x0, y0, x1, y1 = (float(value) for value in box)
    # pixel i covers i - 0.5 .. i + 0.5 on matplotlib's axes, and x1 is the first pixel outside
    corner, size = (x0 - 0.5, y0 - 0.5), (x1 - x0, y1 - y0)
    rim = Rectangle(corner, *size, fill=False, edgecolor=colour, linewidth=2)
    rim.set_path_effects([withStroke(linewidth=4, foreground="white")])
    axes.add_patch(rim)


def check_index(dataset, index: int) -> None:
    """Refuse an index that the split does not hold."""
    if not 0 <= index < len(dataset):
        raise ValueError(f"index {index} is outside this split: it holds 0..{len(dataset) - 1}")
