"""What is measured, on maps small enough to count the pixels by hand."""

import numpy as np
import pytest
import torch
from torch import nn

from entreg_utils import metrics
from entreg_utils.training import View, evaluate, predict, summarise
from entreg_utils.training.evaluate import TEMPERATURES, THRESHOLDS, column_of
from entreg_utils.training.summary import IVR_PERCENTILES

LABELS = torch.tensor([0, 1, 2, 3, 0, 1])


class Painted(nn.Module):
    """Answers a view with maps and logits that were made by hand.

    Image k is told by its first pixel: the feature map of image k holds its maps as channels, one a
    class, and the head reads channel c for class c; a second forward pass gives the same again.
    """

    def __init__(self, maps, logits):
        super().__init__()
        self.maps, self.logits = torch.as_tensor(maps), torch.as_tensor(logits)
        self.head = nn.Linear(self.logits.shape[1], self.logits.shape[1])
        with torch.no_grad():
            self.head.weight.copy_(torch.eye(self.logits.shape[1]))
            self.head.bias.zero_()

    def forward_features(self, images):
        which = (images[:, 0, 0, 0] * 255).round().long()
        return self.maps[which]


def painted(dataset, maps, logits=None):
    """A model that shows ``maps`` (N, C, h, w) on ``dataset``, whose first pixels become marks."""
    dataset.images[:, :, 0, 0] = torch.arange(len(dataset), dtype=torch.uint8)[:, None]
    return Painted(maps, maps.mean((2, 3)) if logits is None else logits)


def quadrants(labels, side=8, classes=4):
    """(N, C, side, side): class c is 1 on its own quadrant, times 2 for the image's own label."""
    maps = torch.zeros(len(labels), classes, side, side)
    for n, own in enumerate(labels.tolist()):
        for c in range(classes):
            y, x = divmod(c, 2)
            half = side // 2
            maps[n, c, y * half : (y + 1) * half, x * half : (x + 1) * half] = 1 + (c == own)
    return maps


def splits(photographs, **options):
    """Eight images of validation and twelve of test, with boxes and masks."""
    labels = torch.arange(12) % 4
    return [View(photographs(part, boxes=True, **options)) for part in (labels[:8], labels)]


def test_scores_with_boxes_by_hand(photographs):
    dataset = photographs(LABELS, boxes=True, masks=False)
    maps = quadrants(LABELS)
    maps[5, 1] = 2 * maps[5, 0]  # class 1 drawn where class 0 is: the box is wrong
    maps[4, 2] *= 5  # and this image is taken for another class
    scores = evaluate(painted(dataset, maps), View(dataset))
    assert set(scores) == {"accuracy", "entropy", "gt_known", "top1_loc", "max_box_acc"}
    assert scores["accuracy"] == pytest.approx(5 / 6)
    assert scores["gt_known"] == scores["max_box_acc"] == pytest.approx(5 / 6)
    assert scores["top1_loc"] == pytest.approx(4 / 6)
    z = maps.mean((2, 3)).double()
    p = z.softmax(1)
    assert scores["entropy"] == pytest.approx(float(-(p * p.log()).sum(1).mean()), abs=1e-6)


def test_the_fixed_threshold_is_the_one_that_is_given(photographs):
    dataset = photographs(LABELS, boxes=True, masks=False)
    maps = quadrants(LABELS).clamp(min=0.6)  # a floor of 0.3 of the maximum, and one cell below it
    maps[LABELS != 2, :, 7, 0] = 0  # in the quadrant of class 2, which keeps its floor: it is 0
    model, view = painted(dataset, maps), View(dataset)
    low, high = (evaluate(model, view, sigma=sigma)["gt_known"] for sigma in (0.15, 0.5))
    assert low == pytest.approx(1 / 6) and high == 1.0  # at 0.15 the box is the whole image


def test_scores_with_masks_by_hand(photographs):
    dataset = photographs(LABELS)
    scores = evaluate(painted(dataset, quadrants(LABELS, 224)), View(dataset))
    assert set(scores) == {"accuracy", "entropy", "pxap"} and scores["pxap"] == 1.0
    flat = torch.zeros(6, 4, 2, 2)
    assert evaluate(painted(dataset, flat), View(dataset))["pxap"] == pytest.approx(0.25)


