"""Figures of maps: what is drawn and what the sentence says, from maps written by hand."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from entreg_utils import cam
from entreg_utils.figures import maps, overlays


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


IMAGE = np.linspace(0, 1, 3 * 16).reshape(3, 4, 4)
# a map of the picture's own size, so that upsampling leaves it as it is
RAW = np.array([[-2.0, 0, 0, 0], [0, 8, 6, 0], [0, 6, 6, 0], [0, 0, 0, 0]])


def drawn(axes):
    return np.asarray(axes.images[0].get_array())


def test_triptych_draws_picture_map_and_overlay():
    figure, sentence = maps.triptych(IMAGE, RAW, [[1, 1, 3, 3]], threshold=0.5)
    picture, shown, _, blend = figure.axes
    np.testing.assert_allclose(drawn(picture), IMAGE.transpose(1, 2, 0))
    np.testing.assert_allclose(drawn(shown), (RAW + 2) / 10)
    assert shown.images[0].get_clim() == (0, 1)
    np.testing.assert_allclose(drawn(blend), cam.overlay(IMAGE, (RAW + 2) / 10))
    assert shown.get_xlabel() == "raw range -2.00 to 8.00"
    # above half of the maximum: the 2x2 block, 4 of 16 pixels; its box is (1, 1, 3, 3), x1 = x0 + w
    assert "from -2.00 to 8.00; 25% of the picture" in sentence
    assert "IoU 1.00" in sentence
    assert len(picture.patches) == 2


def test_triptych_of_a_blank_map_draws_no_box():
    figure, sentence = maps.triptych(IMAGE, np.full((2, 2), 5.0), [[1, 1, 3, 3]])
    assert "blank" in sentence
    assert len(figure.axes[0].patches) == 1  # the true one
    assert figure.axes[1].get_title() == "blank map"


def test_anatomy_shows_the_channels_that_add_most():
    # means 1, 4, 0 times weights 2, 1, 9: channels add 2, 4, 0
    features = torch.tensor([[[2.0, 0.0]], [[4.0, 4.0]], [[0.0, 0.0]]])
    figure, sentence = maps.anatomy(IMAGE, features, torch.tensor([2.0, 1.0, 9.0]), 0.5, top=2)
    assert [axes.get_title() for axes in figure.axes[1:3]] == ["channel 1", "channel 0"]
    assert drawn(figure.axes[2]).tolist() == [[4, 0]]
    assert drawn(figure.axes[3]).tolist() == [[8, 4]]
    assert "2 strongest of 3 channels add 6.00 to a logit of 6.50" in sentence
    with pytest.raises(ValueError, match="top is 4"):
        maps.anatomy(IMAGE, features, torch.ones(3), 0.5, top=4)


def test_normalisations_shows_the_four_rules():
    figure, sentence = maps.normalisations(IMAGE, RAW, percentile=50)
    panels = [axes for axes in figure.axes if len(axes.images)][1:]
    rules = (("minmax", None), ("max", None), ("pas", None), ("ivr", 50))
    for axes, (method, percent) in zip(panels, rules, strict=True):
        np.testing.assert_allclose(drawn(axes), cam.normalize(RAW[None], method, percent)[0])
    # one pixel of 16 is negative; zeros: 1 (min-max), 12 (max), 1 (PaS), 12 (IVR: P50 = 0)
    assert "6% of this map is negative" in sentence
    assert "min-max 6%, max 75%, PaS 6%, IVR, P = 50 75%" in sentence


def test_invariance_says_the_correlation_with_the_first():
    heads = {"a": RAW, "b": -RAW, "c": 3 * RAW + 1}
    figure, sentence = maps.invariance(IMAGE, heads, [0.9, 0.9, 0.7], [0.1, 0.1, 0.5])
    np.testing.assert_allclose(drawn(figure.axes[1]), drawn(figure.axes[3]), atol=1e-6)
    assert "b: p 0.900, entropy 0.100, correlation with the first map -1.00" in sentence
    assert "c: p 0.700, entropy 0.500, correlation with the first map 1.00" in sentence


def test_shift_curve():
    figure, sentence = maps.shift_curve([-1, 0, 2], [0.7, 0.6, 0.1], 1e-4, 0.2)
    assert figure.axes[0].lines[0].get_ydata().tolist() == [0.7, 0.6, 0.1]
    assert "between 0.100 and 0.700 PxAP" in sentence and "1e-04" in sentence
    assert any("as trained 0.600" in text.get_text() for text in figure.axes[0].texts)


def test_shared_scale_keeps_a_weak_map_weak_and_flags_an_empty_one():
    figure, sentence = overlays.shared_scale(IMAGE, {"a": RAW, "b": RAW / 4, "c": RAW - 9})
    top, bottom = figure.axes[1:4], figure.axes[5:8]
    np.testing.assert_allclose(drawn(top[0]), drawn(top[1]))  # by itself the weak one looks strong
    expected = cam.overlay(IMAGE, np.clip(RAW / 4, 0, None) / 8, alpha=0.7)
    np.testing.assert_allclose(drawn(bottom[1]), expected, atol=1e-6)
    assert bottom[2].get_xlabel() == "nothing above 0"
    assert "a 8.0, b 2.0, c -1.0" in sentence
    with pytest.raises(ValueError, match="no map has a positive value"):
        overlays.shared_scale(IMAGE, {"c": RAW - 9})


def test_tricks():
    figure, sentence = overlays.tricks(IMAGE, RAW)
    # min-maxed: 1 at one pixel, 0.8 at three; squared 0.64; all four stay above half
    assert "25.0%, squared 25.0%" in sentence
    assert "2.00 times brighter" in sentence  # the picture's brightest value is 1
    np.testing.assert_allclose(drawn(figure.axes[2]), IMAGE.transpose(1, 2, 0))


def test_bad_input():
    with pytest.raises(ValueError, match="must be square"):
        maps.triptych(np.zeros((3, 4, 5)), RAW)
    with pytest.raises(ValueError, match="must be one map"):
        maps.triptych(IMAGE, RAW[None])
