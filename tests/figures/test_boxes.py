"""Figures of single maps: the sentence says what the drawn numbers are."""

import matplotlib
import numpy as np
import pytest

from entreg_utils.figures import boxes, png

matplotlib.use("Agg")

# 20 x 20: a square of 1 at 4..11, a fainter frame of 0.4 around it, 2..13.
MAP = np.zeros((20, 20), dtype=np.float32)
MAP[2:14, 2:14] = 0.4
MAP[4:12, 4:12] = 1.0
IMAGE, TRUE = np.zeros((20, 20, 3)), [4, 4, 12, 12]


def test_steps_say_share_box_and_iou():
    figure, sentence = boxes.steps(IMAGE, MAP, TRUE, threshold=0.5)
    assert "16% of the pixels" in sentence  # 64 of 400
    assert "[4, 4, 12, 12], the true one [4, 4, 12, 12], their IoU 1.00" in sentence
    assert len(figure.axes) == 4
    _, sentence = boxes.steps(IMAGE, MAP, TRUE, threshold=0.15)
    assert "36% of the pixels" in sentence and "IoU 0.48" in sentence  # 9 * 9 / (13 * 13)
    assert png(figure).startswith(b"\x89PNG")


def test_the_strip_says_where_the_iou_peaks_and_where_the_image_is_found():
    figure, sentence = boxes.threshold_strip(IMAGE, MAP, TRUE, (0.2, 0.6))
    assert "peaks at 1.00 (threshold 0.40)" in sentence
    assert "found at 60% of the thresholds, between 0.40 and 1.00" in sentence
    assert len(figure.axes) == 3
    _, sentence = boxes.threshold_strip(IMAGE, MAP, [15, 15, 19, 19], (0.2,))
    assert "found at 0% of the thresholds." in sentence
    others = [(MAP, [2, 2, 14, 14]), (MAP, TRUE)]
    figure, sentence = boxes.threshold_strip(IMAGE, MAP, TRUE, (0.2,), others)
    assert "other images, whose best thresholds are 0.00, 0.40" in sentence
    assert len(figure.axes[-1].lines) == 5  # two others, the image, its dots, the line at 0.5


def test_scenes_count_contours_and_give_the_largest_box():
    figure, sentence = boxes.contour_scenes({"square": MAP, "two": np.eye(20)[:, ::2]}, 0.5)
    assert "square: 1 contour, largest [4, 4, 12, 12]" in sentence
    assert "two: 10 contours" in sentence
    assert len(figure.axes) == 2
    # The other nine objects are outlined as dashed lines, the largest as a rectangle.
    assert [len(axes.lines) for axes in figure.axes] == [0, 9]


@pytest.fixture(autouse=True)
def close():
    yield
    matplotlib.pyplot.close("all")
