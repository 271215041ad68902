"""What becomes of single images: by hand, and summed up again to the scores of the whole."""

import numpy as np
import pytest
import torch

from entreg_utils import metrics
from entreg_utils.training import Prediction, View
from entreg_utils.training.outcomes import IVR_PERCENTILES, TEMPERATURES, THRESHOLDS, outcomes_of
from entreg_utils.training.photographs import SIZE, summarise_predictions

LABELS = torch.tensor([0, 1, 2, 3, 0, 1])


@pytest.fixture
def view(photographs):
    return View(photographs(LABELS, boxes=True, masks=False))


def prediction(seed):
    generator = np.random.default_rng(seed)
    maps = generator.random((6, 7, 7)).astype(np.float32)
    for own, label in zip(maps, LABELS.tolist(), strict=True):
        y, x = divmod(label, 2)
        own[3 * y : 3 * y + 4, 3 * x : 3 * x + 4] += 0.8
    return Prediction(maps, generator.normal(size=(6, 4)).astype(np.float32))


def test_outcomes_add_up_to_the_scores(view):
    on_val, on_test = prediction(0), prediction(1)
    outcomes, more = outcomes_of(on_val, view, on_test, view)
    scores = summarise_predictions(on_val, view, on_test, view) | more
    hits, right = outcomes["hits"], outcomes["right"]
    assert hits.shape == (6, THRESHOLDS) and hits.any()
    carried = hits[:, round(scores["box_threshold"] * THRESHOLDS)]
    fixed = hits[:, 150]
    assert scores["accuracy"] == right.mean()
    assert scores["max_box_acc"] == hits.mean(axis=0).max()
    assert scores["max_box_acc_carried"] == carried.mean()
    assert scores["top1_loc_carried"] == (carried & right).mean()
    assert scores["gt_known"] == fixed.mean() and scores["top1_loc"] == (fixed & right).mean()
    assert scores["centre_box"] == outcomes["centre_box"].mean()
    for rule in ("max", "pas", "ivr"):
        assert scores[f"max_box_acc_{rule}_carried"] == outcomes[f"hits_{rule}"].mean()
        assert scores[f"max_box_acc_{rule}"] >= scores[f"max_box_acc_{rule}_carried"]
    assert scores["ivr_percentile"] in IVR_PERCENTILES


def test_a_normalisation_is_chosen_on_validation_and_scored_on_test(view):
    on_val, on_test = prediction(2), prediction(3)
    outcomes, scores = outcomes_of(on_val, view, on_test, view)
    tried = {
        p: metrics.box_accuracy(
            on_val.maps, view.boxes, iou_thresholds=[0.5], normalization="ivr", percentile=p
        )
        for p in IVR_PERCENTILES
    }
    best = max(tried, key=lambda p: tried[p].max_box_acc)
    assert scores["ivr_percentile"] == best
    tau = tried[best].threshold_at(0.5)
    ious = metrics.iou_curves(
        on_test.maps, view.boxes, thresholds=[tau], normalization="ivr", percentile=best
    )
    assert outcomes["hits_ivr"].tolist() == (ious[:, 0] >= 0.5).tolist()


def test_shares_and_entropies_over_temperatures(view):
    outcomes, _ = outcomes_of(prediction(0), view, prediction(1), view)
    shares = metrics.box_shares(view.boxes, SIZE)
    assert outcomes["share"] == pytest.approx(shares, rel=1e-3)
    entropies = outcomes["entropies"]
    assert (np.diff(entropies) > 0).all()
    at_one = metrics.mean_entropy(prediction(1).logits)
    assert entropies[TEMPERATURES.index(1.0)] == pytest.approx(at_one, rel=1e-6)
