"""Triptychs: every panel has its number, shapes are kept, a blank map is flagged."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from entreg_utils import cam
from entreg_utils.figures.triptychs import Example, triptychs


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


WIDE = np.linspace(0, 1, 3 * 4 * 8).reshape(3, 4, 8)
# raw map of the picture's own size: a block of 1 on rows 1-2, columns 2-5
BLOCK = np.zeros((4, 8))
BLOCK[1:3, 2:6] = 1.0
TRUE = [[2, 1, 6, 3]]


def row(raw=BLOCK, image=WIDE, tau=0.5):
    return [Example("a", image, raw, TRUE, tau), Example("b", image, 3 - BLOCK, TRUE, 0.9)]


def test_panels_of_a_photograph_that_is_not_square():
    figure, sentence = triptychs([row()])
    axes = figure.axes
    np.testing.assert_allclose(axes[0].images[0].get_array(), WIDE.transpose(1, 2, 0))
    np.testing.assert_allclose(axes[1].images[0].get_array(), BLOCK)
    np.testing.assert_allclose(axes[3].images[0].get_array(), cam.overlay(WIDE, BLOCK))
    assert axes[1].images[0].get_clim() == (0, 1)
    assert axes[0].get_xlabel() == "IoU 1.00"  # the box of the block is the true one
    assert axes[1].get_xlabel() == "0.00 to 1.00"
    assert axes[3].get_xlabel() == "25% above"
    assert [axes[i].get_title() for i in (0, 3, 4, 7)] == [
        "a: boxes",
        "line at 0.50",
        "b: boxes",
        "line at 0.90",
    ]
    assert [text.get_text() for text in axes[2].get_yticklabels()] == ["0", "0.5", "1"]
    # b lights up all but the block; its box is the frame [0, 0, 7, 3], IoU 15 of 32
    assert axes[5].get_xlabel() == "2.00 to 3.00"
    assert sentence == (
        "Green: predicted box, red: true box. IoU, row by row, of a at threshold 0.50: 1.00; "
        "b at threshold 0.90: 0.47."
    )


def test_a_blank_map_is_flagged_and_gets_no_box():
    figure, sentence = triptychs([row(), row(np.full((4, 8), 2.5))])
    blank = figure.axes[8:12]
    assert blank[1].get_xlabel() == "blank: 2.50 everywhere"
    assert blank[3].get_xlabel() == "nothing to overlay"
    assert blank[0].get_xlabel() == ""
    assert len(blank[0].patches) == 1  # the true box alone
    assert not np.asarray(blank[1].images[0].get_array()).any()
    np.testing.assert_allclose(blank[3].images[0].get_array(), cam.overlay(WIDE, np.zeros((4, 8))))
    assert "a at threshold 0.50: 1.00, none (1 blank); b" in sentence


def test_without_true_boxes_there_is_no_iou():
    figure, sentence = triptychs([[Example("a", WIDE, BLOCK, [], 0.5)]])
    assert figure.axes[0].get_xlabel() == ""
    assert len(figure.axes[0].patches) == 1
    assert sentence.endswith("a at threshold 0.50: no true box.")


def test_rows_must_match():
    with pytest.raises(ValueError, match="the same networks at the same thresholds"):
        triptychs([])
    with pytest.raises(ValueError, match="the same networks at the same thresholds"):
        triptychs([row(), row(tau=0.4)])
