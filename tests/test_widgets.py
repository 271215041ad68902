"""What an explorer shows is the figure that its controls stand on, live and in what is stored."""

import asyncio
import base64
import dataclasses
import html
import io
import re

import convert
import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from IPython.core.formatters import DisplayFormatter
from PIL import Image

from entreg_utils import data, figures, sliders, widgets
from entreg_utils.experiments import Config, Run
from entreg_utils.figures import png, steps
from entreg_utils.figures.stages import one_stage
from entreg_utils.figures.training import dashboard


@pytest.fixture(scope="module")
def test_split():
    return data.toy("test", num_images=3, cache=False)


@pytest.fixture(scope="module")
def runs(test_split):
    """Two stored runs, the stronger first: a perfect map at eps 0.5, its negative at eps 0."""
    masks = test_split.masks[[0, 1]].numpy().astype(np.float32)[None]
    history = pd.DataFrame({"epoch": [1], "loss": [0.7], "train_entropy": 1.5, "test_entropy": 1.6})
    strong = Run(
        Config(regularizer="label_smoothing", strength=0.5),
        history,
        {"entropy": 1.6, "accuracy": 0.9, "pxap": 0.8},
        {},
        [0, 1],
        masks,
        "",
    )
    plain = dataclasses.replace(
        strong,
        config=Config(),
        maps=1 - masks,
        metrics={"entropy": 0.1, "accuracy": 1.0, "pxap": 0.6},
    )
    return [strong, plain]


explorer = widgets.explorer


def seen(box):
    """The picture and the sentence that a reader sees."""
    found = re.search(r"<figcaption[^>]*>(.*)</figcaption>", box.view.value)
    image = re.search(r'<img src="data:image/png;base64,([^"]+)" alt="([^"]+)"', box.view.value)
    assert image is None or image[2] == found[1]
    return image and base64.b64decode(image[1]), html.unescape(found[1])


def same(box, drawn):
    figure, sentence = drawn
    assert seen(box) == (png(figure), sentence)


def stored(box):
    return DisplayFormatter().format(box)


@pytest.fixture
def line():
    """An explorer of one line: up to ``height``, in ``colour``; a height of 3 cannot be drawn."""

    def draw(height, colour):
        drawn.append((height, colour))
        if height == 3:
            raise ValueError("a height of <3>")
        figure, axes = plt.subplots(figsize=(2, 1))
        axes.plot([0, height], color=colour)
        return figure, f"A {colour} line rises to {height} < 4."

    drawn = []
    height = ipywidgets.IntSlider(description="height", max=4, value=1)
    colour = ipywidgets.Dropdown(description="colour", options=["red", "blue"])
    return widgets.explorer(draw, height=height, colour=colour), drawn


def test_what_is_stored_is_the_picture_with_its_sentence_beside_the_live_view(line):
    box, _ = line
    bundle, metadata = stored(box)
    picture, sentence = seen(box)
    assert sentence == "A red line rises to 1 < 4."
    assert base64.b64decode(bundle["image/png"]) == picture
    assert bundle["text/plain"] == sentence == metadata["image/png"]["alt"]
    view = "application/vnd.jupyter.widget-view+json"
    assert bundle[view]["model_id"] == box.model_id and set(bundle) == {
        "image/png",
        "text/plain",
        view,
    }
    box.controls["colour"].value = "blue"
    again, _ = stored(box)
    assert again["image/png"] != bundle["image/png"]
    assert again["text/plain"] == seen(box)[1] == "A blue line rises to 1 < 4."


def test_nothing_is_enlarged_and_the_controls_wrap(line):
    box, _ = line
    width, height = Image.open(io.BytesIO(seen(box)[0])).size
    sized = f'width="{width}" height="{height}" style="max-width: 100%; height: auto"'
    assert sized in box.view.value
    row, view = box.children
    assert row.layout.flex_flow == "row wrap" and view is box.view
    assert row.children == tuple(box.controls.values())


