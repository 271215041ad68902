"""Figures of data-set scores: the sentence says what the drawn numbers are."""

import matplotlib
import numpy as np
import pytest

from entreg_utils import metrics
from entreg_utils.figures import png, scores

matplotlib.use("Agg")

CURVES = metrics.BoxAccuracy(
    np.array([[4, 9, 8, 0], [1, 5, 6, 0]]), np.array([0.3, 0.5]), np.arange(4) / 4, 10
)


def test_curves_say_each_maximum_and_its_threshold():
    figure, sentence = scores.box_accuracy_curves(CURVES)
    assert "0.900 at threshold 0.25 for IoU 0.3; 0.600 at threshold 0.50 for IoU 0.5" in sentence
    assert "centred" not in sentence
    lines = [line.get_ydata() for line in figure.axes[0].lines if len(line.get_xdata()) == 4]
    assert np.array_equal(lines, CURVES.curve)
    _, sentence = scores.box_accuracy_curves(CURVES, centre=CURVES)
    assert "best centred box reaches 0.900, 0.600" in sentence
    assert png(figure).startswith(b"\x89PNG")


def test_choices_say_every_estimate_and_the_spread():
    rows = {"oracle": (0.9, 0.8, 1.0), "middle": (0.8, 0.7, 0.9), "fixed": (0.65, 0.5, 0.7)}
    figure, sentence = scores.choices(rows, "share")
    assert "oracle: 0.900; middle: 0.800; fixed: 0.650" in sentence
    assert "First minus last: +0.250" in sentence
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == list(rows)


def test_precision_recall_says_area_floor_and_a_point_of_the_curve():
    stream = metrics.PixelAveragePrecision(size=2)
    stream.update([[0.0, 1.0], [2.0, 3.0]], [[0, 1], [0, 1]])
    _, sentence = scores.precision_recall(*stream.precision_recall(), stream.compute(), 0.5)
    assert "PxAP is 0.833, against 0.500" in sentence
    assert "half of the object pixels are taken, 100%" in sentence


def test_centre_box_says_the_best_side_and_its_share():
    boxes = np.array([[5, 5, 15, 15], [5, 5, 15, 15], [0, 0, 3, 3]])
    result = metrics.centre_box_baseline(boxes, 20)
    figure, sentence = scores.centre_box(boxes, 20, result)
    side = result.best_threshold[1]
    assert f"with {side:.0%} of the frame's side" in sentence
    assert "right in 66.7% of them at IoU 0.5" in sentence
    cover = figure.axes[0].images[0].get_array()
    assert cover[10, 10] == pytest.approx(2 / 3) and cover[0, 0] == pytest.approx(1 / 3)


@pytest.fixture(autouse=True)
def close():
    yield
    matplotlib.pyplot.close("all")
