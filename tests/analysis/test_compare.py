"""Runs beside runs: outcomes, changes with intervals, groups, matched entropy, by hand."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from entreg_utils import analysis
from entreg_utils.analysis import compare as comparisons
from entreg_utils.experiments import Config, plans, store


def made(seed, right, hits, tau=0.5, **more):
    """A run of four images with these outcomes; ``hits`` (4,) hold above the threshold 0.3."""
    table = np.zeros((4, 1000), bool)
    table[:, 300:] = np.array(hits, bool)[:, None]
    return SimpleNamespace(
        config=SimpleNamespace(seed=seed, sigma=0.15, **more),
        metrics={"box_threshold": tau},
        outcomes={
            "right": np.array(right, bool),
            "hits": table,
            "centre_box": np.array([1, 0, 0, 0], bool),
        },
    )


PLAIN = [made(0, [1, 1, 0, 0], [1, 0, 0, 0]), made(1, [1, 1, 1, 0], [1, 1, 0, 0])]
TREATED = [made(1, [1, 1, 1, 1], [1, 1, 1, 0]), made(0, [1, 0, 0, 0], [1, 1, 1, 0])]


def test_each_score_is_what_an_image_adds():
    assert comparisons.outcomes(PLAIN, "accuracy").tolist() == [[1, 1, 0, 0], [1, 1, 1, 0]]
    assert not comparisons.outcomes(PLAIN, "gt_known").any()  # 0.15 lies below
    assert comparisons.outcomes(PLAIN, "max_box_acc_carried").sum() == 3
    assert comparisons.outcomes(PLAIN, "max_box_acc").shape == (2, 4, 1000)
    high = [made(0, [1] * 4, [1, 0, 1, 0])]
    high[0].config.sigma = 0.9996  # nearer to 1 than to the last column's 0.999
    assert comparisons.outcomes(high, "gt_known").tolist() == [[1, 0, 1, 0]]
    both = comparisons.outcomes(TREATED, "top1_loc_carried")
    assert both.tolist() == [[1, 0, 0, 0], [1, 1, 1, 0]]  # sorted by seed


def test_a_change_is_paired_by_seed_whatever_the_order():
    found = comparisons.change(PLAIN, TREATED, "max_box_acc")
    assert (found["plain"], found["treated"], found["seeds"]) == (0.375, 0.75, 2)
    assert found["change"] == pytest.approx(0.375) and found["low"] >= 0
    # differences 0.5 and 0.25: s = 0.1768, half-width 12.706 s / sqrt 2
    assert found["half"] == pytest.approx(12.706 * 0.25 / 2, rel=1e-4)


def test_a_box_for_all_stands_beside_the_best_of_many_thresholds():
    found = comparisons.change(TREATED, TREATED, "max_box_acc", against="centre_box")
    assert found["plain"] == 0.25 and found["change"] == pytest.approx(0.5)


def test_changes_are_a_table():
    table = comparisons.changes(PLAIN, {"er": TREATED}, ["accuracy", "max_box_acc"])
    assert table.index.tolist() == [("er", "accuracy"), ("er", "max_box_acc")]
    assert table.loc[("er", "accuracy"), "change"] == pytest.approx(0.0)


def test_a_change_is_said_in_points():
    found = {"change": 0.0184, "low": -0.0005, "high": 0.037, "half": 0.022}
    assert comparisons.points(found) == "+1.8 (-0.1 to +3.7; seeds ±2.2)"
    assert comparisons.points(found | {"half": np.nan}) == "+1.8 (-0.1 to +3.7)"
    pooled = found | {"low": np.nan, "high": np.nan}
    assert comparisons.points(pooled) == "+1.8 (seeds ±2.2)"


@pytest.mark.parametrize(
    ("low", "high", "half", "expected"),
    [
        (0.01, 0.03, 0.01, 1),
        (0.01, 0.03, 0.03, 0),  # the seeds say nothing
        (-0.01, 0.05, 0.01, 0),  # the images say nothing
        (np.nan, np.nan, 0.01, 1),  # pooled
        (np.nan, np.nan, np.nan, 0),  # one seed
    ],
)
def test_a_change_is_clear_where_each_of_its_intervals_is(low, high, half, expected):
    found = {"change": 0.02, "low": low, "high": high, "half": half}
    assert comparisons.clear(found) == expected
    turned = {"change": -0.02, "low": -high, "high": -low, "half": half}
    assert comparisons.clear(turned) == -expected


def test_pixels_are_means_over_the_maps_that_all_runs_have_and_pooled_metrics_have_seeds_alone():
    def run(seed, ap, pxap):
        outcomes = {"pixel_ap": np.array(ap, np.float16)}
        return SimpleNamespace(
            config=SimpleNamespace(seed=seed), metrics={"pxap": pxap}, outcomes=outcomes
        )

    nan = np.nan
    plain = [run(0, [0.25, 0.5, nan, 1.0], 0.3), run(1, [0.5, 0.5, 0.5, 0.5], 0.5)]
    treated = [run(0, [0.5, nan, 0.75, 1.0], 0.4), run(1, [0.5, 0.5, 0.5, 0.75], 0.7)]
    found = comparisons.change(plain, treated, "map_pxap")  # over the first and the last map
    assert found["plain"] == pytest.approx((0.625 + 0.5) / 2)
    assert found["treated"] == pytest.approx((0.75 + 0.625) / 2) and found["low"] >= 0
    found = comparisons.change(plain, treated, "pxap")
    assert found["change"] == pytest.approx(0.15) and np.isnan(found["low"])
    assert found["half"] == pytest.approx(12.706 * 0.05, rel=1e-4)  # differences 0.1 and 0.2
    with pytest.raises(ValueError, match="unknown score 'nothing': known are .*pxap"):
        comparisons.change(plain, treated, "nothing")


def test_pairs_that_are_none_are_refused():
    with pytest.raises(ValueError, match="the same seeds"):
        comparisons.change(PLAIN, TREATED[:1], "accuracy")
    with pytest.raises(ValueError, match="one run a seed"):
        comparisons.outcomes([PLAIN[0], PLAIN[0]], "accuracy")
    with pytest.raises(ValueError, match="unknown score 'pxap'"):
        comparisons.outcomes(PLAIN, "pxap")
    world = SimpleNamespace(config=SimpleNamespace(seed=0), outcomes={})
    with pytest.raises(ValueError, match="hold no outcomes of accuracy"):
        comparisons.outcomes([world], "accuracy")


def test_groups_keep_their_order():
    runs = [made(s, [1] * 4, [1] * 4, method=m) for m in ("has", "cam") for s in (0, 1)]
    groups = comparisons.by(runs, "method")
    assert list(groups) == [("has",), ("cam",)] and groups[("has",)] == runs[:2]


def test_a_score_at_an_entropy_lies_between_the_runs_around_it():
    table = pd.DataFrame(
        {"seed": [0, 0, 1, 1], "entropy": [2.0, 1.0, 1.0, 1.2], "pxap": [0.8, 0.4, 0.5, 0.5]}
    )
    found = analysis.at_entropy(table, "pxap", 1.25)
    assert found[0] == pytest.approx(0.5) and np.isnan(found[1])  # nothing is extrapolated


def test_only_what_is_stored_is_loaded(monkeypatch):
    here, absent = Config(seed=1), Config(seed=77)
    monkeypatch.setattr(store, "find", lambda config: {} if config == here else None)
    monkeypatch.setattr(comparisons, "run", lambda config: SimpleNamespace(config=config))
    assert [one.config for one in comparisons.stored([absent, here])] == [here]


def test_complete_leaves_out_groups_without_all_seeds(monkeypatch):
    halved = Config(regularizer="kl_uniform", strength=1.0)
    here = [SimpleNamespace(config=Config(seed=s)) for s in (0, 1, 2)]
    half = [SimpleNamespace(config=replace(halved, seed=s)) for s in (0, 1)]
    plan = SimpleNamespace(configs=[r.config for r in here + half] + [Config(seed=9)])
    monkeypatch.setattr(plans, "load", lambda name: plan)
    monkeypatch.setattr(comparisons, "stored", lambda configs: here + half)
    groups, said = comparisons.complete("mine", "epsilon")
    assert groups == {(0.0,): here}
    command = "python -m entreg_utils sweep mine"
    lacking = "2 that are here lack a seed beside them"
    assert said == f"1 of 6 runs not run here: {command}; {lacking}"
    plan.configs.pop()
    assert comparisons.complete("mine", "epsilon")[1] == f"mine: all runs are here; {lacking}"
    plan.configs = [r.config for r in here]
    monkeypatch.setattr(comparisons, "stored", lambda configs: here)
    assert comparisons.complete("mine", "epsilon")[1] == ""


# ---- the epoch that each rule keeps, and what choosing on test adds


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
    rules = analysis.by_checkpoint(history(), "x")
    assert list(rules.columns) == ["last", "validation", "test"]
    assert rules.loc[(0.3, 0)].tolist() == [0.5, 0.6, 0.9]
    assert rules.loc[(0.3, 1)].tolist() == [0.4, 0.7, 0.7]


def test_another_criterion_chooses_and_the_score_is_reported():
    rules = analysis.by_checkpoint(history(), "y", "x")
    assert rules.loc[(0.3, 0)].tolist() == [5, 6, 9]


def test_equal_epochs_give_the_earliest():
    flat = history().assign(val_x=0.5)
    assert analysis.by_checkpoint(flat, "x").loc[(0.3, 0)].tolist() == [0.5, 0.9, 0.9]


@pytest.mark.parametrize("how", ["absent", "holes"])
def test_test_must_have_been_watched(how):
    table = history()
    if how == "absent":
        table = table.drop(columns="test_x")
    else:
        table.loc[0, "test_x"] = np.nan
    with pytest.raises(ValueError, match="test_x.*was test watched"):
        analysis.by_checkpoint(table, "x")


def test_optimism_is_taken_seed_by_seed():
    table = analysis.optimism(analysis.by_checkpoint(history(), "x"))
    # test - last: 0.4, 0.3; test - validation: 0.3, 0.0; t_1 s / sqrt 2 = 12.7062 |a - b| / 2
    assert table.loc[(0.3, "last"), "mean"] == pytest.approx(0.35)
    assert table.loc[(0.3, "last"), "half"] == pytest.approx(12.7062047 * 0.05)
    assert table.loc[(0.3, "validation"), "mean"] == pytest.approx(0.15)
    assert table.loc[(0.3, "validation"), "half"] == pytest.approx(12.7062047 * 0.15)