def test_a_state_that_was_seen_is_not_drawn_again(line):
    box, drawn = line
    first = seen(box)
    box.controls["height"].value = 2
    box.controls["height"].value = 1
    assert drawn == [(1, "red"), (2, "red")] and seen(box) == first


def test_what_is_one_step_away_is_drawn_while_nothing_runs(line, monkeypatch):
    box, drawn = line
    monkeypatch.setattr(widgets, "SLOW", np.inf)  # on a busy machine too

    async def move(height, wanted, rest=0.0):
        box.controls["height"].value = height
        await asyncio.sleep(rest)
        for _ in range(1200):
            await asyncio.sleep(0.05)
            if set(drawn) >= wanted:
                return True

    assert asyncio.run(move(0, {(1, "red"), (0, "red"), (0, "blue")}))
    before = len(drawn)
    box.controls["colour"].value = "blue"
    assert len(drawn) == before and seen(box)[1].startswith("A blue line rises to 0")
    # 3 cannot be drawn, which is told when it is asked for
    assert asyncio.run(move(2, {(3, "blue")})) and seen(box)[1].startswith("A blue line")
    monkeypatch.setattr(widgets, "SLOW", 0)  # what is slow is drawn only when it is asked for
    before = len(drawn)
    asyncio.run(move(4, {(4, "blue")}, rest=0.6))
    assert len(drawn) == before + 1


def test_steps_of_a_control():
    assert sliders.beside(sliders.IntSlider(value=0, max=3)) == [1]
    assert sliders.beside(sliders.FloatSlider(value=0.3, min=0, max=1, step=0.1)) == [0.4, 0.2]
    assert sliders.beside(ipywidgets.Dropdown(options=[("a", 5), ("b", 6)])) == [6]
    assert sliders.beside(ipywidgets.Checkbox()) == []


def test_where_nothing_can_be_drawn_a_sentence_stands_and_no_picture_of_other_values(line):
    box, _ = line
    box.controls["height"].value = 3
    assert seen(box) == (None, "This cannot be drawn: a height of <3>")
    bundle, metadata = stored(box)
    assert "image/png" not in bundle and not metadata and "a height of <3>" in bundle["text/plain"]
    box.controls["height"].value = 2
    assert seen(box)[0] and seen(box)[1] == "A red line rises to 2 < 4."


def test_what_was_asked_last_stays_whatever_ends_last():
    def draw(dial):
        if dial == 1:  # while this is drawn, the reader moves on
            box.controls["dial"].value = 2
        return plt.figure(figsize=(1, 1)), f"The dial is at {dial}."

    dial = ipywidgets.IntSlider(description="dial", max=2)
    box = widgets.explorer(draw, dial=dial)
    dial.value = 1
    assert dial.value == 2 and seen(box)[1] == "The dial is at 2."


def test_an_explorer_wants_controls_with_names_and_a_start_that_can_be_drawn():
    def draw(**values):
        raise KeyError(values["dial"])

    with pytest.raises(ValueError, match="at least one control"):
        widgets.explorer(draw)
    for control in (ipywidgets.IntSlider(), ipywidgets.Button(description="go"), 3):
        with pytest.raises(ValueError, match="control dial must be a widget with a value and"):
            widgets.explorer(draw, dial=control)
    with pytest.raises(KeyError, match="7"):
        widgets.explorer(draw, dial=ipywidgets.IntSlider(7, description="dial"))


def test_it_starts_at_the_first_run_and_each_slider_changes_picture_and_caption(runs, test_split):
    plt.close("all")
    box = widgets.epsilon_explorer(runs, test_split)
    epsilon, image = box.controls.values()
    assert (epsilon.options, epsilon.value) == ((("0", 0.0), ("0.5", 0.5)), 0.5)
    assert (image.min, image.max, image.value) == (0, 1, 0)
    top = max(run.history.loss.max() for run in runs)
    same(box, dashboard(runs[0], test_split, 0, top))
    epsilon.value = 0.0
    assert seen(box)[1].startswith("ε = 0: entropy 0.10 nats, accuracy 1.000")
    image.value = 1
    assert plt.get_fignums() == []  # no figure is left open
    same(box, dashboard(runs[1], test_split, 1, top))


