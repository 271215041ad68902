"""score() gives the numbers of the room metrics, which are those of the public evaluation code."""

import json
import warnings

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from entreg_utils import metrics
from entreg_utils.files import StorageError
from entreg_utils.score import compare, score
from entreg_utils.score.pairs import Truth


@pytest.fixture(scope="module")
def scored(lists):
    """Maps of parity.npz against boxes and masks; a carried threshold."""
    (lists / "val.json").write_text(
        json.dumps({"scores": [{"score": "max_box_acc", "threshold": 0.4}]})
    )
    carried = {"carried": lists / "val.json", "samples": 2000}
    return score(lists / "maps", lists / "boxes.csv", lists / "masks", **carried)


def test_values_equal_those_of_the_public_code(scored, parity):
    curve = (parity["iou_largest"] >= 0.5).mean(axis=0)
    best = [(parity["iou_all"] >= delta).mean(axis=0).max() for delta in (0.3, 0.5, 0.7)]
    assert scored.value("max_box_acc") == curve.max()
    assert scored.value("max_box_acc_v2") == np.mean(best)
    known = scored.table[scored.table.score.eq("gt_known")]
    assert known.value.tolist() == [curve[150], curve[400], curve.max()]
    assert known.threshold.tolist() == [0.15, 0.4, curve.argmax() / 1000]
    assert known.rule.tolist() == ["fixed", "carried", "oracle"]
    assert scored.value("pxap") == pytest.approx(parity["pxap"][0], abs=1e-15)
    assert scored.images[0] == "a/00.jpg" and len(scored.images) == 43
    columns = (scored.curve.index * 1000).astype(int)
    assert np.array_equal(scored.curve["largest contour, IoU 0.5"], curve[columns])
    with pytest.raises(ValueError, match="3 rows are 'gt_known' under None"):
        scored.value("gt_known")


def test_sizes_classes_and_baselines_equal_those_of_the_room(scored, parity):
    cams, boxes = list(parity["cams"].values()), list(parity["boxes"].values())
    by_size = metrics.box_accuracy_by_size(cams, boxes).table()
    for name in set(by_size.index) - {"all"}:
        assert scored.value(f"box_acc_{name}") == by_size.box_acc[name]
        assert scored.value(f"max_box_acc_{name}") == by_size.own_max[name]
    centre = metrics.centre_box_baseline(boxes)
    assert scored.value("centre_box") == centre.max_box_acc
    side = scored.table[scored.table.score.eq("centre_box")].threshold.item()
    assert side == pytest.approx(centre.threshold_at(0.5))
    truth = parity["masks"], parity["ignore"]
    assert scored.value("constant_map") == metrics.constant_map_baseline(*truth)
    mean = metrics.mean_pixel_average_precision(cams, truth[0], np.arange(43) % 3, truth[1])
    assert scored.value("mpxap") == mean
    groups = metrics.size_groups(truth[0].mean(axis=(1, 2)))
    for name in ("small", "medium"):
        rows = np.flatnonzero(groups == name)
        own = [cams[row] for row in rows], truth[0][rows], truth[1][rows]
        assert scored.value(f"pxap_{name}") == metrics.pixel_average_precision(*own)
        constant = metrics.constant_map_baseline(*own[1:])
        assert scored.value(f"constant_map_{name}") == constant


def test_ends_are_those_of_the_bootstrap_over_images(scored, parity):
    hits = parity["iou_largest"] >= 0.5
    for (name, rule), statistic, values in (
        (("max_box_acc", "oracle"), lambda rows: rows.mean(axis=0).max(), hits),
        (("gt_known", "fixed"), np.mean, hits[:, 150]),
    ):
        wanted = metrics.bootstrap_interval(values, statistic, samples=2000)
        row = scored.table[scored.table.score.eq(name) & scored.table.rule.eq(rule)].iloc[0]
        assert row.value == wanted.estimate
        assert abs(row.low - wanted.low) < 0.03 and abs(row.high - wanted.high) < 0.03
    table = scored.table
    assert ((table.low <= table.value + 0.02) & (table.value - 0.02 <= table.high)).all()


