"""Thin interactive views over ``figures``: sliders over stored runs, thresholds, or stages.

They set the value of an image instead of capturing output, so that the state a page without a
kernel shows is the picture itself.
"""

from collections.abc import Callable, Mapping, Sequence

import ipywidgets
import numpy as np
from matplotlib.figure import Figure

from entreg_utils.cam.scaling import as_array
from entreg_utils.experiments import Run
from entreg_utils.fields import plain_numbers
from entreg_utils.figures import png, steps
from entreg_utils.figures.stages import one_stage, same_stages
from entreg_utils.figures.training import check_image, dashboard
from entreg_utils.metrics.overlap import check_boxes


@plain_numbers
def epsilon_explorer(runs: Sequence[Run], dataset, start: float | None = None) -> ipywidgets.VBox:
    """Slider over epsilon -> map, entropy and loss curves of the stored run, with its sentence.

    Nothing is trained while it is moved: every position is a run that is given.

    Args:
        runs: one run an epsilon.
        dataset: the test split whose images the runs' maps belong to.
        start: epsilon that is shown first; the first run's by default.

    Raises:
        ValueError: no runs, two runs of one epsilon, a ``start`` that no run has, or a data set
            that its maps do not belong to.
    """
    runs = list(runs)
    stored = {run.config.epsilon: run for run in runs}
    if not stored or len(stored) != len(runs):
        raise ValueError(
            f"the explorer wants one run for each epsilon, and at least one; these are {len(runs)} "
            f"runs of {len(stored)} epsilons: keep those of one seed"
        )
    start = runs[0].config.epsilon if start is None else start
    options = {f"{value:g}": value for value in sorted(stored)}
    if start not in stored:
        raise ValueError(f"no run at epsilon {start:g}: start at one of {', '.join(options)}")
    for run in runs:
        check_image(run, dataset, 0)
    images = min(len(run.panel) for run in runs)
    epsilon = ipywidgets.SelectionSlider(options=[*options.items()], value=start, description="ε")
    return _explorer(epsilon, images, lambda value, image: dashboard(stored[value], dataset, image))


def threshold_explorer(examples: Sequence[tuple]) -> ipywidgets.VBox:
    """Slider over the threshold of the map -> its mask, its box and the IoU, with the sentence.

    Args:
        examples: (image float (H, W, 3) in 0..1, raw map (h, w), true box x0, y0, x1, y1), one for
            each position of the second slider; arrays, lists or tensors.

    Raises:
        ValueError: no examples, or one that cannot be drawn.
    """
    examples = [_example(number, given) for number, given in enumerate(examples)]
    if not examples:
        raise ValueError("the explorer wants at least one (image, map, true box)")
    tau = ipywidgets.FloatSlider(
        value=0.15, min=0, max=1, step=0.01, description="threshold", readout_format=".2f"
    )
    return _explorer(tau, len(examples), lambda value, image: steps(*examples[image], value))


def stage_explorer(images, features: Mapping[str, Mapping], masks=None) -> ipywidgets.VBox:
    """Walk through the stages and the images: energy and strongest channels of each network.

    Args:
        images: (n, 3, S, S), n > 0.
        features: network -> stage -> (n, K, h, w), as ``model.stage_features(images)`` gives them.
        masks: (n, S, S) of the object, drawn as an outline.

    Raises:
        ValueError: no networks, networks of other stages, or another number of maps or masks than
            images, or of other shapes.
    """
    stage = ipywidgets.SelectionSlider(options=same_stages(features), description="stage")
    kinds = {(len(own), own.ndim) for maps in features.values() for own in maps.values()}
    if not len(images) or kinds != {(len(images), 4)}:
        raise ValueError(
            f"{len(images)} images need as many maps (n, K, h, w) at each stage, and these are "
            + ", ".join(f"{count} in {axes} axes" for count, axes in sorted(kinds))
        )
    sides = (len(images), *images.shape[-2:])
    if masks is not None and tuple(masks.shape) != sides:
        raise ValueError(
            f"masks have shape {tuple(masks.shape)}, but must be {sides} as the images"
        )

    def draw(value: str, image: int) -> tuple[Figure, str]:
        own = {name: {value: maps[value][image : image + 1]} for name, maps in features.items()}
        mask = None if masks is None else masks[image]
        return one_stage(images[image], own, value, mask=mask)

    return _explorer(stage, len(images), draw)


def _example(number: int, given) -> tuple:
    """Image, map and box of one example as arrays; ValueError that names it."""
    try:
        image, raw, box = map(as_array, given)
    except (TypeError, ValueError) as error:
        raise ValueError(f"example {number} must be (image, map, true box)") from error
    if image.ndim != 3 or image.shape[2] != 3 or raw.ndim != 2 or not raw.size:
        raise ValueError(
            f"example {number} has an image {image.shape} and a map {raw.shape}: give an image of "
            "shape (H, W, 3) and a map of shape (h, w)"
        )
    if not (image.min() >= 0 and image.max() <= 1):
        raise ValueError(f"the image of example {number} must lie in 0..1: divide it by 255")
    if not np.isfinite(raw).all():
        raise ValueError(f"the map of example {number} holds NaN or infinite values")
    return image, raw, check_boxes(box, image.shape[:2], number)[0]


def _explorer(
    control: ipywidgets.Widget, images: int, draw: Callable[..., tuple[Figure, str]]
) -> ipywidgets.VBox:
    """``control`` and a slider over images, above what ``draw(value, image)`` gives for both."""
    image = ipywidgets.IntSlider(value=0, min=0, max=images - 1, description="image")
    picture = ipywidgets.Image(format="png", layout={"width": "100%"})
    caption = ipywidgets.HTML()

    def redraw(_=None) -> None:
        figure, caption.value = draw(control.value, image.value)
        picture.value = png(figure)

    control.observe(redraw, names="value")
    image.observe(redraw, names="value")
    redraw()
    return ipywidgets.VBox([ipywidgets.HBox([control, image]), picture, caption])