def test_the_loss_axis_of_the_epsilon_explorer_is_the_same_at_every_epsilon(runs, test_split):
    high = dataclasses.replace(runs[1], history=runs[1].history.assign(loss=2.0))
    limits = []
    for run in (runs[0], high):
        figure, _ = dashboard(run, test_split, 0, top=2.0)
        limits.append(figure.axes[-1].get_ylim())
        plt.close(figure)
    assert limits[0] == limits[1] == (0, pytest.approx(2.12))
    box = widgets.epsilon_explorer([runs[0], high], test_split)
    same(box, dashboard(runs[0], test_split, 0, top=2.0))


def test_bad_input_is_a_sentence(runs, test_split):
    with pytest.raises(ValueError, match="one run for each epsilon, and at least one; these are 0"):
        widgets.epsilon_explorer([], test_split)
    twice = [
        *runs,
        dataclasses.replace(runs[0], config=dataclasses.replace(runs[0].config, seed=1)),
    ]
    with pytest.raises(ValueError, match="these are 3 runs of 2 epsilons: keep those of one seed"):
        widgets.epsilon_explorer(twice, test_split)
    with pytest.raises(ValueError, match="no run at epsilon 0.3: start at one of 0, 0.5"):
        widgets.epsilon_explorer(runs, test_split, start=0.3)
    with pytest.raises(ValueError, match="belong to the test split"):
        widgets.epsilon_explorer(runs, data.toy("train", num_images=3, cache=False))
    elsewhere = dataclasses.replace(runs[1], config=Config(world_seed=1))
    with pytest.raises(ValueError, match="belong to the test split"):
        widgets.epsilon_explorer([runs[0], elsewhere], test_split)
    empty = dataclasses.replace(runs[1], panel=[])
    with pytest.raises(ValueError, match="image 0 is not kept: .* holds maps of 0"):
        widgets.epsilon_explorer([runs[0], empty], test_split)
    alone = widgets.epsilon_explorer(iter(runs[:1]), test_split)
    assert alone.controls["epsilon"].options == (("0.5", 0.5),)


def test_the_threshold_explorer_shows_the_steps_at_its_threshold(test_split):
    examples = [
        (sample.image.permute(1, 2, 0).numpy(), sample.mask.numpy() * 1.0, sample.boxes[0].tolist())
        for sample in (test_split[0], test_split[1])
    ]
    box = widgets.threshold_explorer(examples)
    tau, image = box.controls.values()
    assert (tau.min, tau.max, tau.value, image.max) == (0, 1, 0.15, 1)
    same(box, steps(*examples[0], 0.15))
    tau.value, image.value = 0.5, 1
    same(box, steps(*examples[1], 0.5))
    tau.value = 1.0  # nothing is above the maximum: the corner pixel, no error
    assert "[0, 0, 0, 0]" in seen(box)[1]
    lists = [[part.tolist() if hasattr(part, "tolist") else part for part in examples[0]]]
    assert widgets.threshold_explorer(iter(lists)).controls["image"].max == 0


