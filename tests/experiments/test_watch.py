"""What is measured at each epoch and at the end, of an untrained network."""

from dataclasses import replace

import numpy as np
import pytest

from entreg_utils.experiments import build, splits
from entreg_utils.experiments.watch import PANEL, TRAIN_PROBE, Watch
from entreg_utils.training import View, evaluate, evidence, predict

CALLS = """
calls = []

def probe(model, view, prediction):
    calls.append(len(view))
    return {"images": len(prediction.logits)}
"""


def watched(config):
    """Its watch, its untrained network, and the row of an epoch."""
    data = splits(config)
    model = build(config, data[2].num_classes).eval()
    watch = Watch(config, *data)
    return watch, model, watch.after_epoch(1, model)


def columns(row, split):
    return {name.removeprefix(f"{split}_") for name in row if name.startswith(f"{split}_")}


def test_the_drawn_world_is_watched_on_all_splits(project, tiny):
    watch, model, row = watched(tiny)
    boxed = {"gt_known", "top1_loc", "max_box_acc"}
    whole = {"accuracy", "entropy", "pxap", "part", "body", "context"} | boxed
    assert columns(row, "train") == {"accuracy", "entropy"}
    assert columns(row, "val") == columns(row, "test") == whole
    assert watch.criterion == "val_pxap"
    test = splits(tiny)[2]
    by_hand = evaluate(model, test, (evidence,), tiny.sigma)
    assert {name: row[f"test_{name}"] for name in by_hand} == {
        name: round(value, 5) for name, value in by_hand.items()
    }
    scores, outcomes = watch.final(model)
    assert {"reliance_part", "reliance_body", "reliance_context", "part"} <= set(scores)
    assert scores["pxap"] == row["test_pxap"] and scores["val_pxap"] == row["val_pxap"]
    assert outcomes["hits"].shape == (len(test), 1000)
    watch, model, other = watched(replace(tiny, sigma=0.6))  # a fixed threshold is the config's own
    assert other["test_gt_known"] == round(evaluate(model, watch.test, sigma=0.6)["gt_known"], 5)
    assert other["test_gt_known"] != row["test_gt_known"]


def test_test_photographs_are_watched_only_where_asked(voc, one):
    for config, score in ((voc, "mpxap"), (one, "max_box_acc")):
        watch, _, row = watched(config)
        assert watch.criterion == f"val_{score}" and not columns(row, "test")
        assert columns(row, "train") == {"entropy", "accuracy" if config is one else "mean_ap"}
        assert score in columns(row, "val") and "part" not in columns(row, "val")
        _, _, row = watched(replace(config, watch_test=True))
        assert columns(row, "test") == columns(row, "val")


def test_the_middle_of_a_photograph_is_shown_and_its_boxes_move(one, monkeypatch):
    monkeypatch.setattr("entreg_utils.experiments.watch.TRAIN_PROBE", 4)
    whole, _, _ = watched(one)
    assert whole.train.rows.tolist() == [0, 8, 15, 23] and TRAIN_PROBE == 100  # evenly spaced
    assert whole.train.images(0, 4).shape[-1] == one.crop < one.resize
    middle, model, row = watched(replace(one, eval_view="centre_crop", eval_size=224))
    assert middle.val.images(0, 1).shape[-1] == one.crop and whole.val.crop == 0
    boxes = np.concatenate(middle.test.dataset.boxes_at(280))  # 224 pixels are the middle of 280
    assert np.array_equal(np.concatenate(middle.test.boxes), np.clip(boxes - 28, 0, 223))
    by_hand = evaluate(model, View(splits(replace(one, eval_view="centre_crop"))[1], crop=32))
    assert row["val_max_box_acc"] == round(by_hand["max_box_acc"], 5)


def test_the_panel_is_the_first_image_of_each_of_the_first_classes(project, tiny, voc):
    watch, model, row = watched(tiny)
    labels = splits(tiny)[2].labels
    assert len(watch.panel) == PANEL
    for index, c in zip(watch.panel, range(PANEL), strict=True):
        assert labels[index] == c and c not in labels[:index]
    assert np.array(row["maps"]).tolist() == predict(model, watch.test).maps[watch.panel].tolist()
    watch, model, row = watched(voc)  # an image of two classes has the map of each
    pairs = watch.test.pairs.tolist()
    assert watch.panel == [next(i for i, c in pairs if c == k) for k in range(PANEL // 2)]
    maps = predict(model, watch.test).maps
    own = [maps[pairs.index([image, k])] for k, image in enumerate(watch.panel)]
    assert np.allclose(row["maps"], own, atol=1e-5)


@pytest.mark.parametrize("named", [True, False])
def test_own_metrics_are_taken_wherever_a_whole_split_is(project, tiny, own_code, named):
    own_code("mine", CALLS)
    import mine

    watch, model, row = watched(replace(tiny, probes=["mine:probe" if named else mine.probe]))
    assert (row["val_images"], row["test_images"]) == (24, 64) == tuple(mine.calls)
    assert "train_images" not in row
    assert watch.final(model)[0]["images"] == 64
