"""Maps beside each other: scales are shared, energies are means over channels, sentences count."""

import numpy as np
import pytest
import torch

from entreg_utils import cam
from entreg_utils.figures import stages

IMAGES = torch.linspace(0, 1, 2 * 3 * 16).reshape(2, 3, 4, 4)
MASKS = torch.zeros(2, 4, 4, dtype=torch.bool)
MASKS[:, 1:3, 1:3] = True
CORNER = torch.tensor([[4.0, 0], [0, 0]])
# energies: a quarter of the corner's 4 in one network, half of it in the other, at both images
PLAIN = {"stage1": torch.stack([CORNER, 0 * CORNER, 0 * CORNER, 0 * CORNER]).repeat(2, 1, 1, 1)}
ER = {"stage1": torch.stack([CORNER, CORNER, 0 * CORNER, 0 * CORNER]).repeat(2, 1, 1, 1)}
FEATURES = {"ε = 0": PLAIN, "ε = 0.8": ER}


def drawn(axes):
    return np.asarray(axes.images[0].get_array())


def shown(figure):
    return [axes for axes in figure.axes if axes.get_visible() and axes.images]


def test_beside_has_one_scale_for_both_networks_and_all_images():
    figure, sentence = stages.beside(IMAGES, FEATURES, masks=MASKS)
    pictures = shown(figure)
    assert len(pictures) == 6
    np.testing.assert_allclose(drawn(pictures[1]), CORNER / 4)
    np.testing.assert_allclose(drawn(pictures[2]), CORNER / 2)
    for row in (0, 1):
        for column in (1, 2):
            assert pictures[3 * row + column].images[0].get_clim() == (0, 2)
    assert [axes.get_title() for axes in pictures[:3]] == [
        "picture",
        "stage1\nε = 0",
        "stage1\nε = 0.8",
    ]
    assert sentence.startswith(
        "Mean energy in these 2 pictures: stage1 0.25 (ε = 0) and 0.50 (ε = 0.8), likeness 1.00. "
    )
    bar = figure.axes[-1]
    assert [text.get_text() for text in bar.get_xticklabels()] == ["0", "2"]


def test_class_maps_are_stretched_each_by_itself_and_say_their_range():
    large = {"ε = 0": 9 * CORNER.repeat(2, 1, 1), "ε = 0.8": -CORNER.repeat(2, 1, 1)}
    figure, sentence = stages.beside(IMAGES, FEATURES, large)
    assert [axes.get_title() for axes in shown(figure)[3:5]] == [
        "class map\nε = 0",
        "class map\nε = 0.8",
    ]
    pictures = shown(figure)
    assert pictures[3].get_xlabel() == "0.0 to 36.0"
    assert pictures[4].get_xlabel() == "-4.0 to 0.0"
    expected = cam.normalize(cam.upsample(large["ε = 0.8"][:1].numpy(), 4))[0]
    np.testing.assert_allclose(drawn(pictures[4]), expected)
    assert "likeness of the class maps -1.00" in sentence


def test_one_stage_shows_the_loudest_channels_on_one_scale():
    quiet = torch.stack([CORNER, 3 * CORNER, 2 * CORNER, 0 * CORNER, 0 * CORNER])[None]
    features = {"a": {"last": quiet}, "b": {"last": quiet / 2}}
    figure, sentence = stages.one_stage(IMAGES[0], features, "last", mask=MASKS[0])
    left, right = shown(figure)
    titles = [text.get_text() for text in left.texts + right.texts]
    assert titles[:3] == ["", "last: energy", "a"]
    assert titles[6:10] == ["channel 1", "channel 2", "channel 0", "channel 3"]
    energies, channels = left.images[1::2], right.images
    np.testing.assert_allclose(energies[0].get_array(), 1.2 * CORNER)
    assert [one.get_clim() for one in energies] == [pytest.approx((0, 4.8))] * 2
    assert [one.get_clim() for one in channels] == [(0, 12)] * 8
    outlines = [line for row in right.collections for line in row.get_segments()]
    for line, one in zip(outlines, channels, strict=True):  # round the object, in every panel
        x0, x1, y1, y0 = one.get_extent()
        assert line.min(axis=0) == pytest.approx((x0 + 1, y0 + 1))
        assert line.max(axis=0) == pytest.approx((x1 - 1, y1 - 1))
    assert sentence == (
        "last: a: mean energy 1.20, 100% of it in the 4 strongest of 5 channels; "
        "b: mean energy 0.60, 100% of it in the 4 strongest of 5 channels."
    )


def test_bad_input_is_a_sentence():
    with pytest.raises(ValueError, match="1 network: give two or more"):
        stages.beside(IMAGES, {"a": PLAIN})
    with pytest.raises(ValueError, match="the same stages"):
        stages.beside(IMAGES, {"a": PLAIN, "b": {"other": ER["stage1"]}})
    with pytest.raises(ValueError, match="2 pictures need"):
        stages.beside(IMAGES, {"a": PLAIN, "b": {"stage1": ER["stage1"][:1]}})
    with pytest.raises(ValueError, match="no stage 'stage7': there are stage1"):
        stages.one_stage(IMAGES[0], FEATURES, "stage7")
