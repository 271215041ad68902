"""Controls over a function from values to ``(Figure, sentence)``: :class:`Explorer`, and the three
of stored runs, thresholds and stages.

Picture and sentence are set at once, in one element. The output that a notebook stores carries the
picture and its sentence too, so that a page without a kernel, printed or on GitHub, shows them.
"""

import base64
import functools
import html
import struct
from collections.abc import Callable, Mapping, Sequence

import ipywidgets
import numpy as np
from matplotlib.figure import Figure

from entreg_utils import sliders
from entreg_utils.cam.scaling import as_array
from entreg_utils.experiments import Run
from entreg_utils.fields import plain_numbers
from entreg_utils.figures import png, steps
from entreg_utils.figures.stages import one_stage, same_stages
from entreg_utils.figures.training import check_image, dashboard
from entreg_utils.metrics.overlap import check_boxes

KEPT = 200  # drawn states that an explorer remembers, of 30 to 80 kB each


class Explorer(ipywidgets.VBox):
    """Controls, above the picture and the sentence that ``draw`` gives for their values.

    Args:
        draw: called with the value of each control under its name, gives ``(Figure, sentence)``;
            a pure function: a state is drawn once.
        controls: widgets with a ``value`` and a ``description``, such as those of
            ``entreg_utils.sliders`` and a ``Dropdown`` of ipywidgets.

    Attributes:
        controls: by name.  view: what they ask for.  children: a row of the controls, and the view.

    Raises:
        ValueError: no controls, or one without value or description; else what ``draw`` raises at
            the start. Later errors are shown in the place of the picture.
    """

    def __init__(self, draw: Callable[..., tuple[Figure, str]], **controls):
        if not controls:
            raise ValueError("an explorer wants at least one control, by its name")
        for name, control in controls.items():
            if not (getattr(control, "description", "") and hasattr(control, "value")):
                what = "must be a widget with a value and a description, which names it"
                raise ValueError(f"control {name} {what}")
        self.controls, self.view = controls, ipywidgets.HTML()
        self._draw, self._places = draw, {}
        self._state = functools.lru_cache(KEPT)(self._drawn)
        self._show(self._state(self._values()))
        for control in self.controls.values():
            control.style.description_width = "initial"  # as wide as its words
            control.layout.max_width = "98%"
            control.observe(self.redraw, names="value")
        row = ipywidgets.HBox([*self.controls.values()], layout={"flex_flow": "row wrap"})
        super().__init__([row, self.view])

    def redraw(self, _=None) -> None:
        """Show what the controls ask for now; a sentence alone where that cannot be drawn."""
        try:
            state = self._state(self._values())
        except Exception as error:  # whatever the function raises: no picture of other values stays
            state = None, f"This cannot be drawn: {error}"
        self._show(state)

    def _values(self) -> tuple:
        values = (control.value for control in self.controls.values())
        return tuple(round(one, 9) if isinstance(one, float) else one for one in values)

    def _drawn(self, values: tuple) -> tuple[bytes, str]:
        figure, sentence = self._draw(**dict(zip(self.controls, values, strict=True)))
        # Axes stand where those of the first such figure do: nothing jumps, nor is measured anew.
        kind = len(figure.axes), *figure.get_size_inches()
        if kind not in self._places:
            figure.draw_without_rendering()
            self._places[kind] = [axes.get_position(original=True) for axes in figure.axes]
        figure.set_layout_engine("none")
        for axes, place in zip(figure.axes, self._places[kind], strict=True):
            axes.set_position(place)
        return png(figure), sentence

    def _show(self, state: tuple[bytes | None, str]) -> None:
        self._shown = picture, sentence = state
        said, image = html.escape(sentence), ""
        if picture:
            width, height = struct.unpack(">II", picture[16:24])  # of the PNG's header
            source = f"data:image/png;base64,{base64.b64encode(picture).decode()}"
            image = (
                f'<img src="{source}" alt="{said}"'
                f' width="{width}" height="{height}" style="max-width: 100%; height: auto">'
            )
        said = f'<figcaption style="line-height: 1.4">{said}</figcaption>'
        self.view.value = f'<figure style="margin: 0">{image}{said}</figure>'

    def _repr_mimebundle_(self, **kwargs) -> tuple[dict, dict]:
        picture, sentence = self._shown
        bundle = super()._repr_mimebundle_(**kwargs) | {"text/plain": sentence}
        if picture is None:
            return bundle, {}
        bundle["image/png"] = base64.b64encode(picture).decode()
        return bundle, {"image/png": {"alt": sentence}}