def test_two_sets_of_maps_are_compared_on_the_same_draws(scored, lists, parity):
    same = compare(scored, scored).table
    assert same[["change", "low", "high"]].eq(0).all(axis=None) and len(same) == len(scored.table)
    inverted = {name: -cam for name, cam in parity["cams"].items()}
    table = compare(scored, score(inverted, lists / "boxes.csv", samples=2000)).table
    table = table.set_index(["score", "rule"])
    assert "pxap" not in table.index and ("gt_known", "carried") not in table.index
    hits = [
        metrics.iou_curves(list(m.values()), list(parity["boxes"].values())) >= 0.5
        for m in (parity["cams"], inverted)
    ]
    wanted = metrics.paired_bootstrap(*(own[None] for own in hits), samples=2000)
    row = table.loc[("max_box_acc", "oracle")]
    assert row.change == row.second - row["first"] == pytest.approx(wanted.estimate, abs=1e-6)
    assert abs(row.low - wanted.low) < 0.03 and abs(row.high - wanted.high) < 0.03
    with pytest.raises(ValueError, match="such as a.jpg: give both maps of the same"):
        compare(scored, score(MAPS, TRUTH, **SMALL))
    with pytest.raises(ValueError, match="the same samples and seed"):
        compare(score(MAPS, TRUTH, **SMALL), score(MAPS, TRUTH, seed=1, **SMALL))


SPOT = np.zeros((8, 8))
SPOT[2:5, 2:5] = 1  # its box at 8 pixels, by the field's convention: 2, 2, 5, 5
FULL = np.pad(np.ones((6, 6)), 1)
RIGHT = np.array([[2, 2, 5, 5]])
IMAGES = ("a.jpg", "b.jpg", "c.jpg")
KINDS = {"a.jpg": ("cat",), "b.jpg": ("dog",), "c.jpg": ("cat",)}
TRUTH = Truth((8, 8), IMAGES, dict.fromkeys(IMAGES, RIGHT), KINDS)
MAPS = {"a": SPOT, "b": SPOT, "c": FULL}
SMALL = {"thresholds": 10, "samples": 20}


def test_class_and_box_by_hand(tmp_path):
    path = tmp_path / "predictions.csv"
    path.write_text("image,class_1,class_2\nc.jpg,cat,dog\na.jpg,cat,dog\nb.jpg,cat,dog\n")
    found = score(MAPS, TRUTH, predictions=path, **SMALL)
    assert found.value("gt_known", "fixed") == 2 / 3  # c is too large
    assert (found.value("accuracy"), found.value("top5_accuracy")) == (2 / 3, 1)
    for rule in ("fixed", "oracle"):
        assert found.value("top1_loc", rule) == 1 / 3  # a alone: b is called a cat
        assert found.value("top5_loc", rule) == 2 / 3
    path.write_text("image,class_1,label\na,cat,cat\nb,cat,dog\nc,cat,cat\n")
    found = score(MAPS, Truth((8, 8), IMAGES, TRUTH.boxes), predictions=path, **SMALL)
    assert found.value("accuracy") == 2 / 3 and "top5_loc" not in set(found.table.score)


def test_maps_without_contrast_or_with_nan_are_counted_and_said():
    broken = SPOT.copy()
    broken[0, 0] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = score({"a": broken, "b": SPOT, "c": np.ones((3, 5))}, TRUTH, **SMALL)
    assert found.value("max_box_acc") == 1 / 3
    assert found.notes == (
        "1 of 3 maps hold NaN or infinite values and are scored as zeros",
        "1 of 3 maps are the same everywhere",
    )


def test_any_number_type_and_any_size_of_the_map_scores_the_same():
    for kind in (np.float16, np.int32, bool):
        maps = {name: cam.astype(kind) for name, cam in MAPS.items()}
        pd.testing.assert_frame_equal(
            score(maps, TRUTH, **SMALL).table, score(MAPS, TRUTH, **SMALL).table
        )
    mixed = score(MAPS | {"b": np.kron(SPOT, np.ones((40, 30)))}, TRUTH, **SMALL)
    assert mixed.value("gt_known", "fixed") == 2 / 3


