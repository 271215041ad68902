"""Runs beside runs, by hand: outcomes, changes, groups, regularisers at equal entropy."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from entreg_utils import analysis
from entreg_utils.analysis import compare
from entreg_utils.experiments import Config, plans, store


def made(seed, right, hits, tau=0.5, **more):
    """A run of four images with these outcomes; ``hits`` (4,) hold above the threshold 0.3."""
    table = np.zeros((4, 1000), bool)
    table[:, 300:] = np.array(hits, bool)[:, None]
    centre = np.array([1, 0, 0, 0], bool)
    return SimpleNamespace(
        config=SimpleNamespace(seed=seed, sigma=0.15, **more),
        metrics={"box_threshold": tau},
        outcomes={"right": np.array(right, bool), "hits": table, "centre_box": centre},
    )


PLAIN = [made(0, [1, 1, 0, 0], [1, 0, 0, 0]), made(1, [1, 1, 1, 0], [1, 1, 0, 0])]
TREATED = [made(1, [1, 1, 1, 1], [1, 1, 1, 0]), made(0, [1, 0, 0, 0], [1, 1, 1, 0])]


def test_each_score_is_what_an_image_adds():
    assert analysis.outcomes(PLAIN, "accuracy").tolist() == [[1, 1, 0, 0], [1, 1, 1, 0]]
    assert not analysis.outcomes(PLAIN, "gt_known").any()  # 0.15 lies below
    assert analysis.outcomes(PLAIN, "max_box_acc_carried").sum() == 3
    assert analysis.outcomes(PLAIN, "max_box_acc").shape == (2, 4, 1000)
    high = [made(0, [1] * 4, [1, 0, 1, 0])]
    high[0].config.sigma = 0.9996  # nearer to 1 than to the last column's 0.999
    assert analysis.outcomes(high, "gt_known").tolist() == [[1, 0, 1, 0]]
    both = analysis.outcomes(TREATED, "top1_loc_carried")
    assert both.tolist() == [[1, 0, 0, 0], [1, 1, 1, 0]]  # sorted by seed


def test_a_change_is_paired_by_seed_whatever_the_order():
    found = analysis.change(PLAIN, TREATED, "max_box_acc")
    assert (found["plain"], found["treated"], found["seeds"]) == (0.375, 0.75, 2)
    assert found["change"] == pytest.approx(0.375) and found["low"] >= 0
    # differences 0.5 and 0.25: s = 0.1768, half-width 12.706 s / sqrt 2
    assert found["half"] == pytest.approx(12.706 * 0.25 / 2, rel=1e-4)
    # a box for all beside the best of many thresholds
    found = analysis.change(TREATED, TREATED, "max_box_acc", against="centre_box")
    assert found["plain"] == 0.25 and found["change"] == pytest.approx(0.5)
    table = analysis.changes(PLAIN, {"er": TREATED}, ["accuracy", "max_box_acc"])
    assert table.index.tolist() == [("er", "accuracy"), ("er", "max_box_acc")]
    assert table.loc[("er", "accuracy"), "change"] == pytest.approx(0.0)


@pytest.mark.parametrize(
    ("low", "high", "half", "clear", "said"),
    [
        (0.01, 0.03, 0.01, 1, "+2.0 (+1.0 to +3.0; seeds ±1.0)"),
        (0.01, 0.03, 0.03, 0, "+2.0 (+1.0 to +3.0; seeds ±3.0)"),  # the seeds say nothing
        (-0.01, 0.05, 0.01, 0, "+2.0 (-1.0 to +5.0; seeds ±1.0)"),  # the images say nothing
        (np.nan, np.nan, 0.01, 1, "+2.0 (seeds ±1.0)"),  # pooled
        (0.01, 0.03, np.nan, 0, "+2.0 (+1.0 to +3.0)"),  # one seed
        (np.nan, np.nan, np.nan, 0, "+2.0"),
    ],
)
def test_a_change_in_points_is_clear_where_each_of_its_intervals_is(low, high, half, clear, said):
    found = {"change": 0.02, "low": low, "high": high, "half": half}
    assert analysis.clear(found) == clear and analysis.points(found) == said
    turned = {"change": -0.02, "low": -high, "high": -low, "half": half}
    assert analysis.clear(turned) == -clear


def test_pixels_are_means_over_the_maps_that_all_runs_have_and_pooled_metrics_have_seeds_alone():
    def run(seed, ap, pxap):
        outcomes, config = {"pixel_ap": np.array(ap, np.float16)}, SimpleNamespace(seed=seed)
        return SimpleNamespace(config=config, metrics={"pxap": pxap}, outcomes=outcomes)

    nan = np.nan
    plain = [run(0, [0.25, 0.5, nan, 1.0], 0.3), run(1, [0.5, 0.5, 0.5, 0.5], 0.5)]
    treated = [run(0, [0.5, nan, 0.75, 1.0], 0.4), run(1, [0.5, 0.5, 0.5, 0.75], 0.7)]
    found = analysis.change(plain, treated, "map_pxap")  # over the first and the last map
    assert found["plain"] == pytest.approx((0.625 + 0.5) / 2)
    assert found["treated"] == pytest.approx((0.75 + 0.625) / 2) and found["low"] >= 0
    found = analysis.change(plain, treated, "pxap")
    assert found["change"] == pytest.approx(0.15) and np.isnan(found["low"])
    assert found["half"] == pytest.approx(12.706 * 0.05, rel=1e-4)  # differences 0.1 and 0.2
    with pytest.raises(ValueError, match="unknown score 'nothing': known are .*pxap"):
        analysis.change(plain, treated, "nothing")


def test_pairs_that_are_none_are_refused():
    with pytest.raises(ValueError, match="the same seeds"):
        analysis.change(PLAIN, TREATED[:1], "accuracy")
    with pytest.raises(ValueError, match="one run a seed"):
        analysis.outcomes([PLAIN[0], PLAIN[0]], "accuracy")
    with pytest.raises(ValueError, match="unknown score 'pxap'"):
        analysis.outcomes(PLAIN, "pxap")
    world = SimpleNamespace(config=SimpleNamespace(seed=0), outcomes={})
    with pytest.raises(ValueError, match="hold no outcomes of accuracy"):
        analysis.outcomes([world], "accuracy")


def test_groups_keep_their_order_and_only_what_is_stored_is_loaded(monkeypatch):
    runs = [made(s, [1] * 4, [1] * 4, method=m) for m in ("has", "cam") for s in (0, 1)]
    groups = analysis.by(runs, "method")
    assert list(groups) == [("has",), ("cam",)] and groups[("has",)] == runs[:2]
    here, absent = Config(seed=1), Config(seed=77)
    monkeypatch.setattr(store, "find", lambda config: {} if config == here else None)
    monkeypatch.setattr(compare, "run", lambda config: SimpleNamespace(config=config))
    assert [one.config for one in analysis.stored([absent, here])] == [here]


def test_complete_leaves_out_groups_without_all_seeds(monkeypatch):
    halved = Config(regularizer="kl_uniform", strength=1.0)
    here = [SimpleNamespace(config=Config(seed=s)) for s in (0, 1, 2)]
    half = [SimpleNamespace(config=replace(halved, seed=s)) for s in (0, 1)]
    plan = SimpleNamespace(configs=[r.config for r in here + half] + [Config(seed=9)])
    monkeypatch.setattr(plans, "load", lambda name: plan)
    monkeypatch.setattr(compare, "stored", lambda configs: here + half)
    groups, said = analysis.complete("mine", "epsilon")
    assert groups == {(0.0,): here}
    command = "python -m entreg_utils sweep mine"
    lacking = "2 that are here lack a seed beside them"
    assert said == f"1 of 6 runs not run here: {command}; {lacking}"
    plan.configs.pop()
    assert analysis.complete("mine", "epsilon")[1] == f"mine: all runs are here; {lacking}"
    plan.configs = [r.config for r in here]
    monkeypatch.setattr(compare, "stored", lambda configs: here)
    assert analysis.complete("mine", "epsilon")[1] == ""


# ---- regularisers at equal entropy


def rows(scores, entropies=(0.0, 1.0, 2.0)):
    """One regulariser: seed -> its score at each of the entropies."""
    return pd.DataFrame(
        {"epsilon": i / 10, "seed": seed, "entropy": h, "pxap": s}
        for seed, own in scores.items()
        for i, (h, s) in enumerate(zip(entropies, own, strict=True))
    )


ER = rows({0: (0.4, 0.5, 0.7), 1: (0.5, 0.6, 0.8)})
TABLES = {
    "kl_uniform": ER,
    # at 1.5 nats 0.1 and 0.12 below ER: mean -0.11, half-width 12.706 * 0.01
    "jeffreys": rows({0: (0.4, 0.4, 0.6), 1: (0.5, 0.46, 0.70)}),
    "jsd": rows({0: (0.4, 0.45, 0.55), 1: (0.5, 0.55, 0.65)}),  # 0.1 below, both seeds
    "confidence_penalty": rows({0: (0.4, 0.5, 0.7), 1: (0.5, 0.6, 0.8)}, (0.0, 0.5, 1.2)),
}


def test_differences_are_taken_seed_by_seed():
    each = analysis.differences_by_seed(TABLES, ["pxap"], [1.5])
    assert list(each.columns) == ["score", "entropy", "regularizer", "seed", "value", "change"]
    named = {name: own.set_index("seed") for name, own in each.groupby("regularizer")}
    assert list(named) == ["jeffreys", "jsd", "kl_uniform"]  # confidence penalty ends at 1.2
    assert named["jeffreys"].value.to_dict() == pytest.approx({0: 0.5, 1: 0.58})
    assert named["jeffreys"].change.to_dict() == pytest.approx({0: -0.1, 1: -0.12})
    assert named["kl_uniform"].change.tolist() == [0, 0]
    table = analysis.differences(TABLES, ["pxap"], [1.5]).loc["pxap", 1.5]
    assert table.verdict.to_dict() == {
        "kl_uniform": "",
        "jeffreys": analysis.INSIDE,
        "jsd": "lower",
        "confidence_penalty": analysis.MISSED,
    }
    assert table.seeds.tolist() == [2, 2, 2, 0]
    numbers = table[["value", "change", "half"]].T.to_dict("list")
    assert numbers["kl_uniform"] == pytest.approx([0.65, 0, np.nan], nan_ok=True)
    assert numbers["jeffreys"] == pytest.approx([0.54, -0.11, 12.7062047 * 0.01])
    assert np.isnan(numbers["confidence_penalty"]).all()
    with pytest.raises(KeyError):  # without ER there is nothing to compare to
        analysis.differences({"jsd": ER}, ["pxap"], [1.0])


@pytest.mark.parametrize(
    ("er", "jsd", "entropy", "verdict", "seeds"),
    [
        (TABLES["jsd"], ER, 2.0, "higher", 2),
        # a seed that reaches it alone is no interval; only seeds of both are paired
        (ER, pd.concat([ER[:3], rows({1: (0.4, 0.5)}, (0.0, 1.0))]), 1.5, analysis.MISSED, 0),
        (pd.concat([ER, rows({7: (0.9, 0.9, 0.9)})]), TABLES["jsd"], 1.0, "lower", 2),
    ],
)
def test_pairs_and_verdicts(er, jsd, entropy, verdict, seeds):
    table = analysis.differences({"kl_uniform": er, "jsd": jsd}, ["pxap"], [entropy])
    row = table.loc[("pxap", entropy, "jsd")]
    assert (row.verdict, row.seeds) == (verdict, seeds)


def test_differences_in_words():
    table = analysis.differences(TABLES, ["pxap"], [1.5])
    assert analysis.tally(table) == (
        "Of 2 paired differences to ER 1 have an interval without zero; without any difference one "
        "expects 0.1. 1 could not be taken: that entropy was not reached."
    )
    whole = table.drop("confidence_penalty", level="regularizer")
    assert analysis.tally(whole).endswith("expects 0.1.")
    assert analysis.verdicts(analysis.differences(TABLES, ["pxap"], [1.0, 1.5]), "pxap") == [
        "Jeffreys: interval contains 0 at 1.00, 1.50 nats",
        "JSD: lower than ER at 1.00, 1.50 nats",
        "confidence penalty: higher than ER at 1.00 nats; 1.50 nats not reached",
    ]
    text = analysis.readable(table, {"pxap": "PxAP"}).PxAP
    assert text["1.50", "ER, label smoothing"] == "0.650"
    assert text["1.50", "Jeffreys"] == "0.540 (-0.110 ± 0.127)"
    assert text["1.50", "confidence penalty"] == analysis.MISSED


def test_an_own_regulariser_is_called_as_one_likes_or_by_its_own_name():
    table = analysis.differences({"kl_uniform": ER, "mine:f": TABLES["jsd"]}, ["pxap"], [1.5])
    for names in (analysis.NAMES, analysis.NAMES | {"mine:f": "Mine"}):
        title = names.get("mine:f", "mine:f")
        assert analysis.verdicts(table, "pxap", names) == [f"{title}: lower than ER at 1.50 nats"]
        text = analysis.readable(table, {"pxap": "PxAP"}, names)
        assert text.loc[("1.50", title), "PxAP"] == "0.550 (-0.100 ± 0.000)"
