"""What an explorer shows is the figure that its controls stand on, live and in what is stored."""

import base64
import dataclasses
import html
import io
import re
import symtable

import convert
import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from IPython.core.formatters import DisplayFormatter
from PIL import Image

from entreg_utils import data, figures, widgets
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
    config = Config(regularizer="label_smoothing", strength=0.5)
    scores = {"entropy": 1.6, "accuracy": 0.9, "pxap": 0.8}
    strong = Run(config, history, scores, {}, [0, 1], masks, "")
    scores = {"entropy": 0.1, "accuracy": 1.0, "pxap": 0.6}
    history = history.assign(loss=2.0)
    plain = dataclasses.replace(
        strong, config=Config(), maps=1 - masks, metrics=scores, history=history
    )
    return [strong, plain]


Explorer = widgets.Explorer


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
    return widgets.Explorer(draw, height=height, colour=colour), drawn


def test_what_is_stored_is_the_picture_with_its_sentence_beside_the_live_view(line):
    box, drawn = line
    bundle, metadata = stored(box)
    picture, sentence = first = seen(box)
    assert sentence == "A red line rises to 1 < 4."
    assert base64.b64decode(bundle["image/png"]) == picture
    assert bundle["text/plain"] == sentence == metadata["image/png"]["alt"]
    view = "application/vnd.jupyter.widget-view+json"
    assert bundle[view]["model_id"] == box.model_id
    assert set(bundle) == {"image/png", "text/plain", view}
    box.controls["colour"].value = "blue"
    again, _ = stored(box)
    assert again["image/png"] != bundle["image/png"]
    assert again["text/plain"] == seen(box)[1] == "A blue line rises to 1 < 4."
    box.controls["colour"].value = "red"  # which was seen, and is not drawn again
    assert drawn == [(1, "red"), (1, "blue")] and seen(box) == first


def test_nothing_is_enlarged_and_the_controls_wrap(line):
    box, _ = line
    width, height = Image.open(io.BytesIO(seen(box)[0])).size
    sized = f'width="{width}" height="{height}" style="max-width: 100%; height: auto"'
    assert sized in box.view.value
    row, view = box.children
    assert row.layout.flex_flow == "row wrap" and view is box.view
    assert row.children == tuple(box.controls.values())


def test_where_nothing_can_be_drawn_a_sentence_stands_and_no_picture_of_other_values(line):
    box, _ = line
    box.controls["height"].value = 3
    assert seen(box) == (None, "This cannot be drawn: a height of <3>")
    bundle, metadata = stored(box)
    assert "image/png" not in bundle and not metadata and "a height of <3>" in bundle["text/plain"]
    box.controls["height"].value = 2
    assert seen(box)[0] and seen(box)[1] == "A red line rises to 2 < 4."


def test_an_explorer_wants_controls_with_names_and_a_start_that_can_be_drawn():
    def draw(**values):
        raise KeyError(values["dial"])

    with pytest.raises(ValueError, match="at least one control"):
        widgets.Explorer(draw)
    for control in (ipywidgets.IntSlider(), ipywidgets.Button(description="go"), 3):
        with pytest.raises(ValueError, match="control dial must be a widget with a value and"):
            widgets.Explorer(draw, dial=control)
    with pytest.raises(KeyError, match="7"):
        widgets.Explorer(draw, dial=ipywidgets.IntSlider(7, description="dial"))


