"""Tables from runs written by hand: means, Student intervals, choices, baselines."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from entreg_utils.analysis import reports, tables
from entreg_utils.experiments import Config, Run, grids

SCORES = {name: 0.5 for name in reports.HEADLINE}


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


def test_the_long_table_has_a_row_for_each_score_where_it_was_measured():
    history = {"epoch": [1, 2], "loss": [2.0, 1.0], "val_pxap": [0.3, 0.4], "test_pxap": [0.1, 0.2]}
    scores = {"pxap_best": 0.45, "val_accuracy": 0.9, "val_accuracy_best": 0.8}
    first = replace(made(0.5, 2, history, **scores), selection={"epoch": 1})
    table = tables.table([first, made(0.0, 1, pxap=0.6)])
    columns = "epsilon seed regularizer strength split checkpoint epoch score value"
    assert list(table.columns) == columns.split()
    own = table[table.epsilon == 0.5]
    assert set(own.seed) == {2} and set(own.strength) == {1.0}

    def at(split, checkpoint, score):
        rows = own[(own.split == split) & (own.checkpoint == checkpoint) & (own.score == score)]
        return list(zip(rows.epoch, rows.value, strict=True))

    assert at("test", "last", "pxap") == [(2, 0.5)] and at("test", "best", "pxap") == [(1, 0.45)]
    assert at("val", "last", "accuracy") == [(2, 0.9)]
    assert at("val", "best", "accuracy") == [(1, 0.8)]
    assert at("val", "each", "pxap") == [(1, 0.3), (2, 0.4)]
    assert at("test", "each", "pxap") == [(1, 0.1), (2, 0.2)]
    assert at("train", "each", "loss") == [(1, 2.0), (2, 1.0)]
    assert len(own) == len(SCORES) + 3 + 6
    other = table[table.epsilon == 0]
    assert other[other.score == "pxap"].value.tolist() == [0.6]


def test_settings_that_are_lists_have_columns_too():
    first, second = made(0.0, 0), made(0.0, 0)
    sides = replace(first.config, method="has", erase_sides=(8, 16))
    table = tables.table([replace(first, config=sides), second])
    assert table.method.unique().tolist() == ["has", "cam"]
    assert table.erase_sides[0] == [8, 16] and table.erase_sides.iloc[-1] is None


def test_a_row_a_run_with_the_method_where_it_differs():
    runs = [made(0.5, 2, pxap=0.7), made(0.0, 1, pxap=0.6)]
    table = tables.final(runs)
    assert table.epsilon.tolist() == [0.5, 0.0]
    assert table.seed.tolist() == [2, 1]
    assert table.pxap.tolist() == [0.7, 0.6] and "method" not in table
    runs[0] = replace(runs[0], config=replace(runs[0].config, method="adl"))
    assert tables.final(runs).method.tolist() == ["adl", "cam"]


def test_histories_have_a_row_a_run_and_epoch():
    first = made(0.5, 0, {"epoch": [1, 2], "loss": [2.0, 1.0]})
    second = made(0.0, 3, {"epoch": [1, 2], "loss": [4.0, 3.0]})
    table = tables.history([first, second])
    assert table.index.tolist() == [0, 1, 2, 3]
    assert table.epsilon.tolist() == [0.5, 0.5, 0, 0]
    assert table.seed.tolist() == [0, 0, 3, 3]
    assert table.loss.tolist() == [2, 1, 4, 3]


def test_mean_and_half_width_by_hand():
    # three values 1, 2, 3: mean 2, s = 1, t_2 = 4.302653 at 97.5 %, half = t / sqrt(3)
    # two values 4, 6: mean 5, s = sqrt 2, t_1 = 12.706205, half = t
    table = pd.DataFrame(
        {"epsilon": [0.5, 0, 0.5, 0, 0.5], "seed": [0, 0, 1, 1, 2], "x": [1.0, 4, 3, 6, 2]}
    )
    summary = tables.over_seeds(table)
    assert summary.index.tolist() == [0, 0.5]
    assert summary["x"]["mean"].tolist() == [5, 2]
    np.testing.assert_allclose(
        summary["x"]["half"], [12.7062047362, 4.3026527297 / math.sqrt(3)], rtol=1e-9
    )
    assert "seed" not in summary


def test_over_seeds_by_two_columns():
    table = pd.DataFrame(
        {"epsilon": [0.0] * 4, "epoch": [1, 1, 2, 2], "seed": [0, 1] * 2, "x": [1.0, 3, 5, 5]}
    )
    summary = tables.over_seeds(table, ("epsilon", "epoch"))
    assert summary["x"]["mean"].to_dict() == {(0.0, 1): 2, (0.0, 2): 5}
    assert summary["x"]["half"][0.0, 2] == 0


def test_one_seed_has_no_interval():
    summary = tables.over_seeds(tables.final([made(0.0, 0, pxap=0.7)]))
    assert summary["pxap"]["mean"][0.0] == 0.7 and math.isnan(summary["pxap"]["half"][0.0])
    runs = [made(0.0, 0, pxap=0.7), made(0.5, 0), made(0.5, 1)]
    assert reports.headline(runs)["PxAP"].tolist() == ["0.700", "0.500 ± 0.000"]


def test_a_score_that_an_older_record_lacks_has_no_interval_and_stops_no_other():
    runs = [made(0.5, 0), made(0.5, 1, lit_recall=0.25), made(0.5, 2, lit_recall=0.75)]
    summary = tables.over_seeds(tables.final(runs)).loc[0.5]
    assert summary["lit_recall", "mean"] == 0.5 and math.isnan(summary["lit_recall", "half"])
    assert summary["pxap", "half"] == 0


def test_changes_are_taken_seed_by_seed_within_each_group():
    rows = [("cam", 0, 0.4, 0.5), ("cam", 1, 0.5, 0.8), ("has", 0, 0.3, 0.3), ("has", 1, 0.4, 0.5)]
    table = pd.DataFrame(
        [
            {"method": method, "seed": seed, "epsilon": epsilon, "pxap": score}
            for method, seed, *scores in rows
            for epsilon, score in zip((0.0, 0.8), scores, strict=True)
        ]
    )
    change = tables.paired(table, "pxap", 0.0, 0.8)
    assert change["mean"].to_dict() == pytest.approx({"cam": 0.2, "has": 0.05})
    # differences 0.1 and 0.3: t_1 = 12.7062 times 0.1
    assert change["half"]["cam"] == pytest.approx(1.27062, rel=1e-4)
    with pytest.raises(ValueError, match="method 'has' has no pair of runs at seed 1"):
        tables.paired(table[:-1], "pxap", 0.0, 0.8)


def test_headline_prints_mean_and_half_width():
    scores = [0.70, 0.72, 0.74]  # s = 0.02, half = 4.302653 * 0.02 / sqrt 3 = 0.0497
    runs = [made(0.5, seed, pxap=score) for seed, score in enumerate(scores)]
    runs += [made(0.0, seed, accuracy=1.0) for seed in range(3)]
    table = reports.headline(runs)
    assert table.index.name == "ε"
    assert table.index.tolist() == [0.0, 0.5]
    assert list(table.columns) == list(reports.HEADLINE.values())
    assert table["PxAP"].tolist() == ["0.500 ± 0.000", "0.720 ± 0.050"]
    assert table["accuracy"].tolist() == ["1.000 ± 0.000", "0.500 ± 0.000"]


def test_headline_names_are_metrics_of_a_run():
    assert set(reports.HEADLINE) <= set(reports.RULES)


def test_choice_is_by_the_mean_on_validation():
    runs = [
        made(0.0, 0, val_pxap=0.9, pxap=0.9, val_accuracy=0.9),
        made(0.0, 1, val_pxap=0.1, pxap=0.9, val_accuracy=0.9),
        made(0.5, 0, val_pxap=0.6, pxap=0.1, val_accuracy=0.8),
        made(0.5, 1, val_pxap=0.6, pxap=0.1, val_accuracy=0.8),
    ]
    assert tables.choose(runs) == 0.5  # 0.6 against 0.5, although the best run and the test differ
    assert tables.choose(runs, "val_accuracy") == 0.0


@pytest.mark.parametrize("score", ["pxap", "accuracy", "max_box_acc"])
def test_nothing_is_chosen_on_test(score):
    with pytest.raises(ValueError, match="measured on test: choose by val_pxap"):
        tables.choose([made(0.0, 0)], score)


@pytest.fixture
def dataset():
    """Two images of 8x8; the object fills the centre half of each side, its box ends at x + w."""
    mask = np.zeros((8, 8), bool)
    mask[2:6, 2:6] = True
    box = np.array([[2, 2, 6, 6]])
    return SimpleNamespace(
        frame=8, boxes_at=lambda size: [box, box], masks_at=lambda size: [(mask, None)] * 2
    )


def test_baselines_by_hand(dataset):
    table = reports.baselines(dataset)
    assert table.loc["constant map", "PxAP"] == "0.250"  # 16 of 64 pixels
    assert table.loc["centred box", "MaxBoxAcc (oracle)"] == "1.000"
    assert table.loc["constant map", "MaxBoxAcc (oracle)"] == "-"
    assert table.loc["centred box", "PxAP"] == "-"


def sweep_of(*scores, accuracy=(0.9, 0.9)):
    """Two seeds at ε = 0 and at ε = 0.5 with these PxAP, and the accuracy of each strength."""
    runs = []
    for epsilon, values, right in zip((0.0, 0.5), scores, accuracy, strict=True):
        for seed, value in enumerate(values):
            runs.append(
                made(epsilon, seed, pxap=value, accuracy=right, val_pxap=0.9 if epsilon else 0.1)
            )
    return runs


def test_verdict_says_whether_the_intervals_touch():
    # differences of 0.02 give half-widths of 12.706 x 0.01 = 0.127
    sentence = reports.verdict(sweep_of((0.39, 0.41), (0.69, 0.71), accuracy=(0.98, 0.96)))
    assert sentence == (
        "At ε = 0.5, chosen on validation, PxAP is 0.700 ± 0.127 against 0.400 ± 0.127 at ε = 0; "
        "the intervals do not touch; accuracy changes by -0.020; at ε = 0.5 PxAP is 0.700."
    )
    assert "the intervals overlap" in reports.verdict(sweep_of((0.39, 0.41), (0.64, 0.66)))
    # apart in the other direction: PxAP is lower at the chosen strength, and the numbers say so
    assert "the intervals do not touch" in reports.verdict(sweep_of((0.69, 0.71), (0.19, 0.21)))


def test_markdown_puts_the_index_first():
    table = pd.DataFrame({"a": ["1", "2"], "b": ["x", "y"]}, index=pd.Index(["p", "q"], name="ε"))
    assert (
        reports.markdown(table)
        == "| ε | a | b |\n| --- | --- | --- |\n| p | 1 | x |\n| q | 2 | y |"
    )


def test_report_has_scores_baselines_and_verdict(dataset):
    runs = sweep_of((0.4, 0.4), (0.7, 0.7))
    lines = reports.report(runs, dataset).splitlines()
    assert lines[0] == "| ε | " + " | ".join(reports.HEADLINE.values()) + " |"
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[2:6]]
    assert [row[0] for row in cells] == ["0", "0.5", "centred box", "constant map"]
    pxap = 1 + list(reports.HEADLINE).index("pxap")
    assert [row[pxap] for row in cells] == ["0.400 ± 0.000", "0.700 ± 0.000", "-", "0.250"]
    assert all(len(row) == 1 + len(reports.HEADLINE) for row in cells)
    assert lines[6:] == ["", reports.verdict(runs)]


def test_the_epsilon_of_a_row_is_that_of_the_loss():
    run = made(0.5, 0)
    assert run.config == Config(regularizer="kl_uniform", strength=1.0)
    assert tables.final([run]).epsilon[0] == 0.5
