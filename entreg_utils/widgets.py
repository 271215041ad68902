"""Thin interactive views over ``figures``: sliders over stored runs, thresholds, or stages.

They set the value of an image instead of capturing output, so that the state a page without a
kernel shows is the picture itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import ipywidgets
from matplotlib.figure import Figure

from entreg_utils.experiments import Run
from entreg_utils.figures import png
from entreg_utils.figures.boxes import steps
from entreg_utils.figures.stages import one_stage
from entreg_utils.figures.training import check_panel, dashboard


def epsilon_explorer(runs: Sequence[Run], dataset, start: float | None = None) -> ipywidgets.VBox:
    """Slider over epsilon -> map, entropy and loss curves of the stored run, with its sentence.

    Nothing is trained while it is moved: every position is a run that is given.

    Args:
        runs: one run an epsilon.
        dataset: the test split whose images the runs' maps belong to.
        start: epsilon that is shown first; the first run's by default.

    Raises:
        ValueError: no runs, two runs of one epsilon, a ``start`` that no run has, or a data set
            that the runs' maps do not belong to.
    """
    stored = {run.config.epsilon: run for run in runs}
    if not stored or len(stored) != len(runs):
        raise ValueError(
            f"the explorer wants one run for each epsilon, and at least one; these are {len(runs)} "
            f"runs of {len(stored)} epsilons: keep those of one seed"
        )
    start = runs[0].config.epsilon if start is None else start
    if start not in stored:
        known = ", ".join(f"{value:g}" for value in sorted(stored))
        raise ValueError(f"no run at epsilon {start:g}: start at one of {known}")
    images = min(len(run.panel) for run in runs)
    for run in runs:
        check_panel(run, dataset, images - 1)
    options = [(f"{value:g}", value) for value in sorted(stored)]
    epsilon = ipywidgets.SelectionSlider(options=options, value=start, description="ε")
    image = ipywidgets.IntSlider(value=0, min=0, max=images - 1, description="image")

    return _explorer(
        [epsilon, image], lambda: dashboard(stored[epsilon.value], dataset, image.value)
    )


def threshold_explorer(examples: Sequence[tuple], threshold: float = 0.15) -> ipywidgets.VBox:
    """Slider over the threshold of the map -> its mask, its box and the IoU, with the sentence.

    Args:
        examples: (image float (H, W, 3) in 0..1, raw map (h, w), true box x0, y0, x1, y1), one for
            each position of the second slider.
        threshold: share of the map's maximum that is shown first, 0..1.

    Raises:
        ValueError: no examples, or a threshold outside 0..1.
    """
    if not len(examples):
        raise ValueError("the explorer wants at least one (image, map, true box)")
    if not 0 <= threshold <= 1:
        raise ValueError(f"threshold={threshold}: give a share of the map's maximum, 0..1")
    tau = ipywidgets.FloatSlider(
        value=threshold, min=0, max=1, step=0.01, description="threshold", readout_format=".2f"
    )
    image = ipywidgets.IntSlider(value=0, min=0, max=len(examples) - 1, description="image")
    return _explorer([tau, image], lambda: steps(*examples[image.value], tau.value))


def stage_explorer(
    images, features: Mapping[str, Mapping], masks=None, top: int = 4
) -> ipywidgets.VBox:
    """Walk through the stages and the images: energy and strongest channels of each network.

    Args:
        images: (n, 3, S, S).
        features: network -> stage -> (n, K, h, w), as ``model.stage_features(images)`` gives them.
        masks: (n, S, S) of the object, drawn as an outline.
        top: how many channels are shown, the loudest first.

    Raises:
        ValueError: no images, no networks, networks of other stages, or another number of maps.
    """
    stages = [list(maps) for maps in features.values()]
    if not len(images) or not stages or any(own != stages[0] for own in stages):
        raise ValueError("the explorer wants at least one image, and networks of the same stages")
    counts = {len(tensor) for maps in features.values() for tensor in maps.values()}
    if counts != {len(images)}:
        raise ValueError(f"{len(images)} images need as many maps at each stage, not {counts}")
    stage = ipywidgets.SelectionSlider(options=stages[0], description="stage")
    image = ipywidgets.IntSlider(value=0, min=0, max=len(images) - 1, description="image")

    def draw() -> tuple[Figure, str]:
        row = image.value
        own = {
            name: {stage.value: maps[stage.value][row : row + 1]} for name, maps in features.items()
        }
        mask = None if masks is None else masks[row]
        return one_stage(images[row], own, stage.value, top, mask)

    return _explorer([stage, image], draw)


def _explorer(
    controls: Sequence[ipywidgets.Widget], draw: Callable[[], tuple[Figure, str]]
) -> ipywidgets.VBox:
    """Controls in a row over the figure and the sentence that ``draw()`` gives for their values."""
    picture = ipywidgets.Image(format="png", layout={"width": "100%"})
    caption = ipywidgets.HTML()

    def redraw(_=None) -> None:
        figure, sentence = draw()
        picture.value = png(figure)
        caption.value = sentence

    for control in controls:
        control.observe(redraw, names="value")
    redraw()
    return ipywidgets.VBox([ipywidgets.HBox(list(controls)), picture, caption])
