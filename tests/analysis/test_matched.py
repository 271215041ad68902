"""Regularisers at equal entropy: paired differences by hand, and their words."""

import math

import pandas as pd
import pytest

from entreg_utils.analysis import compare as matched


def rows(scores, entropies=(0.0, 1.0, 2.0)):
    """One regulariser: seed -> its score at each of the entropies."""
    return pd.DataFrame(
        [
            {"epsilon": i / 10, "seed": seed, "entropy": h, "pxap": s}
            for seed, own in scores.items()
            for i, (h, s) in enumerate(zip(entropies, own, strict=True))
        ]
    )


ER = rows({0: (0.4, 0.5, 0.7), 1: (0.5, 0.6, 0.8)})
TABLES = {
    "kl_uniform": ER,
    # at 1.5 nats 0.1 and 0.12 below ER: mean -0.11, half-width 12.706 * 0.01
    "jeffreys": rows({0: (0.4, 0.4, 0.6), 1: (0.5, 0.46, 0.70)}),
    "jsd": rows({0: (0.4, 0.45, 0.55), 1: (0.5, 0.55, 0.65)}),  # 0.1 below, both seeds
    "confidence_penalty": rows({0: (0.4, 0.5, 0.7), 1: (0.5, 0.6, 0.8)}, (0.0, 0.5, 1.2)),
}


def test_differences_by_seed_have_a_row_a_pair():
    each = matched.differences_by_seed(TABLES, ["pxap"], [1.5])
    assert list(each.columns) == ["score", "entropy", "regularizer", "seed", "value", "change"]
    named = {name: own.set_index("seed") for name, own in each.groupby("regularizer")}
    assert list(named) == ["jeffreys", "jsd", "kl_uniform"]  # confidence penalty ends at 1.2
    assert named["jeffreys"].value.to_dict() == pytest.approx({0: 0.5, 1: 0.58})
    assert named["jeffreys"].change.to_dict() == pytest.approx({0: -0.1, 1: -0.12})
    assert named["kl_uniform"].change.tolist() == [0, 0]


def test_differences_are_taken_seed_by_seed():
    table = matched.differences(TABLES, ["pxap"], [1.5])
    er, jeffreys = table.loc[("pxap", 1.5, "kl_uniform")], table.loc[("pxap", 1.5, "jeffreys")]
    assert er.value == pytest.approx((0.6 + 0.7) / 2) and er.change == 0 and er.verdict == ""
    assert jeffreys.value == pytest.approx((0.5 + 0.58) / 2)
    assert jeffreys.change == pytest.approx(-0.11)
    assert jeffreys.half == pytest.approx(12.7062047 * 0.01)
    assert jeffreys.verdict == "contains 0" and jeffreys.seeds == 2
    assert table.loc[("pxap", 1.5, "jsd")].verdict == "lower"


def test_an_entropy_that_is_not_reached_gives_no_number():
    row = matched.differences(TABLES, ["pxap"], [1.5]).loc[("pxap", 1.5, "confidence_penalty")]
    assert row.verdict == matched.MISSED and row.seeds == 0
    assert math.isnan(row.value) and math.isnan(row.change) and math.isnan(row.half)


def test_one_seed_that_reaches_it_is_no_interval():
    short = rows({0: (0.4, 0.5, 0.7)})
    short = pd.concat([short, rows({1: (0.4, 0.5)}, (0.0, 1.0))])
    table = matched.differences({"kl_uniform": ER, "jsd": short}, ["pxap"], [1.5])
    assert table.loc[("pxap", 1.5, "jsd")].verdict == matched.MISSED
    assert table.loc[("pxap", 1.5, "jsd")].seeds == 0
    each = matched.differences_by_seed({"kl_uniform": ER, "jsd": short}, ["pxap"], [1.5])
    assert set(each.regularizer) == {"kl_uniform"}


def test_only_seeds_of_both_are_paired():
    more = pd.concat([ER, rows({7: (0.9, 0.9, 0.9)})])
    table = matched.differences({"kl_uniform": more, "jsd": TABLES["jsd"]}, ["pxap"], [1.0])
    row = table.loc[("pxap", 1.0, "jsd")]
    assert row.seeds == 2 and row.change == pytest.approx(-0.05)
    assert table.loc[("pxap", 1.0, "kl_uniform")].seeds == 3


def test_a_gain_is_higher():
    swapped = {"kl_uniform": TABLES["jsd"], "jsd": ER}
    table = matched.differences(swapped, ["pxap"], [2.0])
    assert table.loc[("pxap", 2.0, "jsd")].verdict == "higher"


def test_without_er_there_is_nothing_to_compare_to():
    with pytest.raises(KeyError):
        matched.differences({"jsd": ER}, ["pxap"], [1.0])


def test_tally_counts_and_says_what_chance_gives():
    table = matched.differences(TABLES, ["pxap"], [1.5])
    assert matched.tally(table) == (
        "Of 2 paired differences to ER 1 have an interval without zero; without any difference one "
        "expects 0.1. 1 could not be taken: that entropy was not reached."
    )
    whole = table.drop("confidence_penalty", level="regularizer")
    assert matched.tally(whole).endswith("expects 0.1.")


def test_verdicts_say_where():
    table = matched.differences(TABLES, ["pxap"], [1.0, 1.5])
    assert matched.verdicts(table, "pxap") == [
        "Jeffreys: interval contains 0 at 1.00, 1.50 nats",
        "JSD: lower than ER at 1.00, 1.50 nats",
        "confidence penalty: higher than ER at 1.00 nats; 1.50 nats not reached",
    ]


def test_readable_has_value_and_difference():
    text = matched.readable(matched.differences(TABLES, ["pxap"], [1.5]), {"pxap": "PxAP"})
    assert text.loc[("1.50", "ER, label smoothing"), "PxAP"] == "0.650"
    assert text.loc[("1.50", "Jeffreys"), "PxAP"] == "0.540 (-0.110 ± 0.127)"
    assert text.loc[("1.50", "confidence penalty"), "PxAP"] == matched.MISSED


def test_an_own_regulariser_is_called_as_one_likes_or_by_its_own_name():
    table = matched.differences({"kl_uniform": ER, "mine:f": TABLES["jsd"]}, ["pxap"], [1.5])
    for names in (matched.NAMES, matched.NAMES | {"mine:f": "Mine"}):
        title = names.get("mine:f", "mine:f")
        assert matched.verdicts(table, "pxap", names) == [f"{title}: lower than ER at 1.50 nats"]
        text = matched.readable(table, {"pxap": "PxAP"}, names)
        assert text.loc[("1.50", title), "PxAP"] == "0.550 (-0.100 ± 0.000)"
