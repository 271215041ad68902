"""Figures of the entropy notebook: sentences hold the closed forms, curves the plotted numbers."""

import math

import matplotlib
import numpy as np
import pytest
import torch

from entreg_utils import losses as values
from entreg_utils.figures import losses, png

matplotlib.use("Agg")


def curves(axes):
    return [(np.asarray(line.get_xdata()), np.asarray(line.get_ydata())) for line in axes.lines]


def test_simplex_marks_the_optimum_of_label_smoothing():
    figure, sentence = losses.simplex(strength=0.5)
    # lambda = 1/2 is eps = 1/3, so p_y = 1 - 1/3 + 1/9 = 7/9
    assert "KL(u‖p) 0.78" in sentence
    assert "corners KL(p‖u) and JSD stay finite" in sentence
    marker = curves(figure.axes[4])[0]
    assert marker[1][0] == pytest.approx(math.sqrt(3) / 2 * 7 / 9, abs=2e-3)
    # the middle of the triangle is uniform: the darkest spot of every upper map
    for axes in figure.axes[:4]:
        field = np.asarray(axes.images[0].get_array())
        assert field[100, 150] == pytest.approx(0, abs=1e-6) and field.min() >= -1e-9
    assert png(figure).startswith(b"\x89PNG")


def test_sign_plus_has_the_closed_form_gap_and_minus_falls_with_its_slope():
    figure, sentence = losses.sign(strength=0.05, classes=200)
    # gap log(1 + C (1 - eps)/eps) = log(1 + C/lambda) = log 4001 = 8.29; slope lambda (C - 1)/C
    assert "gap of 8.3" in sentence and "0.050 nats" in sentence
    plus, ce, minus = (y for _, y in curves(figure.axes[0])[:3])
    assert plus[-1] > plus.min() and ce[-1] < 1e-9
    assert (np.diff(minus) < 0).all()


def test_pulls_are_the_closed_forms():
    figure, sentence = losses.pulls(classes=200)
    left, right = figure.axes
    forward = curves(left)[0]
    np.testing.assert_allclose(forward[1], forward[0] - 1 / 200, atol=1e-12)  # p_y - 1/C
    rest, pull = curves(right)[0]
    np.testing.assert_allclose(pull, 1 / 200 - rest / 199, atol=1e-12)  # 1/C - p_k
    rest, pull = curves(right)[1]
    p_k = rest / 199
    entropy = -(1 - rest) * np.log(1 - rest) - rest * np.log(p_k)
    np.testing.assert_allclose(pull, -p_k * (np.log(p_k) + entropy), atol=1e-12)
    assert "KL(u‖p) 5.0e-03, KL(p‖u) 8.4e-07, Jeffreys 5.0e-03, JSD 2.9e-07" in sentence


def test_optima_agree_with_the_formula_and_with_zero_gradient():
    figure, sentence = losses.optima(classes=200)
    left, right = figure.axes
    for count, (eps, share) in zip((2, 8, 200), curves(left), strict=True):
        wanted = [values.smoothed_optimum(e, count)[1] / math.log(count) for e in eps]
        np.testing.assert_allclose(share, wanted, atol=1e-12)
    strength, entropy = curves(right)[0]
    wanted = [values.smoothed_optimum(values.epsilon_from_lambda(s, 200), 200)[1] for s in strength]
    np.testing.assert_allclose(entropy, wanted, atol=0.01)  # a search on gaps 0.01 apart
    assert "KL(u‖p) 0.14, KL(p‖u) 0.16" in sentence


@pytest.mark.parametrize("label", list(losses.MEMBERS))
def test_the_search_ends_where_the_gradient_vanishes(label):
    value = losses.MEMBERS[label][2]
    p_y, _ = losses._optima(value, [0.4], 8)
    logits = losses._logits(1 - p_y, 8).requires_grad_()
    loss = values.cross_entropy(logits, torch.tensor([0])) + 0.4 * value(logits)
    (slope,) = torch.autograd.grad(loss.sum(), logits)
    assert slope.abs().max().item() < 5e-3


def test_alpha_family_runs_between_both_kl():
    figure, sentence = losses.alpha_family(classes=200)
    left, right = figure.axes
    p_y, lowest = curves(left)[0]
    inner = (p_y > 0.1) & (p_y < 0.9)
    entropy = -p_y * np.log(p_y) - (1 - p_y) * np.log((1 - p_y) / 199)
    np.testing.assert_allclose(lowest[inner], (math.log(200) - entropy)[inner], atol=1e-12)
    assert [f"{y[0]:.1e}" for _, y in curves(right)] == sentence_pulls(sentence)
    assert "0: 8.4e-07" in sentence and "1: 5.0e-03" in sentence


def sentence_pulls(sentence):
    listed = sentence.split("by alpha, ")[1].split(": only")[0]
    return [item.split(": ")[1] for item in listed.split(", ")]