def test_images_without_a_box_are_left_out_of_box_scores_alone(photographs):
    dataset = photographs(LABELS, boxes=True)
    model = painted(dataset, quadrants(LABELS))
    whole = evaluate(model, View(dataset))
    boxes_at = dataset.boxes_at
    dataset.boxes_at = lambda size: [
        own if k != 2 else np.zeros((0, 4), np.int64) for k, own in enumerate(boxes_at(size))
    ]
    scores = evaluate(model, View(dataset))
    assert scores.pop("num_boxed") == 5 and scores == whole
    scores, outcomes = summarise(model, dataset, dataset)
    assert outcomes["hits"].shape == (5, THRESHOLDS) and outcomes["right"].shape == (6,)
    assert outcomes["pixel_ap"].shape == (6,) and scores["num_boxed"] == 5


def test_images_without_a_mask_are_left_out_of_pixel_scores_alone(photographs):
    dataset = photographs(LABELS)
    model = painted(dataset, quadrants(LABELS, 224))
    whole, masks_at = evaluate(model, View(dataset)), dataset.masks_at
    dataset.masks_at = lambda size: [
        (own if k != 2 else np.zeros_like(own), None if k < 2 else np.full_like(own, k == 2))
        for k, (own, _) in enumerate(masks_at(size))
    ]
    scores = evaluate(model, View(dataset))
    assert scores.pop("num_masked") == 5 and scores == whole
    single = summarise(model, dataset, dataset)[1]["pixel_ap"]
    assert np.isnan(single).tolist() == [k == 2 for k in range(6)]


def test_several_classes_are_pairs_and_their_scores_means_over_classes(several):
    maps = quadrants(torch.zeros(16, dtype=torch.int64), 224)
    maps[:, 3] = 0.0  # constant maps of class 3: PxAP is a quarter there, 1 elsewhere
    several.images[:, :, 0, 0] = torch.arange(16, dtype=torch.uint8)[:, None]
    model = Painted(maps, torch.zeros(16, 4))
    scores = evaluate(model, View(several, multilabel="sigmoid"))
    assert scores["mpxap"] == pytest.approx((1 + 1 + 1 + 0.25) / 4)
    assert set(scores) == {"mean_ap", "entropy", "mpxap"}
    summary, outcomes = summarise(model, several, several)
    assert summary["constant_map"] == pytest.approx(0.25)
    assert outcomes["logits"].shape == (16, 4)
    uneven = Painted(maps * torch.linspace(1, 3, 16)[:, None, None, None], torch.zeros(16, 4))
    exact = predict(uneven, View(several, multilabel="sigmoid")).logits
    kept = summarise(uneven, several, several)[1]["logits"]
    assert 0 < np.abs(kept - exact).max() <= 1 / 16 and not (kept * 8 % 1).any()
    assert outcomes["pixel_ap"].shape == (len(several.pairs),)
    # a mean over some of the classes can be taken from the outcomes, as the whole is
    assert outcomes["class_pxap"].tolist() == [1.0, 1.0, 1.0, 0.25]
    assert outcomes["class_constant_map"] == pytest.approx(np.full(4, 0.25))
    found = np.full((4, 2, 3), 1, np.float32)  # at both thresholds the quadrant is lit, or nothing
    found[3] = np.nan, 0, 0
    np.testing.assert_array_equal(outcomes["class_lit"], found)
    assert summary["lit_precision"] == 1 and summary["lit_recall_carried"] == 3 / 4
    assert outcomes["class_ap"].mean() == pytest.approx(summary["mean_ap"])
    assert outcomes["class_images"].tolist() == several.labels.sum(dim=0).tolist()


def test_a_class_that_no_image_shows_has_no_score_of_its_own(several):
    several.labels, several.pairs = several.labels.clone(), several.pairs[several.pairs[:, 1] != 2]
    several.labels[:, 2] = 0
    model = Painted(quadrants(torch.zeros(16, dtype=torch.int64), 224), torch.zeros(16, 4))
    several.images[:, :, 0, 0] = torch.arange(16, dtype=torch.uint8)[:, None]
    scores, outcomes = summarise(model, several, several)
    for name in ("class_pxap", "class_constant_map", "class_ap"):
        assert np.isnan(outcomes[name]).tolist() == [False, False, True, False]
    assert np.isnan(outcomes["class_lit"][2]).all() and outcomes["class_images"][2] == 0
    assert np.nanmean(outcomes["class_pxap"]) == pytest.approx(scores["mpxap"])