def test_each_slider_changes_picture_and_caption_on_the_same_axis_of_losses(runs, test_split):
    plt.close("all")
    box = widgets.epsilon_explorer(runs, test_split)
    epsilon, image = box.controls.values()
    assert (epsilon.options, epsilon.value) == ((("0", 0.0), ("0.5", 0.5)), 0.5)
    assert (image.min, image.max, image.value) == (0, 1, 0)
    same(box, dashboard(runs[0], test_split, 0, top=2.0))
    epsilon.value = 0.0
    assert seen(box)[1].startswith("ε = 0: entropy 0.10 nats, accuracy 1.000")
    image.value = 1
    assert plt.get_fignums() == []  # no figure is left open
    figure, _ = drawn = dashboard(runs[1], test_split, 1, top=2.0)
    same(box, drawn)
    assert figure.axes[-1].get_ylim() == (0, pytest.approx(2.12))


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda a, b: [], {}, "one run for each epsilon, and at least one; these are 0"),
        (lambda a, b: [a, b, a], {}, "these are 3 runs of 2 epsilons: keep those of one seed"),
        (lambda a, b: [a, b], {"start": 0.3}, "no run at epsilon 0.3: start at one of 0, 0.5"),
        (lambda a, b: [a, dataclasses.replace(b, config=Config(world_seed=1))], {},
         "belong to the test split"),
        (lambda a, b: [a, dataclasses.replace(b, panel=[])], {},
         "image 0 is not kept: .* holds maps of 0"),
    ],
)  # fmt: skip
def test_runs_that_do_not_fit_are_a_sentence(runs, test_split, change, options, message):
    with pytest.raises(ValueError, match=message):
        widgets.epsilon_explorer(change(*runs), test_split, **options)
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
        ((np.zeros((3, 8, 9)), [[1.0]], [0, 0, 1, 1]), r"example 1 has an image \(3, 8, 9\)"),
        ((np.zeros((8, 8, 3)), [1.0], [0, 0, 1, 1]), r"a map \(1,\): give an image of"),
        ((np.zeros((8, 8, 3)), [[np.nan, 1]], [0, 0, 1, 1]), "example 1 .* all of it finite"),
        ((np.full((8, 8, 3), 255), [[1.0]], [0, 0, 1, 1]), "example 1 .* in 0..1"),
        ((np.zeros((8, 8, 3)), [[1.0]], [0, 0, 8, 1]), "boxes of image 1 reach outside the 8x8"),
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


MAPS = torch.rand(2, 4, 6, 6)


@pytest.mark.parametrize(
    ("count", "features", "masks", "message"),
    [
        (2, {"a": {"x": MAPS}, "b": {"y": MAPS}}, None, "must have the same stages"),
        (0, {"a": {"x": MAPS[:0]}}, None, "0 images need as many maps"),
        (3, {"a": {"x": MAPS}}, None, "3 images need as many maps"),
        (2, {"a": {"x": MAPS}, "b": {"x": MAPS[0, :2]}}, None, "given 2 in 3 axes, 2 in 4 axes"),
        (2, {"a": {"x": MAPS}}, 1, r"masks have shape \(1, 48, 48\); give \(2, 48, 48\)"),
    ],
)
def test_the_stage_explorer_refuses_what_does_not_fit(test_split, count, features, masks, message):
    masks = masks and test_split.masks[:masks]
    with pytest.raises(ValueError, match=message):
        widgets.stage_explorer(test_split.images[:count], features, masks)


def cells_for(stem: str, marker: str) -> list[str]:
    """Of a notebook's code cells those that make what the cell with ``marker`` needs, and it."""
    cells = convert.read(convert.HERE / "src" / f"{stem}.py").cells
    cells = [cell.source for cell in cells if cell.cell_type == "code"]
    end = next(i for i, cell in enumerate(cells) if marker in cell)
    needed, kept = set(), []
    for cell in cells[end::-1]:
        scopes = [symtable.symtable(cell, "cell", "exec")]
        top = scopes[0].get_symbols()
        made = {one.get_name() for one in top if one.is_assigned() or one.is_imported()}
        filled = set(re.findall(r"^ *(\w+)\[.*\] \|?= ", cell, re.MULTILINE))
        if kept and not (made | filled) & needed:
            continue
        for scope in scopes:  # which grows
            scopes += scope.get_children()
        needed -= made
        needed |= {one.get_name() for one in top if one.is_referenced()}
        inner = (one for scope in scopes[1:] for one in scope.get_symbols())
        needed |= {one.get_name() for one in inner if one.is_global()}
        kept.insert(0, cell)
    return kept


@pytest.mark.parametrize(
    "stem", ["02_entropy_and_regularisers", "05_cam_baselines", "11_reading_critically"]
)
def test_every_control_of_a_notebooks_own_explorer_changes_picture_and_sentence(stem, monkeypatch):
    made, names = [], {}
    monkeypatch.setattr(widgets, "Explorer", lambda *a, **k: made.append(Explorer(*a, **k)))
    with figures.captured():  # they are not drawn
        for cell in cells_for(stem, "widgets.Explorer("):
            exec(cell, names)
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