@plain_numbers
def epsilon_explorer(runs: Sequence[Run], dataset, start: float | None = None) -> Explorer:
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
    epsilon = sliders.SelectionSlider(options=[*options.items()], value=start, description="ε")
    top = max(run.history.loss.max() for run in runs)

    def draw(epsilon: float, image: int) -> tuple[Figure, str]:
        return dashboard(stored[epsilon], dataset, image, top)

    return Explorer(draw, epsilon=epsilon, image=_images(images))


def threshold_explorer(examples: Sequence[tuple]) -> Explorer:
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
    tau = sliders.FloatSlider(
        value=0.15, min=0, max=1, step=0.01, description="threshold", readout_format=".2f"
    )

    def draw(threshold: float, image: int) -> tuple[Figure, str]:
        return steps(*examples[image], threshold)

    return Explorer(draw, threshold=tau, image=_images(len(examples)))


def stage_explorer(images, features: Mapping[str, Mapping], masks=None) -> Explorer:
    """Walk through the stages and the images: energy and strongest channels of each network.

    Args:
        images: (n, 3, S, S), n > 0.
        features: network -> stage -> (n, K, h, w), as ``model.stage_features(images)`` gives them.
        masks: (n, S, S) of the object, drawn as an outline.

    Raises:
        ValueError: no networks, networks of other stages, or another number of maps or masks than
            images, or of other shapes.
    """
    stage = sliders.SelectionSlider(options=same_stages(features), description="stage")
    kinds = {(len(own), own.ndim) for maps in features.values() for own in maps.values()}
    if not len(images) or kinds != {(len(images), 4)}:
        given = ", ".join(f"{count} in {axes} axes" for count, axes in sorted(kinds))
        raise ValueError(f"{len(images)} images need as many maps (n, K, h, w) each; given {given}")
    sides = (len(images), *images.shape[-2:])
    if masks is not None and tuple(masks.shape) != sides:
        raise ValueError(f"masks have shape {tuple(masks.shape)}; give {sides}, as the images")

    def draw(stage: str, image: int) -> tuple[Figure, str]:
        own = {name: {stage: maps[stage][image : image + 1]} for name, maps in features.items()}
        mask = None if masks is None else masks[image]
        return one_stage(images[image], own, stage, mask=mask)

    return Explorer(draw, stage=stage, image=_images(len(images)))


def _example(number: int, given) -> tuple:
    """Image, map and box of one example as arrays; ValueError that names it."""
    try:
        image, raw, box = map(as_array, given)
    except (TypeError, ValueError) as error:
        raise ValueError(f"example {number} must be (image, map, true box)") from error
    shaped = image.ndim == 3 and image.shape[2] == 3 and raw.ndim == 2 and raw.size
    if not (shaped and np.isfinite(raw).all() and 0 <= image.min() <= image.max() <= 1):
        raise ValueError(
            f"example {number} has an image {image.shape} and a map {raw.shape}: give an image of "
            "shape (H, W, 3) in 0..1 and a map of shape (h, w), all of it finite"
        )
    return image, raw, check_boxes(box, image.shape[:2], number)[0]


def _images(count: int) -> sliders.IntSlider:
    return sliders.IntSlider(value=0, min=0, max=count - 1, description="image")
