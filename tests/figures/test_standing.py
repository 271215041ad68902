"""Scores by size and published scores: sentences and bars from tables written by hand."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from entreg_utils.figures import standing


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


BY_SIZE = pd.DataFrame(
    {
        "images": [10, 20, 30, 60],
        "centre": [0.0, 0.6, 0.9, 0.65],
        "plain": [0.1, 0.3, 0.8, 0.5],
        "treated": [0.1, 0.4, 0.8, 0.53],
        "low": [-0.1, 0.05, -0.05, -0.01],
        "high": [0.1, 0.15, 0.05, 0.07],
    },
    index=["small", "medium", "large", "all"],
)


def test_sizes_say_all_three_in_every_group():
    figure, sentence = standing.sizes(BY_SIZE, (0.2, 0.4))
    assert sentence == (
        "Centred box, ε = 0, ER, in % of the images found: small 0.0, 10.0, 10.0; medium 60.0, "
        "30.0, 40.0; large 90.0, 80.0, 80.0; all 65.0, 50.0, 53.0."
    )
    left, right = figure.axes
    heights = [round(bar.get_height(), 6) for bar in left.patches]
    assert heights == [0, 60, 90, 65, 10, 30, 80, 50, 10, 40, 80, 53]
    assert left.get_xticklabels()[0].get_text() == "small\nbelow 20%\nn = 10"
    dots = [one for one in right.get_lines() if one.get_marker() == "o"]
    assert [round(one.get_xdata()[0], 6) for one in dots] == [0, 10, 0, 3]
    green = [one.get_color() == standing.OKABE_ITO["green"] for one in dots]
    assert green == [False, True, False, False]  # clear where the interval leaves out zero


def test_published_scores_stand_above_their_own_box():
    published = pd.DataFrame(
        {"method": ["A", "B"], "metric": ["V1", "V2"], "score": [90.0, 58.0]},
    )
    figure, sentence = standing.above_the_box(
        published, {"V1": 60.0, "V2": 57.0}, {"ours": (45.0, 59.0), "ours, better": (61.0, 59.0)}
    )
    (axes,) = figure.axes
    names = [text.get_text() for text in axes.get_yticklabels()]
    assert names == ["ours 45.0", "B: V2 58.0", "ours, better 61.0", "A: V1 90.0"]
    assert [round(bar.get_width(), 6) for bar in axes.patches] == [-14, 1, 2, 30]
    assert [text.get_text() for text in axes.texts] == ["-14.0", "+1.0", "+2.0", "+30.0"]
    assert sentence == (
        "Published scores lie +1.0 to +30.0 points from the centred box of their metric; ours, on "
        "fewer classes and with a small network, -14.0 to +2.0."
    )