# ---- what thresholds light


def lighting(photographs, labels, *parts, **options):
    """Photographs and maps that light the rows and columns ``parts`` of 8 at a score each, 1 in
    the first; the object fills a quadrant."""
    maps = torch.zeros(len(labels), 4, 224, 224)
    for image, own in enumerate(parts):
        for score, (top, bottom, left, right) in own.items():
            rows, columns = slice(28 * top, 28 * bottom), slice(28 * left, 28 * right)
            maps[image, labels[image], rows, columns] = score
    dataset = photographs(labels, **options)
    return painted(dataset, maps), dataset


CORNER = (0, 4, 0, 4)  # where class 0 is
SHOWN = [
    {1.0: CORNER},
    {1.0: (0, 4, 0, 8)},  # spills to twice the area
    {1.0: (0, 4, 0, 1)},  # a quarter of the object
    {0.2: (0, 8, 0, 8), 1.0: CORNER, 0.0: (7, 8, 7, 8)},  # spills at 0.15, not above 0.2
    {},  # constant
]


def test_what_is_lit_tells_a_map_that_spills_from_one_that_is_too_small(photographs):
    zeros = torch.zeros(5, dtype=torch.int64)
    model, test = lighting(photographs, zeros, *SHOWN, boxes=True)
    val = photographs(zeros[:2], boxes=True)
    val.images[:, :, 0, 0] = 3  # the fourth map, which the threshold 0.201 cuts exactly
    scores, outcomes = summarise(model, val, test)
    assert scores["pixel_threshold"] == pytest.approx(0.201)
    nothing, quarter, all_but = (np.nan, 0), (1, 1 / 4), (16 / 63, 1)
    at_sigma = [(1, 1), (1 / 2, 1), quarter, all_but, nothing]
    expected = np.stack([at_sigma, [*at_sigma[:3], (1, 1), nothing]], axis=1)
    assert outcomes["lit"].dtype == np.float16
    np.testing.assert_allclose(outcomes["lit"], expected, rtol=1 / 64)
    # pooled: of 5 x 16 object cells 16 + 16 + 4 + 16 are lit
    assert scores["lit_recall"] == scores["lit_recall_carried"] == 52 / 80
    assert scores["lit_area"] == pytest.approx((16 + 32 + 4 + 63) / 80)
    assert scores["lit_precision"] == pytest.approx(52 / (16 + 32 + 4 + 63))
    assert scores["lit_area_carried"] == pytest.approx((16 + 32 + 4 + 16) / 80)
    assert scores["lit_precision_carried"] == pytest.approx(52 / 68)
    assert scores["pixel_iou"] == scores["pixel_iou_carried"] == pytest.approx(52 / (80 + 16))


def test_areas_of_boxes_are_those_of_the_boxes_that_are_scored(photographs):
    val, test = splits(photographs)
    true = [own.copy() for own in test.boxes]
    test.boxes[3] = np.concatenate([true[3], [[0, 0, 9, 9]]])  # two: the box around both
    scores, outcomes = summarise(Noisy(), val, test)
    maps, true[3] = predict(Noisy(), test).maps, np.array([[0, 0, 223, 223]])

    def area(boxes):
        return np.prod(boxes[0, 2:] - boxes[0, :2] + 1)

    for place, tau in enumerate((0.15, scores["box_threshold"])):
        found = [area(metrics.boxes_at(m, tau)) / area(t) for m, t in zip(maps, true, strict=True)]
        assert outcomes["box_area"][:, place] == pytest.approx(found, rel=1 / 64)
    flat = painted(test.dataset, torch.zeros(12, 4, 2, 2))  # the protocol's box of one pixel
    assert summarise(flat, test, test)[1]["box_area"][0] == pytest.approx(1 / 113**2, rel=1 / 64)


