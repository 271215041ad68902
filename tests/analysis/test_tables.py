"""Numbers from runs written by hand: tables, Student intervals, choices, epochs that are kept."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from entreg_utils import analysis
from entreg_utils.analysis import tables
from entreg_utils.experiments import Config, Run, grids

SCORES = {name: 0.5 for name in analysis.HEADLINE}


def made(epsilon, seed, history=None, **metrics):
    """A run whose numbers are given."""
    return Run(
        config=grids.er(epsilon, seed),
        history=pd.DataFrame({"epoch": [1], "loss": [0.0]} if history is None else history),
        metrics=SCORES | metrics,
        provenance={},
        panel=[0],
        maps=np.zeros((1, 1, 2, 2), dtype=np.float32),
        weights_sha256="",
    )


# ---- tables


def test_the_long_table_has_a_row_for_each_score_where_it_was_measured():
    history = {"epoch": [1, 2], "loss": [2.0, 1.0], "val_pxap": [0.3, 0.4], "test_pxap": [0.1, 0.2]}
    scores = {"pxap_best": 0.45, "val_accuracy": 0.9, "val_accuracy_best": 0.8}
    first = replace(made(0.5, 2, history, **scores), selection={"epoch": 1})
    table = analysis.table([first, made(0.0, 1, pxap=0.6)])
    columns = "epsilon seed regularizer strength split checkpoint epoch score value"
    assert list(table.columns) == columns.split()
    own = table[table.epsilon == 0.5]
    assert set(own.seed) == {2} and set(own.strength) == {1.0}
    places = own.groupby(["split", "checkpoint", "score"])[["epoch", "value"]]
    found = {place: rows.to_numpy().tolist() for place, rows in places}
    assert found == {("test", "last", name): [[2, 0.5]] for name in SCORES} | {
        ("test", "best", "pxap"): [[1, 0.45]],
        ("val", "last", "accuracy"): [[2, 0.9]],
        ("val", "best", "accuracy"): [[1, 0.8]],
        ("val", "each", "pxap"): [[1, 0.3], [2, 0.4]],
        ("test", "each", "pxap"): [[1, 0.1], [2, 0.2]],
        ("train", "each", "loss"): [[1, 2.0], [2, 1.0]],
    }
    other = table[table.epsilon == 0]
    assert other[other.score == "pxap"].value.tolist() == [0.6]


def test_settings_that_are_lists_have_columns_too():
    run = made(0.0, 0)
    sides = replace(run.config, method="has", erase_sides=(8, 16))
    table = analysis.table([replace(run, config=sides), run])
    assert table.method.unique().tolist() == ["has", "cam"]
    assert table.erase_sides[0] == [8, 16] and table.erase_sides.iloc[-1] is None


def test_a_row_a_run_with_the_method_where_it_differs_and_a_row_an_epoch():
    history = {"epoch": [1, 2], "loss": [2.0, 1.0]}
    runs = [made(0.5, 2, history, pxap=0.7), made(0.0, 1, history, pxap=0.6)]
    table = analysis.final(runs)
    assert table[["epsilon", "seed", "pxap"]].to_numpy().tolist() == [[0.5, 2, 0.7], [0, 1, 0.6]]
    assert runs[0].config == Config(regularizer="kl_uniform", strength=1.0, seed=2)
    assert "method" not in table
    each = analysis.history(runs)
    assert each.index.tolist() == [0, 1, 2, 3] and each.loss.tolist() == [2, 1, 2, 1]
    assert each.epsilon.tolist() == [0.5, 0.5, 0, 0] and each.seed.tolist() == [2, 2, 1, 1]
    runs[0] = replace(runs[0], config=replace(runs[0].config, method="adl"))
    assert analysis.final(runs).method.tolist() == ["adl", "cam"]


# ---- intervals


def test_mean_and_half_width_by_hand():
    # three values 1, 2, 3: mean 2, s = 1, t_2 = 4.302653 at 97.5 %, half = t / sqrt(3)
    # two values 4, 6: mean 5, s = sqrt 2, t_1 = 12.706205, half = t
    table = pd.DataFrame(
        {"epsilon": [0.5, 0, 0.5, 0, 0.5], "seed": [0, 0, 1, 1, 2], "x": [1.0, 4, 3, 6, 2]}
    )
    summary = analysis.over_seeds(table)
    assert summary.index.tolist() == [0, 0.5] and "seed" not in summary
    assert summary["x"]["mean"].tolist() == [5, 2]
    halves = [12.7062047362, 4.3026527297 / math.sqrt(3)]
    np.testing.assert_allclose(summary["x"]["half"], halves, rtol=1e-9)
    by_two = analysis.over_seeds(table.assign(epoch=[1, 1, 1, 1, 2]), ("epsilon", "epoch"))
    assert by_two["x"]["mean"].to_dict() == {(0, 1): 5, (0.5, 1): 2, (0.5, 2): 2}


def test_one_seed_and_a_score_that_an_older_record_lacks_have_no_interval():
    runs = [made(0.5, 0), made(0.5, 1, lit_recall=0.25), made(0.5, 2, lit_recall=0.75)]
    summary = analysis.over_seeds(analysis.final([*runs, made(0.0, 0, pxap=0.7)]))
    assert summary["pxap", "mean"][0.0] == 0.7 and math.isnan(summary["pxap", "half"][0.0])
    assert summary["lit_recall", "mean"][0.5] == 0.5
    assert math.isnan(summary["lit_recall", "half"][0.5]) and summary["pxap", "half"][0.5] == 0


def test_changes_are_taken_seed_by_seed_within_each_group():
    table = pd.DataFrame({"method": ["cam"] * 4 + ["has"] * 4, "seed": [0, 0, 1, 1] * 2})
    table = table.assign(epsilon=[0, 0.8] * 4, pxap=[0.4, 0.5, 0.5, 0.8, 0.3, 0.3, 0.4, 0.5])
    change = analysis.paired(table, "pxap", 0.0, 0.8)
    assert change["mean"].to_dict() == pytest.approx({"cam": 0.2, "has": 0.05})
    # differences 0.1 and 0.3: t_1 = 12.7062 times 0.1
    assert change["half"]["cam"] == pytest.approx(1.27062, rel=1e-4)
    with pytest.raises(ValueError, match="method 'has' has no pair of runs at seed 1"):
        analysis.paired(table[:-1], "pxap", 0.0, 0.8)


def test_a_score_at_an_entropy_lies_between_the_runs_around_it():
    table = pd.DataFrame(
        {"seed": [0, 0, 1, 1], "entropy": [2.0, 1.0, 1.0, 1.2], "pxap": [0.8, 0.4, 0.5, 0.5]}
    )
    found = analysis.at_entropy(table, "pxap", 1.25)
    assert found[0] == pytest.approx(0.5) and np.isnan(found[1])  # nothing is extrapolated


# ---- choices


def test_choice_is_by_the_mean_on_validation_and_never_on_test():
    rows = [(0.0, 0.9, 0.9, 0.9), (0.0, 0.1, 0.9, 0.9), (0.5, 0.6, 0.1, 0.8), (0.5, 0.6, 0.1, 0.8)]
    runs = [
        made(epsilon, seed % 2, val_pxap=val, pxap=test, val_accuracy=right)
        for seed, (epsilon, val, test, right) in enumerate(rows)
    ]
    assert analysis.choose(runs) == 0.5  # 0.6 against 0.5: neither the best run nor the test
    assert analysis.choose(runs, "val_accuracy") == 0.0
    assert tables.criterion(runs) == "val_pxap"
    for score in ("pxap", "accuracy", "max_box_acc"):
        with pytest.raises(ValueError, match="measured on test: choose by val_pxap"):
            analysis.choose(runs, score)


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


def test_each_rule_keeps_its_epoch_and_what_choosing_on_test_adds():
    rules = analysis.by_checkpoint(history(), "x")
    assert list(rules.columns) == ["last", "validation", "test"]
    assert rules.loc[(0.3, 0)].tolist() == [0.5, 0.6, 0.9]
    assert rules.loc[(0.3, 1)].tolist() == [0.4, 0.7, 0.7]
    assert analysis.by_checkpoint(history(), "y", "x").loc[(0.3, 0)].tolist() == [5, 6, 9]
    flat = history().assign(val_x=0.5)  # the earliest of equal epochs
    assert analysis.by_checkpoint(flat, "x").loc[(0.3, 0)].tolist() == [0.5, 0.9, 0.9]
    table = analysis.optimism(rules).loc[0.3]
    # test - last: 0.4, 0.3; test - validation: 0.3, 0.0; t_1 s / sqrt 2 = 12.7062 |a - b| / 2
    assert table.loc["last"].tolist() == pytest.approx([0.35, 12.7062047 * 0.05])
    assert table.loc["validation"].tolist() == pytest.approx([0.15, 12.7062047 * 0.15])


@pytest.mark.parametrize("how", ["absent", "holes"])
def test_test_must_have_been_watched(how):
    table = history().drop(columns="test_x") if how == "absent" else history()
    if how == "holes":
        table.loc[0, "test_x"] = np.nan
    with pytest.raises(ValueError, match="test_x.*was test watched"):
        analysis.by_checkpoint(table, "x")
