"""A forest of changes: rows from the top, two intervals in points, colour by the bootstrap."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from matplotlib.colors import same_color

from entreg_utils.figures import OKABE_ITO, forest

CHANGES = pd.DataFrame(
    {
        "change": [0.05, -0.04, 0.01],
        "low": [0.02, -0.06, -0.01],
        "high": [0.08, -0.01, 0.03],
        "half": [0.07, 0.02, 0.005],
    },
    index=["gain", "loss", "unclear"],
)


@pytest.fixture
def axes():
    figure, axes = plt.subplots()
    forest(axes, CHANGES)
    yield axes
    plt.close(figure)


def test_both_intervals_lie_at_their_ends_in_points(axes):
    lines = {tuple(line.get_xdata()): line.get_ydata()[0] for line in axes.lines}
    drawn = {tuple(round(x, 6) for x in ends): y for ends, y in lines.items()}
    for row, own in enumerate(CHANGES.itertuples()):
        assert drawn[round(100 * own.low, 6), round(100 * own.high, 6)] == row
        ends = 100 * (own.change - own.half), 100 * (own.change + own.half)
        assert row < drawn[tuple(round(x, 6) for x in ends)] < row + 0.5
    assert [text.get_text() for text in axes.texts] == ["+5.0", "-4.0", "+1.0"]


def test_rows_are_named_and_go_down_from_the_first(axes):
    assert [label.get_text() for label in axes.get_yticklabels()] == list(CHANGES.index)
    bottom, top = axes.get_ylim()
    assert bottom > 2 and top < 0


def test_green_says_that_the_bootstrap_leaves_zero_out_on_either_side(axes):
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    green = [same_color(dot.get_color(), OKABE_ITO["green"]) for dot in dots]
    assert green == [True, True, False]  # Student's interval of the first holds zero


def test_each_interval_is_labelled_once(axes):
    _, labels = axes.get_legend_handles_labels()
    assert labels == ["95 %, images and seeds", "95 %, seeds alone (Student)"]
