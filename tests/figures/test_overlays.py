"""Triptychs and maps under several heads: what is drawn, what is said, from maps made by hand."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from entreg_utils import cam
from entreg_utils.figures import overlays


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
    figure, sentence = overlays.triptych(IMAGE, RAW, [[1, 1, 3, 3]], threshold=0.5)
    picture, shown, _, blend = figure.axes
    np.testing.assert_allclose(drawn(picture), IMAGE.transpose(1, 2, 0))
    np.testing.assert_allclose(drawn(shown), (RAW + 2) / 10)
    assert shown.images[0].get_clim() == (0, 1)
    np.testing.assert_allclose(drawn(blend), cam.overlay(IMAGE, (RAW + 2) / 10))
    assert shown.get_xlabel() == "raw range -2.00 to 8.00"
    # above half of the maximum: the 2x2 block, 4 of 16 pixels; its box is (1, 1, 3, 3), x1 = x0 + w
    assert "from -2.00 to 8.00; 25% of the picture" in sentence
    assert "IoU 1.00" in sentence
    true, predicted = picture.patches
    assert true.get_linestyle() != "-"
    assert predicted.get_linestyle() == "-"


def test_triptych_without_a_true_box_says_no_iou():
    figure, sentence = overlays.triptych(IMAGE, RAW)
    assert "IoU" not in sentence and "true" not in figure.axes[0].get_title()
    assert len(figure.axes[0].patches) == 1


def test_triptych_of_a_blank_map_draws_no_box():
    figure, sentence = overlays.triptych(IMAGE, np.full((2, 2), 5.0), [[1, 1, 3, 3]])
    assert "blank" in sentence
    assert len(figure.axes[0].patches) == 1  # the true one
    assert figure.axes[1].get_title() == "blank map"


def test_draw_triptych_keeps_the_shape_of_the_picture_and_takes_the_best_true_box():
    wide = np.zeros((3, 4, 6))
    _, panels = plt.subplots(1, 3)
    raw = np.zeros((4, 6))
    raw[1:3, 2:5] = 1
    read = overlays.draw_triptych(panels, wide, raw, [[0, 0, 1, 1], [2, 1, 5, 3]], threshold=0.5)
    assert drawn(panels[1]).shape == (4, 6)
    assert read["iou"] == 1 and read["above"] == 6 / 24 and not read["blank"]
    assert (read["low"], read["high"]) == (0, 1)


def test_invariance_says_the_correlation_with_the_first():
    heads = {"a": RAW, "b": -RAW, "c": 3 * RAW + 1}
    figure, sentence = overlays.invariance(IMAGE, heads, [0.9, 0.9, 0.7], [0.1, 0.1, 0.5])
    np.testing.assert_allclose(drawn(figure.axes[1]), drawn(figure.axes[3]), atol=1e-6)
    assert figure.axes[1].images[0].get_clim() == (0, 1)
    assert figure.axes[3].get_xlabel() == "p 0.700\nentropy 0.500 nats"
    assert "b: p 0.900, entropy 0.100, correlation with the first map -1.00" in sentence
    assert "c: p 0.700, entropy 0.500, correlation with the first map 1.00" in sentence


def test_bad_input():
    with pytest.raises(ValueError, match="must be square"):
        overlays.triptych(np.zeros((3, 4, 5)), RAW)
    with pytest.raises(ValueError, match="must be one map"):
        overlays.triptych(IMAGE, RAW[None])
