"""Features or head: colour by owner, shape by head, and a verdict from the numbers."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from entreg_utils.figures import heads


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


TABLE = pd.DataFrame(
    {
        "features": [0.0, 0.0, 0.8, 0.8],
        "head": ["own", "new", "own", "new"],
        "entropy": [0.1, 1.9, 1.9, 0.2],
        "pxap": [0.5, 0.6, 0.8, 0.7],
    }
)


def test_sentence_and_points():
    figure, sentence = heads.exchange(TABLE, 0.2, {0.0: (0.55, 0.05), 0.8: (0.8, 0.1)})
    assert sentence == (
        "PxAP lies on the features of ε = 0 from 0.500 to 0.600 while the entropy runs from 0.10 "
        "to 1.90 nats, on the features of ε = 0.8 from 0.700 to 0.800 while the entropy runs from "
        "0.20 to 1.90 nats: the two ranges do not meet."
    )
    (axes,) = figure.axes
    points = {
        (
            line.get_color(),
            line.get_marker(),
            float(line.get_xdata()[0]),
            float(line.get_ydata()[0]),
        )
        for line in axes.get_lines()
        if line.get_marker() not in (None, "None", "")
    }
    black, green = heads.COLOURS
    assert points == {
        (black, "o", 0.1, 0.5),
        (black, "X", 1.9, 0.6),
        (green, "o", 1.9, 0.8),
        (green, "X", 0.2, 0.7),
    }
    low, high = axes.get_xlim()
    assert low < 0.1 and 1.9 < high < 2.0795
    assert any(list(line.get_ydata()) == [0.2, 0.2] for line in axes.get_lines())


def test_ranges_that_overlap_are_said_to():
    table = TABLE.assign(pxap=[0.5, 0.75, 0.8, 0.7])
    assert heads.exchange(table, 0.2)[1].endswith("the two ranges overlap.")


def test_two_kinds_of_features():
    with pytest.raises(ValueError, match="features of two networks"):
        heads.exchange(TABLE[TABLE.features == 0], 0.2)
