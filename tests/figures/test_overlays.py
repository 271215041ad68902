"""Steps, triptychs and maps under several heads: what is drawn and said, from maps made by hand."""

import numpy as np
import pytest
from matplotlib.colors import to_hex

from entreg_utils import cam
from entreg_utils.figures import overlays
from entreg_utils.figures.overlays import Example, triptychs

IMAGE = np.linspace(0, 1, 3 * 16).reshape(3, 4, 4)
# a map of the picture's own size, so that upsampling leaves it as it is
RAW = np.array([[-2.0, 0, 0, 0], [0, 8, 6, 0], [0, 6, 6, 0], [0, 0, 0, 0]])


def drawn(axes):
    return np.asarray(axes.images[0].get_array())


def assert_boxes(axes):
    """Wherever both boxes stand: the true one red and dashed, the predicted one green and whole."""
    true, predicted = axes.patches
    assert (to_hex(true.get_edgecolor()), to_hex(predicted.get_edgecolor())) == (
        "#d55e00",
        "#009e73",
    )


# 20 x 20: a square of 1 at 4..11, a fainter frame of 0.4 around it, 2..13.
FRAMED = np.zeros((20, 20), dtype=np.float32)
FRAMED[2:14, 2:14] = 0.4
FRAMED[4:12, 4:12] = 1.0


def test_steps_say_share_box_and_iou():
    figure, sentence = overlays.steps(np.zeros((20, 20, 3)), FRAMED, [4, 4, 12, 12], threshold=0.5)
    assert "16% of the pixels" in sentence  # 64 of 400
    assert "[4, 4, 12, 12], the true one [4, 4, 12, 12], their IoU 1.00" in sentence
    np.testing.assert_allclose(drawn(figure.axes[1]), FRAMED)
    np.testing.assert_array_equal(drawn(figure.axes[2])[..., 0], FRAMED > 0.5)
    assert_boxes(figure.axes[3])
    assert figure.axes[3].get_xlabel() == "green: box, red dashes: true"
    _, sentence = overlays.steps(np.zeros((20, 20, 3)), FRAMED, [4, 4, 12, 12], threshold=0.15)
    assert "36% of the pixels" in sentence and "IoU 0.48" in sentence  # 9 * 9 / (13 * 13)


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
    assert_boxes(picture)
    assert picture.get_title() == "green: predicted, red dashes: true"


def test_triptychs_without_a_true_box_or_of_a_blank_map_say_so():
    figure, sentence = overlays.triptych(IMAGE, RAW)
    assert "IoU" not in sentence and "true" not in figure.axes[0].get_title()
    assert len(figure.axes[0].patches) == 1
    figure, sentence = overlays.triptych(IMAGE, np.full((2, 2), 5.0), [[1, 1, 3, 3]])
    assert "blank" in sentence
    assert len(figure.axes[0].patches) == 1  # the true one
    assert figure.axes[1].get_title() == "blank map"


def test_invariance_says_the_correlation_with_the_first():
    heads = {"a": RAW, "b": -RAW, "c": 3 * RAW + 1}
    figure, sentence = overlays.invariance(IMAGE, heads, [0.9, 0.9, 0.7], [0.1, 0.1, 0.5])
    np.testing.assert_allclose(drawn(figure.axes[1]), drawn(figure.axes[3]), atol=1e-6)
    assert figure.axes[1].images[0].get_clim() == (0, 1)
    assert figure.axes[3].get_xlabel() == "p 0.700\nentropy 0.500 nats"
    assert "b: p 0.900, entropy 0.100, correlation with the first map -1.00" in sentence
    assert "c: p 0.700, entropy 0.500, correlation with the first map 1.00" in sentence


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
        "Green: predicted box, red dashes: true box. IoU, row by row, of a at threshold 0.50: "
        "1.00; b at threshold 0.90: 0.47."
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


def test_without_true_boxes_there_is_no_iou_and_of_several_the_best_counts():
    figure, sentence = triptychs([[Example("a", WIDE, BLOCK, [], 0.5)]])
    assert figure.axes[0].get_xlabel() == "" and "a at threshold 0.50: no true box" in sentence
    raw = np.zeros((4, 6))
    raw[1:3, 2:5] = 1
    boxes = [[0, 0, 1, 1], [2, 1, 5, 3]]
    figure, _ = triptychs([[Example("a", np.zeros((3, 4, 6)), raw, boxes, 0.5)]])
    assert drawn(figure.axes[1]).shape == (4, 6)
    assert figure.axes[0].get_xlabel() == "IoU 1.00" and len(figure.axes[0].patches) == 3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: overlays.triptych(np.zeros((4, 5)), RAW), "must be .3, H, W."),
        (lambda: overlays.triptych(IMAGE, RAW[None]), "must be one map"),
        (lambda: triptychs([]), "the same networks at the same thresholds"),
        (lambda: triptychs([row(), row(tau=0.4)]), "the same networks at the same thresholds"),
    ],
)
def test_bad_input_is_one_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call()