def test_what_validation_cannot_choose_is_left_out(photographs):
    val, test = photographs(LABELS, masks=False), photographs(LABELS, boxes=True)
    scores, outcomes = summarise(Noisy(), val, test)
    assert {"pixel_iou", "lit_precision", "lit_recall", "lit_area"} <= set(scores)
    assert not [name for name in scores if name.endswith("carried")]
    assert not {"pixel_threshold", "box_threshold", "top1_loc_carried"} & set(scores)
    assert "max_box_acc" in scores and "top1_loc_oracle" in scores
    assert "hits" in outcomes and "hits_ivr" not in outcomes
    for name in ("lit", "box_area"):
        assert np.isfinite(outcomes[name][:, 0]).all() and np.isnan(outcomes[name][:, 1]).all()
    blank = painted(test, torch.zeros(6, 4, 2, 2))
    scores, outcomes = summarise(blank, test, test)
    assert "lit_precision" not in scores and scores["lit_recall"] == scores["lit_area"] == 0
    assert scores["pixel_threshold"] == 0 and scores["lit_precision_carried"] == 1 / 4  # all is lit


# ---- probes


def brightness(model, view, prediction):
    return {"mean_map": prediction.maps.mean(), "images": len(view)}


def test_a_probe_measures_what_nobody_thought_of(photographs):
    dataset = photographs(LABELS)
    model = painted(dataset, quadrants(LABELS))
    scores = evaluate(model, dataset, probes=[brightness])
    assert scores["mean_map"] == pytest.approx(0.5) and scores["images"] == 6.0
    assert list(scores)[:3] == ["accuracy", "entropy", "pxap"]


@pytest.mark.parametrize(
    ("probe", "sentence"),
    [
        (lambda *_: 3.0, "gave 3.0: it must give a dictionary of numbers by name"),
        (lambda *_: {"a": "b"}, "must give a dictionary of numbers"),
        (lambda *_: {"pxap": 1.0}, "calls a number 'pxap', as a score is called"),
        ("nowhere_at_all:probe", "probe 'nowhere_at_all:probe' cannot be imported"),
    ],
)
def test_a_probe_that_cannot_be_is_refused(photographs, probe, sentence):
    dataset = photographs(LABELS)
    with pytest.raises(ValueError, match=sentence):
        evaluate(painted(dataset, quadrants(LABELS)), dataset, probes=[probe])


# ---- the final scores


