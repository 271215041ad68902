"""Maps and curves of training runs, from what their records keep.

Maps are raw maps of a few test images (``Run.panel``) at every epoch, of the true class. They are
drawn as they are scored: resized bicubically, then min-maxed each by itself, so that a bright map
is not a sure one. The number under a map is its own PxAP: the average precision of its pixels
against the object's mask, 0..1.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from entreg_utils import data, losses, metrics
from entreg_utils.experiments import Run
from entreg_utils.fields import plain_numbers
from entreg_utils.figures.scenes import draw_cells, draw_picture
from entreg_utils.figures.style import OKABE_ITO

TEST, TRAIN, FLOOR = OKABE_ITO["blue"], OKABE_ITO["vermillion"], "#777777"


@plain_numbers
def dashboard(run: Run, dataset, image: int = 0, top: float | None = None) -> tuple[Figure, str]:
    """One run at a glance: image, its last map, entropy over epochs, loss over epochs.

    Args:
        top: the highest loss on its axis, nats, so that runs can be compared; the run's own by
            default.

    Raises:
        ValueError: an image that the run does not hold, or another data set than its own.
    """
    figure, (left, map_axes, middle, right) = plt.subplots(
        1, 4, figsize=(10, 2.8), width_ratios=(1, 1, 1.45, 1.45)
    )
    pxap = draw_map(map_axes, run, dataset, image)
    draw_picture(left, dataset.images[run.panel[image]])
    left.set_title(dataset.class_names[int(dataset.labels[run.panel[image]])])
    map_axes.set_title(f"map at ε = {run.config.epsilon:g}")
    map_axes.set_xlabel(f"PxAP of this map: {pxap:.2f}", fontsize=9)
    draw_entropy(middle, run)
    draw_loss(right, run, top)
    for axes, title in ((middle, "entropy (nats)"), (right, "training loss (nats)")):
        axes.set(title=title, xlabel="epoch")
        axes.legend(loc="best", fontsize=9)
    sentence = (
        f"ε = {run.config.epsilon:g}: entropy {run.metrics['entropy']:.2f} nats, accuracy "
        f"{run.metrics['accuracy']:.3f}, PxAP {run.metrics['pxap']:.2f} over all test images and "
        f"{pxap:.2f} on this one (last checkpoint, seed {run.config.seed})."
    )
    return figure, sentence


def draw_map(axes, run: Run, dataset, image: int, epoch: int = 0) -> float:
    """Draw the map of an epoch (0: the last) with the object's outline; return its PxAP.

    Raises:
        ValueError: as :func:`check_image`.
    """
    check_image(run, dataset, image)
    raw, mask = run.maps[epoch - 1, image], dataset.masks[run.panel[image]].numpy()
    draw_cells(axes, metrics.score_map(raw, mask.shape).scores, mask.shape[-1], 1, mask)
    pxap = metrics.pixel_average_precision([raw], [mask], size=mask.shape)
    axes.set_xlabel(f"{pxap:.2f}", fontsize=9, labelpad=2)
    return pxap


def check_image(run: Run, dataset, image: int) -> None:
    """ValueError for an image that the run does not hold, or another data set than its own."""
    if not 0 <= image < len(run.panel):
        raise ValueError(
            f"image {image} is not kept: {run.config.name} holds maps of {len(run.panel)} test "
            f"images, 0..{len(run.panel) - 1}"
        )
    own = run.config.dataset, "test", data.World(**run.config.data.knobs)
    given = dataset.name, dataset.split, getattr(dataset, "world", None)
    if run.config.data.several or given != own:
        raise ValueError(
            f"the maps of {run.config.name} belong to the test split of its own world, one object "
            "an image: give experiments.splits(run.config)[2] of a run of toy"
        )


def draw_entropy(axes, run: Run) -> None:
    """Entropy over the epochs, on test (solid) and train (dotted), and what the loss aims at."""
    history, aim = run.history, _aim(run)
    axes.plot(history.epoch, history.test_entropy, color=TEST, label="on test")
    axes.plot(history.epoch, history.train_entropy, color=TEST, ls=":", lw=1.2, label="on train")
    _finish(axes, "aimed at", aim and aim[0], np.log(run.config.num_classes))


def draw_loss(axes, run: Run, top: float | None = None) -> None:
    """Training loss over the epochs, and the lowest that one sample can have."""
    history, aim = run.history, _aim(run)
    axes.plot(history.epoch, history.loss, color=TRAIN, label="mean of the epoch")
    _finish(axes, "lowest possible", aim and aim[1], top or history.loss.max())


def _finish(axes, label: str, aim: float | None, top: float) -> None:
    if aim is not None:
        axes.axhline(aim, color=FLOOR, ls="--", lw=1, label=label, zorder=1)
    axes.set_ylim(0, top * 1.06)
    axes.locator_params(axis="x", integer=True)


def _aim(run: Run) -> tuple[float, float] | None:
    """Entropy and loss at the optimum of one sample, in nats; None where no closed form is used.

    The loss ``(CE + lambda KL(u||p)) / (1 + lambda)`` is label smoothing minus ``eps log C``, and
    label smoothing is lowest at the smoothed target, where it is that target's entropy.
    """
    config = run.config
    if config.regularizer not in ("none", "label_smoothing", "kl_uniform"):
        return None
    entropy = losses.smoothed_optimum(config.epsilon, config.num_classes)[1]
    constant = config.epsilon * np.log(config.num_classes)
    return entropy, entropy - (constant if config.regularizer == "kl_uniform" else 0.0)