@pytest.mark.parametrize(
    ("second", "sentence"),
    [
        ((0, [[1.0]]), "example 1 must be .image, map, true box"),
        (([[1.0]], [[1.0]], [0, 0, 1, 1]), r"example 1 has an image \(1, 1\) and a map"),
        ((np.zeros((3, 8, 9)), [[1.0]], [0, 0, 1, 1]), r"example 1 has an image \(3, 8, 9\)"),
        ((np.zeros((8, 8, 3)), [1.0], [0, 0, 1, 1]), r"a map \(1,\): give an image of"),
        ((np.zeros((8, 8, 3)), [[np.nan, 1]], [0, 0, 1, 1]), "the map of example 1 holds NaN"),
        ((np.full((8, 8, 3), 255), [[1.0]], [0, 0, 1, 1]), "the image of example 1 must lie in 0"),
        ((np.zeros((8, 8, 3)), [[1.0]], [0, 0, 8, 1]), "boxes of image 1 reach outside the 8x8"),
        ((np.zeros((8, 8, 3)), [[1.0]], [5, 0, 2, 1]), "boxes of image 1 must be x0, y0, x1, y1"),
        (None, "the explorer wants at least one"),
    ],
)
def test_an_example_that_cannot_be_drawn_is_refused_at_once(second, sentence):
    good = np.zeros((8, 8, 3)), [[0.0, 1.0]], [0, 0, 3, 3]
    with pytest.raises(ValueError, match=sentence):
        widgets.threshold_explorer([good, second] if second else [])


def test_the_stage_explorer_walks_through_stages_and_images(test_split):
    images, masks = test_split.images[:2], test_split.masks[:2]
    maps = torch.rand(2, 4, 6, 6)
    features = {"a": {"stage1": maps, "stage2": 2 * maps}, "b": {"stage1": maps, "stage2": maps}}
    box = widgets.stage_explorer(images, features, masks)
    stage, image = box.controls.values()
    assert stage.options == ("stage1", "stage2")
    assert (image.min, image.max, image.value) == (0, 1, 0)
    first = seen(box)
    stage.value, image.value = "stage2", 1
    own = {name: {"stage2": each["stage2"][1:]} for name, each in features.items()}
    same(box, one_stage(images[1], own, "stage2", mask=masks[1]))
    stage.value, image.value = "stage1", 0
    assert seen(box) == first


def test_the_stage_explorer_refuses_what_does_not_fit(test_split):
    maps = torch.rand(2, 4, 6, 6)
    with pytest.raises(ValueError, match="must have the same stages"):
        widgets.stage_explorer(test_split.images[:2], {"a": {"x": maps}, "b": {"y": maps}})
    with pytest.raises(ValueError, match="0 images need as many maps"):
        widgets.stage_explorer(test_split.images[:0], {"a": {"x": maps[:0]}})
    with pytest.raises(ValueError, match="3 images need as many maps"):
        widgets.stage_explorer(test_split.images[:3], {"a": {"x": maps}})
    with pytest.raises(ValueError, match="these are 2 in 3 axes, 2 in 4 axes"):
        widgets.stage_explorer(test_split.images[:2], {"a": {"x": maps}, "b": {"x": maps[0, :2]}})
    with pytest.raises(ValueError, match=r"masks have shape \(1, 48, 48\), but must be"):
        widgets.stage_explorer(test_split.images[:2], {"a": {"x": maps}}, test_split.masks[:1])


@pytest.mark.parametrize(
    "stem", ["02_entropy_and_regularisers", "05_cam_baselines", "11_reading_critically"]
)
def test_every_control_of_a_notebooks_own_explorer_changes_picture_and_sentence(stem, monkeypatch):
    made, names = [], {}
    monkeypatch.setattr(widgets, "explorer", lambda *a, **k: made.append(explorer(*a, **k)))
    with figures.captured():  # they are not drawn
        for cell in convert.read(convert.HERE / "src" / f"{stem}.py").cells:
            if cell.cell_type == "code" and not made:
                exec(cell.source, names)
    (box,) = made
    for control in box.controls.values():
        start, states = control.value, [seen(box)]
        for value in getattr(control, "options", None) or (control.min, control.max):
            control.value = value[1] if isinstance(value, tuple) else value
            states.append(seen(box))
        pictures, sentences = map(set, zip(*states, strict=True))
        assert None not in pictures, sentences  # each end of each control can be drawn
        assert len(pictures) > 1 and len(sentences) > 1, control.description
        control.value = start
