"""Figures of the sweep: sentences and curves from tables written by hand."""

import math

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from entreg_utils.figures import curves


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


# two seeds a strength, their difference d giving a half-width of 12.706 d / 2 = 6.353 d
MEANS = {
    "epsilon": [0.0, 0.5, 0.9],
    "pxap": [0.40, 0.60, 0.25],
    "accuracy": [0.98, 0.97, 0.50],
    "max_box_acc_carried": [0.50, 0.80, 0.10],
    "entropy": [0.10, 1.00, 2.00],
    "part": [0.80, 0.60, 0.40],
    "body": [0.40, 0.54, 0.30],
    "context": [0.20, 0.10, 0.30],
}


def table(spread=0.02):
    rows = pd.DataFrame(MEANS)
    scores = [name for name in MEANS if name != "epsilon"]
    low, high = rows.copy(), rows.copy()
    low[scores] -= spread / 2
    high[scores] += spread / 2
    return pd.concat([low.assign(seed=0), high.assign(seed=1)], ignore_index=True)


HISTORY = pd.DataFrame(
    [
        {"epsilon": e, "seed": s, "epoch": t, "test_entropy": h, "test_pxap": x, "test_accuracy": a}
        for e, path in {
            0.0: [(1, 1.8, 0.3, 0.4), (2, 1.0, 0.7, 0.8), (3, 0.2, 0.4, 0.98)],
            0.5: [(1, 2.0, 0.3, 0.4), (2, 1.5, 0.5, 0.7), (3, 1.0, 0.6, 0.97)],
        }.items()
        for t, h, x, a in path
        for s in (0, 1)
    ]
)


def line(axes, label):
    (found,) = [one for one in axes.get_lines() if one.get_label() == label]
    return found


def test_strengths_says_what_is_plotted():
    figure, sentence = curves.strengths(table(), 0.3, chosen=0.5)
    assert "PxAP is 0.40 ± 0.13 without regularisation, 0.60 ± 0.13 at ε = 0.5" in sentence
    assert "0.25 ± 0.13 at ε = 0.9" in sentence
    assert "accuracy changes by -0.010 between the first two" in sentence
    left, right = figure.axes
    np.testing.assert_allclose(line(left, "PxAP").get_ydata(), MEANS["pxap"])
    np.testing.assert_allclose(line(right, "accuracy").get_ydata(), MEANS["accuracy"])
    carried = line(right, "BoxAcc, carried threshold")
    np.testing.assert_allclose(carried.get_ydata(), MEANS["max_box_acc_carried"])
    assert [text.get_text() for text in left.get_xticklabels()] == ["0", "0.5", "0.9"]
    assert any(list(one.get_ydata()) == [0.3, 0.3] for one in left.get_lines())  # constant map
    for axes in (left, right):
        assert axes.get_xlabel().startswith("ε") and axes.get_ylabel() and axes.get_title()
        assert any(list(one.get_xdata()) == [1, 1] for one in axes.get_lines())  # the choice


def test_bands_are_the_intervals():
    figure, _ = curves.strengths(table(0.02), 0.3, chosen=0.5)
    band = figure.axes[0].collections[0].get_paths()[0].vertices
    half = 12.7062047 * 0.02 / 2  # t_1 s / sqrt 2 with s = 0.02 / sqrt 2
    at_zero = band[np.isclose(band[:, 0], 0), 1]
    assert at_zero.min() == pytest.approx(0.40 - half)
    assert at_zero.max() == pytest.approx(0.40 + half)


def test_a_gain_in_accuracy_has_its_sign():
    rows = table()
    rows.loc[rows.epsilon == 0.5, "accuracy"] = 0.99
    assert "accuracy changes by +0.010" in curves.strengths(rows, 0.3, chosen=0.5)[1]


def test_plane_finds_the_hill_and_the_best_epoch():
    figure, sentence = curves.plane(table(), HISTORY)
    assert "the hill tops at ε = 0.5, at an entropy of 1.00 nats" in sentence
    assert (
        "along the epochs of ε = 0 (grey) PxAP is best at epoch 2 (0.70, entropy 1.00)" in sentence
    )
    assert sentence.endswith("and ends at 0.40 (entropy 0.20).")
    left, right = figure.axes
    assert left.get_ylabel() == "PxAP (0 to 1)" and right.get_ylabel() == "accuracy"
    for axes, name in ((left, "pxap"), (right, "accuracy")):
        assert "entropy" in axes.get_xlabel() and "nats" in axes.get_xlabel()
        drawn = [tuple(np.round(one.get_ydata().astype(float), 6)) for one in axes.get_lines()]
        path = HISTORY[(HISTORY.epsilon == 0) & (HISTORY.seed == 0)]
        assert tuple(path[f"test_{name}"]) in drawn
        assert tuple(MEANS[name]) in drawn
        labels = [text.get_text() for text in axes.texts]
        assert labels == ["epochs of ε = 0", "epochs of ε = 0.5", "0", "0.5", "0.9"]


@pytest.mark.parametrize("classes", [3, 8])
def test_the_entropy_axis_is_stretched_at_both_ends_and_goes_back(classes):
    axes = plt.figure().add_subplot()
    curves.entropy_axis(axes, classes)
    transform = axes.xaxis.get_transform()
    top = math.log(classes)
    # the logit of one half is 0, that of three quarters log 3
    assert transform.transform([top / 2])[0] == pytest.approx(0)
    assert transform.transform([0.75 * top])[0] == pytest.approx(math.log(3))
    values = np.linspace(0.01, 0.99, 9) * top
    np.testing.assert_allclose(transform.inverted().transform(transform.transform(values)), values)
    ends = transform.transform([0.0, top])
    assert np.isfinite(ends).all()
    assert max(axes.get_xticks()) <= top
    assert str(classes) in axes.get_xlabel()


def test_evidence_compares_body_and_part():
    figure, sentence = curves.evidence(table(0.0))
    # body / part: 0.5, 0.9, 0.75
    assert "the rest of the body gets 0.50 at ε = 0 and at most 0.90 (ε = 0.5)" in sentence
    assert "the context goes from 0.20 to 0.10 at ε = 0.5 and 0.30 at ε = 0.9" in sentence
    (axes,) = figure.axes
    for cue in ("part", "body", "context"):
        np.testing.assert_allclose(line(axes, cue).get_ydata(), MEANS[cue])
    assert [text.get_text() for text in axes.texts] == ["part", "rest of the body", "context"]
    assert axes.get_xlabel() and axes.get_ylabel() == "mean normalised score"
