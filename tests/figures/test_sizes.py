"""Scores over the size of the photographs: the curve and its sentence, from a table by hand."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from entreg_utils.figures import sizes


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


MEANS = {(0.0, 160): 0.44, (0.0, 288): 0.61, (0.3, 160): 0.47, (0.3, 288): 0.52}
ROWS = [
    {"epsilon": e, "size": s, "seed": seed, "max_box_acc": mean + d}
    | {"gt_known": 0.4, "accuracy": 0.7}
    for (e, s), mean in MEANS.items()
    for seed, d in ((0, -0.001), (1, 0.001))
]
CHANGES = pd.DataFrame(
    {"change": [0.03, -0.09], "low": [0.01, -0.11], "high": [0.05, -0.07]}, index=[160, 288]
)


def test_the_sentence_names_the_best_point_and_where_the_sign_turns():
    _, sentence = sizes.over_sizes(pd.DataFrame(ROWS), CHANGES, 0.59, 160)
    assert "ε = 0 reach 61.0 % at 288 pixels, those at ε = 0.3 52.0 % at 288" in sentence
    assert "the centred box has 59.0, and the best point lies 2.0 points above" in sentence
    assert "+3.0 (+1.0 to +5.0) at 160 and -9.0 (-11.0 to -7.0) at 288 points" in sentence
    assert sentence.endswith("it raises it at 160 pixels and lowers it at 288 pixels.")


def test_an_interval_that_holds_zero_claims_nothing():
    wide = CHANGES.assign(low=-0.2, high=0.2)
    _, sentence = sizes.over_sizes(pd.DataFrame(ROWS), wide, 0.7, 160)
    assert sentence.endswith("it does so nowhere.")
    assert "the best point lies 9.0 points below" in sentence


def test_curves_are_means_over_seeds_and_the_box_is_a_line():
    figure, _ = sizes.over_sizes(pd.DataFrame(ROWS), CHANGES, 0.59, 160)
    left = figure.axes[0]
    curves = [c.lines[0].get_ydata().tolist() for c in left.containers]
    assert curves[0] == pytest.approx([44, 61]) and curves[1] == pytest.approx([47, 52])
    assert any(line.get_ydata()[0] == 59 for line in left.lines)
