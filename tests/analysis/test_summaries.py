"""What a sweep prints about photographs and about several regularisers, from made-up runs."""

from dataclasses import replace

import numpy as np
import pandas as pd

from entreg_utils.analysis import summaries
from entreg_utils.experiments import Config, Run, grids, recipes

CUB = recipes.wsol_evaluation("cub", "resnet50").config()
SCORES = {"accuracy": 0.5, "entropy": 1.25, "max_box_acc": 0.6, "gt_known": 0.4, "centre_box": 0.59}


def made_up(config, **metrics):
    return Run(config, pd.DataFrame(), SCORES | metrics, {}, [], np.zeros(0), "")


def test_regularisers_are_apart_and_share_the_runs_without_any():
    plain = [made_up(Config(seed=seed)) for seed in (0, 1)]
    er = [made_up(grids.er(0.5, seed)) for seed in (0, 1)]
    jsd = [made_up(Config(regularizer="jsd", strength=1.0))]
    weak = [made_up(Config(body=0.5))]
    groups = summaries.worlds([*plain, *er, *jsd, *weak, er[0]])
    assert groups == [[*plain, *er], [*plain, *jsd], weak]
    assert summaries.worlds(plain) == [plain]


def test_photographs_have_their_own_scores_with_baselines_beside_them():
    runs = []
    for seed, score in ((0, 0.6), (1, 0.7)):
        runs.append(made_up(replace(CUB, seed=seed), max_box_acc=score))
        er = replace(CUB, seed=seed, regularizer="kl_uniform", strength=1.0)
        runs.append(made_up(er, max_box_acc=score + 0.1))
    text = summaries.summary(runs)
    header, plain, er = text.splitlines()[1], *text.splitlines()[-2:]
    assert text.startswith("kl_uniform; dataset=cub, model=resnet50, ")
    for title in ("accuracy", "entropy", "MaxBoxAcc", "GT-known Loc", "a centred box"):
        assert title in header
    assert "PxAP" not in text  # cub has no masks
    # mean of 0.6 and 0.7; Student's t at one degree of freedom 12.706 * 0.05
    assert plain.startswith("0.0") and "0.650 ± 0.635" in plain and "0.590 ± 0.000" in plain
    assert er.startswith("0.5") and "0.750 ± 0.635" in er


def test_one_seed_of_photographs_has_no_interval():
    text = summaries.summary([made_up(CUB, mpxap=0.25), made_up(replace(CUB, epochs=3))][:1])
    assert "One seed has no interval" in text and "±" not in text
    assert "mPxAP" in text and "0.25" in text
