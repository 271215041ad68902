"""Figures on selection: sentences and marks from numbers written by hand."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from entreg_utils.figures import selection


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


GAINS = pd.DataFrame(
    {"change": [0.06, 0.01], "low": [0.04, -0.02], "high": [0.09, 0.03]},
    index=["fixed at 0.15", "carried"],
)
# thresholds 0, 0.25, 0.5, 0.75; two seeds
CURVES = {
    "plain": np.array([[0.2, 0.3, 0.5, 0.1], [0.2, 0.3, 0.4, 0.1]]),
    "ER": np.array([[0.2, 0.6, 0.3, 0.0], [0.2, 0.5, 0.4, 0.0]]),
}
CARRIED = {"plain": np.array([0.5, 0.25]), "ER": np.array([0.25, 0.5])}


def marked(axes, marker):
    return [
        (list(one.get_xdata()), list(one.get_ydata()))
        for one in axes.get_lines()
        if one.get_marker() == marker
    ]


def test_thresholds_marks_each_rule():
    figure, sentence = selection.thresholds(CURVES, CARRIED, GAINS, centre=0.59)
    left, right = figure.axes
    assert marked(left, "^") == [([0.5, 0.25], [50, 30]), ([0.25, 0.5], [60, 40])]
    assert marked(left, "o") == [([0.5, 0.5], [50, 40]), ([0.25, 0.25], [60, 50])]
    assert any(list(one.get_ydata()) == [59, 59] for one in left.get_lines())
    assert [text.get_text() for text in right.get_yticklabels()] == list(GAINS.index)
    assert sentence == (
        "Gain in points by threshold rule: +6.0 (+4.0 to +9.0) fixed at 0.15, +1.0 (-2.0 to +3.0) "
        "carried. The mean curves top at the thresholds 0.50 (plain) and 0.25 (ER); the centred "
        "box has 59.0."
    )


def test_an_interval_that_holds_zero_is_grey():
    _, right = selection.thresholds(CURVES, CARRIED, GAINS, 0.5)[0].axes
    dots = [one.get_color() for one in right.get_lines() if one.get_marker() == "o"]
    assert dots == [selection.OKABE_ITO["green"], selection.GREY]


def rules():
    index = pd.MultiIndex.from_product([[0.0, 0.3], [0, 1]], names=["epsilon", "seed"])
    values = [[0.4, 0.45, 0.5], [0.4, 0.4, 0.5], [0.6, 0.6, 0.6], [0.6, 0.6, 0.62]]
    return pd.DataFrame(values, index=index, columns=list(selection.RULES))


def test_checkpoints_say_what_test_adds_to_the_last():
    figure, sentence = selection.checkpoints({"score": rules()})
    # equal differences have no spread; 0 and 2 points: 1 ± 12.7062 x 2 / 2
    assert sentence.endswith("score: +10.0 ± 0.0 at ε = 0 and +1.0 ± 12.7 at ε = 0.3.")
    (axes,) = figure.axes
    means = [list(np.round(one.get_ydata(), 6)) for one in axes.get_lines()]
    assert [40, 42.5, 50] in means and [60, 60, 61] in means
    assert len(means) == 6  # a line a seed and one for the mean, twice


def test_ladder_counts_from_the_honest_score():
    steps = {"honest": 0.40, "threshold": 0.42, "+ epoch": 0.47}
    figure, sentence = selection.ladder({"here": steps}, {"here": (0.01, -0.02, 0.04)}, {"X": 1.5})
    (axes,) = figure.axes
    assert [round(bar.get_width(), 6) for bar in axes.patches] == [2, 7]
    assert [text.get_text() for text in axes.get_yticklabels()][:2] == ["threshold", "+ epoch"]
    assert any(list(one.get_xdata()) == [1.5, 1.5] for one in axes.get_lines())
    assert "X" in [text.get_text() for text in axes.texts]
    assert sentence == (
        "here: choosing alone +7.0 points, ER without such choices +1.0 (-2.0 to +4.0)."
    )


def test_the_ruler_stands_in_the_first_panel_only():
    steps = {"honest": 0.4, "epoch": 0.5}
    method = {"a": (0.1, 0.05, 0.2), "b": (0.1, 0.05, 0.2)}
    figure, _ = selection.ladder({"a": steps, "b": steps}, method, {"X": 1.5})
    assert ["X" in [t.get_text() for t in axes.texts] for axes in figure.axes] == [True, False]


def test_one_seed_paints_the_wrong_sign():
    found = {
        "change": np.array([[0.02, 0.04], [-0.01, 0.03]]),
        "matched": np.array([[True, False], [False, True]]),
        "mean": 0.02,
        "opposite": 0.25,
        "exaggerated": 0.25,
    }
    figure, sentence = selection.one_seed({"world": {"score": found}})
    (axes,) = figure.axes
    red = [
        (one.get_marker(), list(one.get_xdata()))
        for one in axes.get_lines()
        if one.get_color() == selection.BEFORE_AFTER[1] and len(one.get_xdata())
    ]
    assert red == [("D", [-1.0])]
    assert "world: score 25% and 25% of 4 pairs." in sentence
    assert any(list(one.get_xdata()) == [2.0, 2.0] for one in axes.get_lines())  # the mean
