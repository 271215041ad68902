"""What runs and sweeps print, from made-up runs."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from entreg_utils import analysis
from entreg_utils.analysis import reports
from entreg_utils.experiments import Config, Run, grids, presets, run

CUB = presets.wsol_evaluation("cub", "resnet50").config()
SCORES = {"accuracy": 0.5, "entropy": 1.25, "max_box_acc": 0.6, "gt_known": 0.4, "centre_box": 0.59}


def made_up(config, selection=None, **metrics):
    return Run(config, pd.DataFrame(), SCORES | metrics, {}, [], np.zeros(0), "", selection)


# ---- one run


def test_each_number_of_a_run_has_its_rule(stored, tiny):
    result = run(tiny)
    rules = reports.rules_of(result)
    left_out = ("max_box_acc_max", "max_box_acc_pas", "max_box_acc_ivr", "ivr_percentile")
    wanted = {n for n in result.metrics if not n.endswith("_best") and not n.startswith(left_out)}
    assert set(rules) == wanted and set(analysis.HEADLINE) <= set(reports.RULES)
    lines = reports.scores_of(result, True).splitlines()
    assert lines[0] == "kl_uniform, ε = 0.5 (strength 1), seed 0: loaded"
    assert lines[1].startswith(
        "split: test of toy, 64 images; checkpoint: last (epoch 3); maps: of"
    )
    for name, (title, rule) in rules.items():
        line = next(one for one in lines if one.endswith(rule) and one.startswith(f"{title:22}"))
        assert f"{result.metrics[name]:8.3f}" in line
    assert any("fixed threshold 0.15; IoU 0.5" in line for line in lines)
    of_validation = [name.startswith("val_") for name in rules]
    assert any(of_validation) and of_validation == sorted(of_validation)  # they come last


def test_the_best_checkpoint_has_a_second_column_and_an_own_metric_its_own_name():
    config = Config(dataset="cub", model="resnet50", method="adl", sigma=0.2, epochs=30)
    chosen = {"criterion": "val_max_box_acc", "epoch": 12, "weights_sha256": "1"}
    result = made_up(config, chosen, gt_known_best=0.5, mine=3.0)
    lines = reports.scores_of(result, False).splitlines()
    assert lines[0] == "resnet50, adl, none, ε = 0 (strength 0), seed 0: trained now"
    assert lines[2] == "second column: checkpoint best by val_max_box_acc (epoch 12)"
    title, rule = reports.rules_of(result)["gt_known"]
    assert rule == "fixed threshold 0.2; IoU 0.5"
    assert f"{title:22}{0.4:8.3f}{0.5:8.3f}  {rule}" in lines
    box, rule = reports.rules_of(result)["centre_box"]
    assert f"{box:22}{0.59:8.3f}{'':8}  {rule}" in lines  # a baseline has no checkpoint
    assert lines[-1] == f"{'mine':22}{3.0:8.3f}{'':8}  own metric"


def test_how_many_images_were_scored_and_by_which_preset():
    own = made_up(presets.photographs("folder:mine").config(), num_boxed=3)
    own = replace(own, outcomes={"right": np.ones(12, bool)})
    lines = reports.scores_of(own, True).splitlines()
    said = "split: test of folder:mine, 12 images, boxes of 3; checkpoint: last"
    assert lines[1].startswith(said)
    assert lines[2].startswith("preset: photographs (own choice; nobody's: ours")
    own = replace(own, metrics=own.metrics | {"val_accuracy": 0.5})
    assert reports.summary([own]).splitlines()[0].endswith(", 12 images, boxes of 3")


# ---- sweeps


def test_regularisers_are_apart_and_share_the_runs_without_any():
    plain = [made_up(Config(seed=seed)) for seed in (0, 1)]
    er = [made_up(grids.er(0.5, seed)) for seed in (0, 1)]
    jsd = [made_up(Config(regularizer="jsd", strength=1.0))]
    weak = [made_up(Config(body=0.5), val_accuracy=1.0)]
    groups = reports.groups([*plain, *er, *jsd, *weak, er[0]])
    assert groups == [[*plain, *er], [*plain, *jsd], weak]
    assert reports.groups(plain) == [plain]
    assert reports.summary(weak).startswith("no regularizer; body=0.5\n")


def test_photographs_have_their_own_scores_with_baselines_beside_them():
    runs = []
    for seed, score in ((0, 0.6), (1, 0.7)):
        plain = replace(CUB, seed=seed)
        er = replace(plain, regularizer="kl_uniform", strength=1.0)
        runs.append(made_up(plain, max_box_acc=score, val_max_box_acc=0.3))
        runs.append(made_up(er, max_box_acc=score + 0.1, val_max_box_acc=0.2))
    text = reports.summary(runs)
    lines = text.splitlines()
    header, plain, er, best = lines[1], *lines[-3:]
    assert text.startswith("kl_uniform; dataset=cub, ") and "model=resnet50" in lines[0]
    for title in ("accuracy", "entropy", "MaxBoxAcc", "GT-known Loc", "a centred box"):
        assert title in header
    assert "PxAP" not in text  # cub has no masks
    # mean of 0.6 and 0.7; Student's t at one degree of freedom 12.706 * 0.05
    assert plain.startswith("0.0") and "0.650 ± 0.635" in plain and "0.590 ± 0.000" in plain
    assert er.startswith("0.5") and "0.750 ± 0.635" in er
    assert best == "Best on validation (val_max_box_acc, mean over seeds): ε = 0."
    text = reports.summary([made_up(CUB, mpxap=0.25, val_mpxap=0.2)])
    assert "One seed has no interval" in text and "±" not in text
    assert "mPxAP" in text and "0.25" in text and "Best on" not in text


# ---- the headline


@pytest.fixture
def dataset():
    """Two images of 8x8; the object fills the centre half of each side, its box ends at x + w."""
    mask = np.zeros((8, 8), bool)
    mask[2:6, 2:6] = True
    boxes, masks = [np.array([[2, 2, 6, 6]])] * 2, [(mask, None)] * 2
    return SimpleNamespace(frame=8, boxes_at=lambda size: boxes, masks_at=lambda size: masks)


def sweep_of(*scores, accuracy=(0.9, 0.9)):
    """Two seeds at ε = 0 and at ε = 0.5 with these PxAP, and the accuracy of each strength."""
    every = dict.fromkeys(analysis.HEADLINE, 0.5)
    return [
        made_up(
            grids.er(epsilon, seed),
            **every | {"pxap": value, "accuracy": right, "val_pxap": 0.9 if epsilon else 0.1},
        )
        for epsilon, values, right in zip((0.0, 0.5), scores, accuracy, strict=True)
        for seed, value in enumerate(values)
    ]


def test_the_report_has_scores_baselines_and_verdict(dataset):
    runs = sweep_of((0.4,), (0.7, 0.72))
    table = analysis.headline(runs)
    assert table.index.tolist() == [0.0, 0.5] and table.index.name == "ε"
    assert list(table.columns) == list(analysis.HEADLINE.values())
    # s = 0.01414, half-width 12.706 s / sqrt 2; one seed has none
    assert table["PxAP"].tolist() == ["0.400", "0.710 ± 0.127"]
    assert table["accuracy"].tolist() == ["0.900", "0.900 ± 0.000"]
    lines = analysis.report(runs, dataset).splitlines()
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[:6]]
    assert cells[:2] == [["ε", *analysis.HEADLINE.values()], ["---"] * 8]
    assert [row[0] for row in cells[2:]] == ["0", "0.5", "centred box", "constant map"]
    shown = {title: [row[cells[0].index(title)] for row in cells[2:]] for title in cells[0]}
    assert shown["PxAP"] == ["0.400", "0.710 ± 0.127", "-", "0.250"]  # 16 of 64 pixels
    assert shown["MaxBoxAcc (oracle)"] == ["0.500", "0.500 ± 0.000", "1.000", "-"]
    assert lines[6:] == ["", analysis.verdict(runs)]


def test_the_verdict_says_whether_the_intervals_touch():
    # differences of 0.02 give half-widths of 12.706 x 0.01 = 0.127
    sentence = analysis.verdict(sweep_of((0.39, 0.41), (0.69, 0.71), accuracy=(0.98, 0.96)))
    assert sentence == (
        "At ε = 0.5, chosen on validation, PxAP is 0.700 ± 0.127 against 0.400 ± 0.127 at ε = 0; "
        "the intervals do not touch; accuracy changes by -0.020; at ε = 0.5 PxAP is 0.700."
    )
    assert "the intervals overlap" in analysis.verdict(sweep_of((0.39, 0.41), (0.64, 0.66)))
    # apart in the other direction: PxAP is lower at the chosen strength, and the numbers say so
    assert "the intervals do not touch" in analysis.verdict(sweep_of((0.69, 0.71), (0.19, 0.21)))