def test_a_map_below_the_name_of_a_class_is_of_this_class():
    boxes = {"a.jpg": np.array([[2, 2, 5, 5], [0, 0, 1, 1]])}
    truth = Truth((8, 8), ("a.jpg",), boxes, {"a.jpg": ("cat", "dog")}, ("cat", "dog"))
    found = score({"cat/a": SPOT, "dog/a": SPOT}, truth, **SMALL)
    assert found.images == ("a.jpg", "a.jpg") and found.value("gt_known", "fixed") == 1 / 2


@pytest.mark.parametrize(
    ("maps", "options", "message"),
    [
        ({"a": SPOT, "b": SPOT}, {}, r"^images of the truth without map: 1 \(c.jpg\): --partial"),
        (MAPS | {"d": SPOT}, {}, r"^maps without truth: 1 \(d\): --partial scores"),
        (MAPS | {"a.png": SPOT}, {}, "'a' and 'a.png' are both a.jpg"),
        ({"d": SPOT}, {"partial": True}, "there is nothing to score"),
        (MAPS | {"a": SPOT[0]}, {}, r"^a is float64 of shape"),
        (MAPS, {"threshold": 1.5}, "give values in 0..1"),
        (MAPS, {"carried": 2}, "give values in 0..1"),
        (MAPS, {"carried": "lost.json"}, "lost.json says no threshold"),
        (MAPS, {"samples": -1}, "samples=-1: give a whole number in 0..1000000"),
        (MAPS, {"thresholds": 0}, "thresholds=0: give a whole number"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(maps, options, message):
    with pytest.raises((ValueError, StorageError), match=message):
        score(maps, TRUTH, **(SMALL | options))


def test_what_is_left_out_is_said():
    found = score({"a": SPOT, "c": FULL, "d": SPOT}, TRUTH, partial=True, **SMALL)
    assert found.images == ("a.jpg", "c.jpg") and found.value("max_box_acc") == 0.5
    left = ("maps without truth: 1 (d)", "images of the truth without map: 1 (b.jpg)")
    assert found.notes == tuple(f"left out, {one}" for one in left)
    truth = Truth((8, 8), IMAGES, {"a.jpg": RIGHT, "b.jpg": RIGHT})  # of c no box is known
    assert score({"a": SPOT, "b": SPOT}, truth, **SMALL).value("max_box_acc") == 1
    found = score(MAPS, truth, **SMALL)
    assert found.table.num_images.iloc[0] == 2
    assert found.notes[-1] == "1 of 3 maps are of images without a box or mask and are left out"


def test_one_image_has_no_interval():
    truth = Truth((8, 8), ("a.jpg",), {"a.jpg": RIGHT})
    table = score({"a": SPOT}, truth, **SMALL).table
    assert table.value.iloc[0] == 1 and table[["low", "high"]].isna().all(axis=None)


def test_the_json_of_one_set_carries_its_threshold_to_another(tmp_path):
    val, file = score(MAPS, TRUTH, **SMALL), tmp_path / "val.json"
    file.write_text(val.to_json())
    stored = json.loads(val.to_json())["scores"]
    assert [row["value"] for row in stored] == val.table.value.tolist()
    assert stored[1]["threshold"] is None
    found = score(MAPS, TRUTH, carried=file, **SMALL).table
    best = val.table[val.table.score.eq("max_box_acc")].threshold.item()
    assert found[found.rule.eq("carried")].threshold.tolist() == [best]
    for text in ("{", "[]", '{"scores": []}', '{"scores": [{"score": "pxap"}]}'):
        file.write_text(text)
        with pytest.raises(ValueError, match="val.json says no threshold: give what score --json"):
            score(MAPS, TRUTH, carried=file, **SMALL)


def test_masks_without_foreground_have_no_score(tmp_path):
    maps = {"a": SPOT, "b": SPOT}
    for name in maps:
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / f"{name}.png")
    with pytest.raises(ValueError, match="no foreground pixel in any mask"):
        score(maps, tmp_path, size=8, **SMALL)
    Image.fromarray(np.ones((8, 8), np.uint8)).save(tmp_path / "a.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = score(maps, tmp_path, size=8, **SMALL).table
    assert set(table.score) == {"pxap", "constant_map", "pxap_large", "constant_map_large"}
    assert table.value.iloc[1] == 0.5
