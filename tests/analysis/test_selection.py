"""Selection: the epoch that each rule keeps, and what choosing on test adds."""

import numpy as np
import pandas as pd
import pytest

from entreg_utils.analysis import compare as selection


def history():
    """Two seeds, three epochs; validation likes epoch 2 and then 1, test always epoch 1."""
    val = {0: [0.5, 0.7, 0.6], 1: [0.8, 0.7, 0.6]}
    test = {0: [0.9, 0.6, 0.5], 1: [0.7, 0.6, 0.4]}
    rows = [
        {"epsilon": 0.3, "seed": s, "epoch": t + 1, "val_x": val[s][t], "test_x": test[s][t]}
        for s in (1, 0)
        for t in (2, 0, 1)
    ]
    return pd.DataFrame(rows).assign(test_y=lambda table: 10 * table.test_x)


def test_each_rule_keeps_its_epoch_whatever_the_order_of_the_rows():
    rules = selection.by_checkpoint(history(), "x")
    assert list(rules.columns) == ["last", "validation", "test"]
    assert rules.loc[(0.3, 0)].tolist() == [0.5, 0.6, 0.9]
    assert rules.loc[(0.3, 1)].tolist() == [0.4, 0.7, 0.7]


def test_another_criterion_chooses_and_the_score_is_reported():
    rules = selection.by_checkpoint(history(), "y", "x")
    assert rules.loc[(0.3, 0)].tolist() == [5, 6, 9]


def test_equal_epochs_give_the_earliest():
    flat = history().assign(val_x=0.5)
    assert selection.by_checkpoint(flat, "x").loc[(0.3, 0)].tolist() == [0.5, 0.9, 0.9]


@pytest.mark.parametrize("how", ["absent", "holes"])
def test_test_must_have_been_watched(how):
    table = history()
    if how == "absent":
        table = table.drop(columns="test_x")
    else:
        table.loc[0, "test_x"] = np.nan
    with pytest.raises(ValueError, match="test_x.*was test watched"):
        selection.by_checkpoint(table, "x")


def test_optimism_is_taken_seed_by_seed():
    table = selection.optimism(selection.by_checkpoint(history(), "x"))
    # test - last: 0.4, 0.3; test - validation: 0.3, 0.0; t_1 s / sqrt 2 = 12.7062 |a - b| / 2
    assert table.loc[(0.3, "last"), "mean"] == pytest.approx(0.35)
    assert table.loc[(0.3, "last"), "half"] == pytest.approx(12.7062047 * 0.05)
    assert table.loc[(0.3, "validation"), "mean"] == pytest.approx(0.15)
    assert table.loc[(0.3, "validation"), "half"] == pytest.approx(12.7062047 * 0.15)
