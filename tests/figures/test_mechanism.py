"""Figures of the mechanism: theory and measurement from worlds and tables made by hand."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from entreg_utils import theory
from entreg_utils.figures import mechanism

EPSILONS = (0.0, 0.3, 0.6, 0.9)
WORLD = theory.ThreeCues((1.0, 0.9, 0.4), (0.05, 0.25, 0.7), num_classes=4, price=2e-3)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def measured(worth, spread=0.0):
    """A table of two seeds whose mean worths are given, (E, 3)."""
    rows = []
    for epsilon, row in zip(EPSILONS, worth, strict=True):
        for seed, sign in enumerate((-1, 1)):
            named = {
                f"reliance_{cue}": v + sign * spread
                for cue, v in zip(theory.CUES, row, strict=True)
            }
            rows.append({"epsilon": epsilon, "seed": seed} | named)
    return pd.DataFrame(rows)


def test_optima_says_where_cues_are_dropped():
    epsilons = np.linspace(0, 1, 101)
    figure, sentence = mechanism.optima(WORLD, epsilons)
    worth = theory.reliance(WORLD, epsilons)
    dropped = epsilons[np.flatnonzero(worth[:, 0] < 1e-6)[0]]
    gone = epsilons[np.flatnonzero((worth < 1e-6).all(axis=1))[0]]
    assert 0.5 < dropped < gone < 1
    assert f"the part is worth {worth[0, 0]:.1f} logits and the body {worth[0, 1]:.1f}" in sentence
    assert f"dropped from ε = {dropped:.2f} on, and everything from ε = {gone:.3f} on" in sentence
    # closed form: the body pays until 1 - price / (a (r - 1/C)) = 0.9877
    assert gone == pytest.approx(0.99)
    left, right = figure.axes
    for column, one in enumerate(left.get_lines()):
        assert one.get_label() == theory.CUES[column]
        np.testing.assert_allclose(one.get_ydata(), worth[:, column])
    accuracy = right.get_lines()[0].get_ydata()
    assert accuracy[0] == pytest.approx(1) and accuracy[-1] == pytest.approx(0.25)
    assert accuracy[95] == pytest.approx(0.9)  # the body alone
    assert left.get_ylabel() == "worth of the cue (logits)"
    assert left.get_xlabel() == right.get_xlabel() == "ε"


def test_optima_where_nothing_is_dropped():
    sentence = mechanism.optima(WORLD, [0.0, 0.1])[1]
    assert sentence.count("no ε of this grid") == 2


def test_overlay_of_the_theory_on_itself_has_no_error():
    worth = theory.reliance(WORLD, EPSILONS)
    figure, sentence = mechanism.overlay(measured(worth, 0.01), WORLD)
    assert "price 0.002), is off by 0.00 in a share on average" in sentence
    left, right = figure.axes
    for axes in (left, right):
        assert axes.get_xlabel().startswith("ε") and axes.get_ylabel() and axes.get_title()
        assert [text.get_text() for text in axes.get_xticklabels()] == ["0", "0.3", "0.6", "0.9"]
    points = [one for one in right.get_lines() if one.get_linestyle() == "None"]
    shares = worth / worth.sum(axis=1, keepdims=True)
    for column, one in enumerate(points):
        np.testing.assert_allclose(one.get_ydata(), shares[:, column])
    bars = [one.get_ydata() for one in left.get_lines() if one.get_marker() == "o"]
    np.testing.assert_allclose(np.transpose(bars), worth)


def test_overlay_says_the_measured_shares_and_the_error():
    # measured shares: part 0.6, 0.5, 0.25, 0; body 0.4, 0.5, 0.75, 1; negative noise counts as zero
    worth = np.array([[3.0, 2, 0], [1, 1, 0], [0.25, 0.75, 0], [-0.1, 0.5, -0.2]])
    sentence = mechanism.overlay(measured(worth), WORLD)[1]
    assert "the part's share of the worth goes from 0.60 at ε = 0 to 0.00 at ε = 0.9" in sentence
    assert "while the body's goes up to 1.00" in sentence
    clipped = np.clip(worth, 0, None)
    predicted = theory.reliance(WORLD, EPSILONS)
    error = np.abs(clipped / clipped.sum(1, keepdims=True) - predicted / predicted.sum(1)[:, None])
    assert f"is off by {error.mean():.2f} in a share" in sentence
    assert error.mean() > 0.01


def test_strengths_at_which_the_theory_has_collapsed_do_not_count_as_error():
    dear = theory.ThreeCues(WORLD.reliability, WORLD.amplitude, 4, price=10)
    worth = theory.reliance(WORLD, EPSILONS)
    worth[:3] = 0
    near = theory.ThreeCues(WORLD.reliability, WORLD.amplitude, 4, price=0.02)
    predicted = theory.reliance(near, EPSILONS)
    assert predicted[:3].sum() > 0 and predicted[3].sum() == 0
    table = measured(np.where(predicted > 0, predicted, [0.0, 1.0, 0.0]))
    assert "off by 0.00" in mechanism.overlay(table, near)[1]
    assert theory.reliance(dear, EPSILONS).max() == 0


@pytest.mark.parametrize("price", [5e-4, 2e-3, 8e-3])
def test_fit_price_finds_the_price_that_made_the_table(price):
    truth = theory.ThreeCues(WORLD.reliability, WORLD.amplitude, 4, price)
    table = measured(theory.reliance(truth, EPSILONS), 0.02)
    candidates = [2.5e-4, 5e-4, 1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2]
    found = mechanism.fit_price(table, WORLD, candidates)
    assert found == truth


def regime(pxap, accuracy):
    rows = []
    for epsilon, score, right in zip((0.0, 0.85), pxap, accuracy, strict=True):
        rows += [
            {"epsilon": epsilon, "seed": seed, "pxap": score, "accuracy": right} for seed in (0, 1)
        ]
    return pd.DataFrame(rows)


def test_regimes_says_both_ends_of_each_world():
    given = {
        "default world": regime((0.4, 0.7), (0.98, 0.96)),
        "weak body": regime((0.5, 0.3), (0.97, 0.5)),
    }
    figure, sentence = mechanism.regimes(given)
    assert sentence == (
        "PxAP, default world: 0.40 ± 0.00 at ε = 0, 0.70 ± 0.00 at ε = 0.85 "
        "(accuracy 0.98 and 0.96); "
        "weak body: 0.50 ± 0.00 at ε = 0, 0.30 ± 0.00 at ε = 0.85 (accuracy 0.97 and 0.50)."
    )
    left, right = figure.axes
    assert (left.get_ylabel(), right.get_ylabel()) == ("PxAP (0 to 1)", "accuracy")
    assert left.get_xlabel() and right.get_xlabel()
    names = [text.get_text() for text in left.get_legend().get_texts()]
    assert names == list(given)
    curves = [tuple(one.get_ydata()) for one in left.get_lines() if one.get_marker() == "o"]
    assert curves == [(0.4, 0.7), (0.5, 0.3)]
