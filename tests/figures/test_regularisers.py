"""Figures of the comparison of regularisers: curves, intervals and sentences of hand-made rows."""

import math

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from entreg_utils import losses
from entreg_utils.analysis import matched
from entreg_utils.figures import regularisers as draw


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def rows(pxap, entropies=(0.1, 1.0, 1.8), spread=0.02):
    """Two seeds, the second ``spread`` above the first: half-width 6.353 times ``spread``."""
    table = pd.DataFrame({"epsilon": [0.0, 0.3, 0.8], "entropy": entropies, "pxap": pxap})
    return pd.concat(
        [table.assign(seed=0), table.assign(seed=1, pxap=table.pxap + spread)], ignore_index=True
    )


TABLES = {
    "kl_uniform": rows([0.4, 0.5, 0.7]),
    "jsd": rows([0.4, 0.45, 0.6], (0.1, 0.9, 1.5)),
}


def test_asked_marks_strengths_that_share_their_aim():
    entropies = [losses.smoothed_optimum(e, 8)[1] for e in (0.3, 0.7, 0.8)]
    figure, sentence = draw.asked(entropies, 8)
    left, right = figure.axes
    dots = {line.get_label(): line for line in left.get_lines() if line.get_marker() in "os^D"}
    np.testing.assert_allclose(dots["ER, label smoothing"].get_xdata(), [3 / 7, 7 / 3, 4])
    for line in dots.values():
        np.testing.assert_allclose(line.get_ydata(), entropies)
    # ER's averaged loss has the slope p_y - (1 - eps + eps/C): a straight line
    er = right.get_lines()[0]
    np.testing.assert_allclose(er.get_ydata(), er.get_xdata() - (0.3 + 0.7 / 8), atol=1e-9)
    curves = [line for line in right.get_lines() if len(line.get_xdata()) > 2]
    zeros = [np.interp(0.3875, line.get_xdata(), line.get_ydata()) for line in curves]
    assert len(curves) == 4 and np.abs(zeros).max() < 2e-3  # all aim at the same place
    assert "matched to 1.86 nats push towards the same p_y = 0.39" in sentence
    assert "at p_y = 0.95 the slope is ER, label smoothing +0.56" in sentence


def test_against_entropy_draws_means_at_measured_entropies():
    figure, sentence = draw.against_entropy(
        TABLES, {"pxap": "PxAP"}, {"pxap": ("constant map", 0.3)}, 8
    )
    (axes,) = figure.axes
    er, jsd = (axes.get_lines()[i] for i in range(len(axes.get_lines())) if _curve(axes, i))
    np.testing.assert_allclose(er.get_ydata(), [0.41, 0.51, 0.71])
    np.testing.assert_allclose(jsd.get_xdata(), [0.1, 0.9, 1.5])
    assert sentence == (
        "Best PxAP, over the strengths that were run: ER, label smoothing 0.710 ± 0.127 at 1.80 "
        "nats; JSD 0.610 ± 0.127 at 1.50 nats."
    )
    assert "constant map 0.30" in [text.get_text() for text in axes.texts]
    assert axes.get_ylabel() == "PxAP" and "entropy" in axes.get_xlabel()


def _curve(axes, i):
    return axes.get_lines()[i].get_label() in ("ER, label smoothing", "JSD")


def test_differences_are_drawn_around_zero():
    table = matched.differences(TABLES, ["pxap"], [1.0, 1.7])
    figure, sentence = draw.differences(table, {"pxap": "PxAP"})
    (axes,) = figure.axes
    row = table.loc[("pxap", 1.0, "jsd")]
    drawn = [line.get_xdata()[0] for line in axes.get_lines() if line.get_marker() == "D"]
    assert drawn[0] == pytest.approx(row.change) and math.isnan(drawn[1])
    assert [t.get_text() for t in axes.texts] == [matched.MISSED]  # 1.7 nats, above JSD's 1.5
    assert [t.get_text() for t in axes.get_yticklabels()] == ["1.00", "1.70"]
    assert sentence == matched.tally(table)


@pytest.mark.parametrize(("classes", "scale"), [(8, "function"), (30, "linear")])
def test_only_the_drawn_world_is_stretched(classes, scale):
    axes = plt.figure().add_subplot()
    axes.plot([0.1, 2.0], [-0.5, 1.5])
    draw.entropy_scale(axes, classes, 0.1, 2.0)
    assert axes.get_xscale() == scale
    low, high = axes.get_xlim()
    assert low < 0.1 and 2.0 < high < 1.03 * math.log(classes)
    assert axes.get_ylim() == (0, 1.02)
    assert all(low <= tick <= high for tick in axes.get_xticks())
