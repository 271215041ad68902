"""Figures on what a softmax leaves open: sentences and marks from tables written by hand."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from entreg_utils.figures import identifiability


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def family(first, last):
    rows = [(0, 1.0, first), (2, 0.9, first - 0.1), (2, 0.7, first), (8, 0.1, last), (8, -0.3, 0.1)]
    return pd.DataFrame(rows, columns=["length", "correlation", "pxap"])


def test_shifts_say_where_each_model_starts_and_ends():
    families = {"a": family(0.6, 0.3), "b": family(0.8, 0.5)}
    figure, sentence = identifiability.shifts(families, 0.2, 1e-13)
    assert sentence == (
        "a: PxAP 0.600 as trained, 0.100 to 0.300 at 8 lengths; b: PxAP 0.800 as trained, 0.100 to "
        "0.500 at 8 lengths. No probability moves by more than 1e-13; a constant map scores 0.200."
    )
    left, right = figure.axes
    assert [text.get_text() for text in left.get_xticklabels()] == ["0", "2", "8"]
    medians = [list(np.round(one.get_ydata(), 6)) for one in left.get_lines()]
    assert [1.0, 0.8, -0.1] in medians
    assert left.get_ylim()[0] < -0.3 <= left.get_ylim()[1]  # negative correlations are in sight
    assert any(list(one.get_ydata()) == [0.2, 0.2] for one in right.get_lines())
    assert left.get_xlabel() and right.get_ylabel() == "PxAP (0 to 1)"


def test_reachable_counts_the_sweep_inside_the_area():
    sweep = pd.DataFrame({"entropy": [0.1, 1.0, 2.0], "pxap": [0.6, 0.9, 0.4]}, [0.0, 0.5, 0.9])
    figure, sentence = identifiability.reachable(sweep, (0.12, 0.61), 0.1, 0.8)
    assert "any entropy up to log 8 and any PxAP from 0.10 to 0.80" in sentence
    assert "(as trained: 0.12 nats and 0.61); 67% of the points" in sentence
    (axes,) = figure.axes
    assert [0.6, 0.9, 0.4] in [list(one.get_ydata()) for one in axes.get_lines()]
    assert {"0", "0.5", "0.9"} <= {text.get_text() for text in axes.texts}
    area = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert (area.min(), area.max()) == (0.1, 0.8)
