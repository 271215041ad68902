"""What a slider shows is the figure of the run, or of the threshold, it stands on."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch

from entreg_utils import data, widgets
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


def parts(box):
    sliders, picture, caption = box.children
    return *sliders.children, picture, caption


def test_it_starts_at_the_first_run_and_each_slider_changes_picture_and_caption(runs, test_split):
    import matplotlib.pyplot as plt

    plt.close("all")
    epsilon, image, picture, caption = parts(widgets.epsilon_explorer(runs, test_split))
    assert (epsilon.options, epsilon.value) == ((("0", 0.0), ("0.5", 0.5)), 0.5)
    assert (image.min, image.max, image.value) == (0, 1, 0)
    first = picture.value
    epsilon.value = 0.0
    second = picture.value
    assert plt.get_fignums() == []  # no figure is left open
    assert caption.value.startswith("ε = 0: entropy 0.10 nats, accuracy 1.000")
    image.value = 1
    assert picture.value == png(dashboard(runs[1], test_split, 1)[0]) != second
    epsilon.value, image.value = 0.5, 0
    figure, sentence = dashboard(runs[0], test_split)
    assert picture.value == first == png(figure) != second and caption.value == sentence


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
    assert parts(widgets.epsilon_explorer(iter(runs[:1]), test_split))[0].options == (("0.5", 0.5),)


def test_the_threshold_explorer_shows_the_steps_at_its_threshold(test_split):
    examples = [
        (sample.image.permute(1, 2, 0).numpy(), sample.mask.numpy() * 1.0, sample.boxes[0].tolist())
        for sample in (test_split[0], test_split[1])
    ]
    tau, image, picture, caption = parts(widgets.threshold_explorer(examples))
    assert (tau.min, tau.max, tau.value, image.max) == (0, 1, 0.15, 1)
    assert picture.value == png(steps(*examples[0], 0.15)[0])
    tau.value, image.value = 0.5, 1
    figure, sentence = steps(*examples[1], 0.5)
    assert (picture.value, caption.value) == (png(figure), sentence)
    tau.value = 1.0  # nothing is above the maximum: the corner pixel, no error
    assert "[0, 0, 0, 0]" in caption.value
    lists = [[part.tolist() if hasattr(part, "tolist") else part for part in examples[0]]]
    assert parts(widgets.threshold_explorer(iter(lists)))[1].max == 0


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
    stage, image, picture, caption = parts(widgets.stage_explorer(images, features, masks))
    assert stage.options == ("stage1", "stage2")
    assert (image.min, image.max, image.value) == (0, 1, 0)
    first = picture.value
    stage.value, image.value = "stage2", 1
    own = {name: {"stage2": each["stage2"][1:]} for name, each in features.items()}
    figure, sentence = one_stage(images[1], own, "stage2", mask=masks[1])
    assert (picture.value, caption.value) == (png(figure), sentence)
    stage.value, image.value = "stage1", 0
    assert picture.value == first


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
