"""Controls and the scales of lambda: what is drawn, and that the scales are the conventions'."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from entreg_utils import losses
from entreg_utils.figures import ablation


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def table(spread=0.02):
    means = pd.DataFrame(
        {
            "epsilon": [0.0, 0.1, 0.5],
            "entropy": [0.1, 0.5, 1.5],
            "pxap": [0.4, 0.5, 0.7],
            "accuracy": [0.9, 0.95, 0.8],
        }
    )
    other = means.assign(pxap=means.pxap + spread, accuracy=means.accuracy + spread)
    return pd.concat([means.assign(seed=0), other.assign(seed=1)], ignore_index=True)


def test_temperature_is_a_level_line_and_weight_decay_a_point():
    decayed = pd.DataFrame({"pxap": [0.42, 0.44], "entropy": [0.2, 0.3]})
    figure, sentence = ablation.controls(
        table(),
        "pxap",
        "PxAP",
        {0.0: [0.1, 0.9, 1.9], 0.5: [0.2, 1.5]},
        8,
        {"weight decay": decayed},
        ("constant map", 0.3),
    )
    (axes,) = figure.axes
    lines = {line.get_label(): line for line in axes.get_lines()}
    np.testing.assert_allclose(lines["temperature on ε = 0"].get_ydata(), [0.41] * 3)
    np.testing.assert_allclose(lines["temperature on ε = 0.5"].get_xdata(), [0.2, 1.5])
    assert list(lines["constant map"].get_ydata()) == [0.3, 0.3]
    assert sentence == (
        "PxAP: ER (blue, labelled by ε) goes from 0.410 to 0.710 (ε = 0.5); temperature takes ε = "
        "0 from 0.10 to 1.90 nats, and leaves it at 0.410; temperature takes ε = 0.5 from 0.20 to "
        "1.50 nats, and leaves it at 0.710; weight decay gives 0.430 ± 0.127 at 0.25 nats; "
        "constant map 0.300."
    )
    assert [text.get_text() for text in axes.texts] == ["0", "0.1", "0.5"]


def test_lambdas_places_one_lambda_on_every_scale():
    scores = {"pxap": "PxAP", "accuracy": "accuracy"}
    figure, sentence = ablation.lambdas({"here": (table(), scores, 8)}, 1e-4, (8, 200, 1000))
    axes = figure.axes[0]
    places = [line.get_xdata()[0] for line in axes.get_lines() if line.get_linestyle() == ":"]
    np.testing.assert_allclose(places, [1e-4, 8e-4, 0.02, 0.1])
    names = [text.get_text() for text in axes.texts]
    assert names == ["true KL", "C = 8", "C = 200", "C = 1000"]
    assert sentence == (
        "λ = 0.0001 (dotted lines) is ε = 0.0001 (true KL), 0.0008 (C = 8), 0.02 (C = 200), 0.091 "
        "(C = 1000). here: the smallest ε that was run there is 0.1."
    )
    plain = [line.get_ydata()[0] for line in axes.get_lines() if line.get_linestyle() == "--"]
    np.testing.assert_allclose(plain, [0.41, 0.91])  # the runs without regularisation
    curve = next(line for line in axes.get_lines() if line.get_marker() == "o")
    np.testing.assert_allclose(np.asarray(curve.get_xdata(), float), [1 / 9, 1])
    top, own, wide = axes.child_axes
    assert [text.get_text() for text in top.get_xticklabels()] == ["0.1", "0.5"]
    figure.canvas.draw()
    np.testing.assert_allclose(own.get_xlim(), np.array(axes.get_xlim()) / 8)
    np.testing.assert_allclose(wide.get_xlim(), np.array(axes.get_xlim()) / 1000)


def test_scales_are_those_of_the_losses():
    found = ablation.scales([0.1, 0.5], [30, 200])
    assert list(found.columns) == ["λ, true KL", "λ, sum, C = 30", "λ, sum, C = 200"]
    assert found.loc[0.5, "λ, true KL"] == pytest.approx(1)
    assert found.loc[0.5, "λ, sum, C = 200"] == pytest.approx(1 / 200)
    for count in (30, 200):
        for epsilon, lam in found[f"λ, sum, C = {count}"].items():
            back = losses.epsilon_from_lambda(lam, count, "class_sum")
            assert back == pytest.approx(epsilon)
