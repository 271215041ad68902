"""Thin interactive views over ``figures``: a slider that shows one stored run at a time.

They set the value of an image instead of capturing output, so that the state a page without a
kernel shows is the picture itself.
"""

from __future__ import annotations

from collections.abc import Sequence

import ipywidgets

from entreg_utils.experiments import Run
from entreg_utils.figures import png
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
    picture = ipywidgets.Image(format="png", layout={"width": "100%"})
    caption = ipywidgets.HTML()

    def draw(_=None) -> None:
        figure, sentence = dashboard(stored[epsilon.value], dataset, image.value)
        picture.value = png(figure)
        caption.value = sentence

    for slider in (epsilon, image):
        slider.observe(draw, names="value")
    draw()
    return ipywidgets.VBox([ipywidgets.HBox([epsilon, image]), picture, caption])