class Noisy(nn.Module):
    """Maps and logits from the image's channels, mixed at random."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.head = nn.Linear(3, 4)

    def forward_features(self, images):
        return nn.functional.avg_pool2d(images, 4)


def test_the_summary_names_its_threshold_rules(photographs):
    (val, test), model = splits(photographs), Noisy()
    scores, _ = summarise(model, val, test)
    on_val, on_test = predict(model, val), predict(model, test)
    largest = metrics.box_accuracy(on_test.maps, test.boxes)
    tuned = metrics.box_accuracy(on_val.maps, val.boxes)
    assert scores["max_box_acc"] == largest.max_box_acc  # oracle: chosen on test
    assert scores["box_threshold"] == tuned.best_threshold[1]  # chosen on validation, at IoU 0.5
    assert scores["max_box_acc_carried"] == largest.at(scores["box_threshold"])
    every = metrics.box_accuracy(on_test.maps, test.boxes, contours="all")
    assert scores["max_box_acc_v2"] == pytest.approx(every.max_box_acc_v2)
    right = metrics.correct_classes(on_test.logits, test.labels)
    for rule, tau in (("carried", scores["box_threshold"]), ("oracle", largest.threshold_at(0.5))):
        hits = metrics.gt_known_correct(on_test.maps, test.boxes, tau)
        assert scores[f"top1_loc_{rule}"] == (hits & right).mean()
    assert scores["top5_loc"] == scores["gt_known"]  # four classes
    assert scores["centre_box"] == metrics.centre_box_baseline(test.boxes).max_box_acc
    assert scores["constant_map"] == pytest.approx(0.25)
    expected = evaluate(model, val)
    assert {n: scores[f"val_{n}"] for n in expected} == expected
    expected = evaluate(model, test)
    assert {n: scores[n] for n in expected} == expected


def test_threads_change_no_bit(photographs, one_thread):
    labels = torch.arange(150) % 4  # three batches
    val, test = (View(photographs(part, boxes=True)) for part in (labels[:8], labels))
    one = summarise(Noisy(), val, test)
    torch.set_num_threads(3)
    three = summarise(Noisy(), val, test)
    assert one[0] == three[0] and one[1].keys() == three[1].keys()
    for name, own in one[1].items():
        np.testing.assert_array_equal(own, three[1][name])


def test_a_network_without_numbers_is_refused(photographs):
    class Torn(Noisy):
        def forward_features(self, images):
            return super().forward_features(images).index_fill(0, torch.tensor([2]), torch.nan)

    with pytest.raises(ValueError, match="image 2 holds NaN or infinite values"):
        evaluate(Torn(), photographs(LABELS, boxes=True))
    torn = Noisy()
    torn.head.bias.data[0] = torch.nan  # which the maps leave out
    with pytest.raises(ValueError, match="logits hold NaN: the training has diverged"):
        evaluate(torn, photographs(LABELS, boxes=True))


def test_outcomes_add_up_to_the_scores(photographs):
    val, test = splits(photographs)
    scores, outcomes = summarise(Noisy(), val, test)
    hits, right = outcomes["hits"], outcomes["right"]
    assert hits.shape == (12, THRESHOLDS) and hits.any()
    carried, fixed = hits[:, column_of(scores["box_threshold"])], hits[:, 150]
    assert scores["accuracy"] == right.mean()
    assert scores["max_box_acc"] == hits.mean(axis=0).max()
    assert scores["max_box_acc_carried"] == carried.mean()
    assert scores["top1_loc_carried"] == (carried & right).mean()
    assert scores["gt_known"] == fixed.mean() and scores["top1_loc"] == (fixed & right).mean()
    assert scores["centre_box"] == outcomes["centre_box"].mean()
    for rule in ("max", "pas", "ivr"):
        assert scores[f"max_box_acc_{rule}_carried"] == outcomes[f"hits_{rule}"].mean()
        assert scores[f"max_box_acc_{rule}"] >= scores[f"max_box_acc_{rule}_carried"]
    assert outcomes["share"] == pytest.approx(metrics.box_shares(test.boxes, 224), rel=1e-3)
    on_test = predict(Noisy(), test)
    single = metrics.pixel_average_precision(on_test.maps[3:4], [test.mask(3)[0]])
    assert outcomes["pixel_ap"][3] == pytest.approx(single, rel=1e-3)
    entropies = outcomes["entropies"]
    assert (np.diff(entropies) > 0).all()
    assert np.round(2 ** np.arange(-1, 4.5, 0.5), 1) == pytest.approx(TEMPERATURES, abs=0.11)
    at_one = metrics.mean_entropy(on_test.logits)
    assert entropies[TEMPERATURES.index(1.0)] == pytest.approx(at_one, rel=1e-6)


def test_a_normalisation_is_chosen_on_validation_and_scored_on_test(photographs):
    val, test = splits(photographs)
    scores, outcomes = summarise(Noisy(), val, test)
    on_val, on_test = predict(Noisy(), val), predict(Noisy(), test)
    assert IVR_PERCENTILES == (*range(10, 90, 10),)
    ivr, at_half = {"normalization": "ivr"}, {"iou_thresholds": [0.5]}
    tried = {
        p: metrics.box_accuracy(on_val.maps, val.boxes, percentile=p, **ivr, **at_half)
        for p in IVR_PERCENTILES
    }
    best = max(tried, key=lambda p: tried[p].max_box_acc)
    assert scores["ivr_percentile"] == best
    at = {"thresholds": [tried[best].threshold_at(0.5)], "percentile": best}
    ious = metrics.iou_curves(on_test.maps, test.boxes, **at, **ivr)
    assert outcomes["hits_ivr"].tolist() == (ious[:, 0] >= 0.5).tolist()


@pytest.mark.parametrize("threshold", [0.0, 0.15, 0.1234, 0.5, 0.9996, 0.999])
def test_every_threshold_has_a_column_that_cuts_alike(threshold):
    column = column_of(threshold)
    assert 0 <= column < THRESHOLDS
    assert int(column / THRESHOLDS * 255) == int(threshold * 255)
    assert column_of(0.15) * 255 // THRESHOLDS == 150 * 255 // THRESHOLDS
