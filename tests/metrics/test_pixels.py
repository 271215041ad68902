"""PxAP and mPxAP, worked out by hand."""

import pickle

import numpy as np
import pytest

from entreg_utils.metrics import (
    MeanPixelAveragePrecision,
    PixelAveragePrecision,
    class_pixel_average_precision,
    constant_map_baseline,
    mean_pixel_average_precision,
    pixel_average_precision,
)

# Scores 0, 1/3, 2/3, 1 from four pixels; foreground the best and the third best.
MAP = np.array([[0.0, 1.0], [2.0, 3.0]])
MASK = np.array([[0, 1], [0, 1]])


@pytest.mark.parametrize(
    ("maps", "masks", "options", "expected"),
    [
        # From the top: 1 (fg) precision 1, recall 1/2; 2/3 (bg) no gain; 1/3 (fg) precision 2/3.
        ([MAP], [MASK], {}, 1 / 2 + 2 / 3 / 2),
        # Bins [0, 0.5), [0.5, 1), and 1 by itself: 1/3 and 0 fall together, at precision 2/4.
        ([MAP], [MASK], {"step": 0.5}, 1 / 2 + 2 / 4 / 2),
        # Masks of any size are brought to that of the map.
        ([MAP], [np.kron(MASK, np.ones((50, 50)))], {}, 5 / 6),
        # Of what is to be ignored 2/3 (bg) is left out; 1 (fg) stays.
        ([MAP], [MASK], {"ignore": [[[0, 0], [1, 1]]]}, 1),
        ([MAP], [MASK], {"ignore": [None]}, 5 / 6),
        # An image with an empty mask is all background: 1 of 2, no gain, 2 of 6 at the third.
        ([MAP, MAP], [MASK, 0 * MASK], {}, 1 / 2 * 1 / 2 + 2 / 6 * 1 / 2),
    ],
)
def test_average_precision_by_hand(maps, masks, options, expected):
    assert pixel_average_precision(maps, masks, size=2, **options) == pytest.approx(expected)


@pytest.mark.parametrize("step", [0.001, 0.01, 0.0123, 0.1, 1 / 3, 0.7, 0.999, 1.0])
def test_a_score_at_an_edge_or_beside_it_falls_where_numpy_s_histogram_puts_it(step):
    pool = PixelAveragePrecision(step, size=(1, 8))
    for edge in pool.edges[:-3]:
        near = np.nextafter(edge, -1), edge, np.nextafter(edge, 2)
        scores = np.array([[0, 1, *near, *near[::-1]]]).clip(0, 1)  # of length 8, stretched as is
        pool.update(scores, np.ones((1, 8)))
        wanted = np.histogram(scores, bins=pool.edges)[0]
        assert pool.foreground.tolist() == wanted.tolist()
        pool.foreground[:] = 0


def test_histograms_are_pooled_over_images_not_averaged():
    # Image 1 ranks perfectly, image 2 the wrong way round; pooled: at 1, one of two is foreground
    # (precision 1/2, recall 1/2), at 0, two of four.
    maps, masks = [[[0.0, 1.0]], [[0.0, 1.0]]], [[[0, 1]], [[1, 0]]]
    pooled = pixel_average_precision(np.array(maps), np.array(masks), size=(1, 2))
    assert pooled == pytest.approx(1 / 2 * 1 / 2 + 2 / 4 * 1 / 2)
    # A mean of per-image scores would be (1 + 1/2) / 2.
    assert pooled != pytest.approx(0.75)


def test_a_constant_map_scores_the_share_of_foreground():
    generator = np.random.default_rng(0)
    masks = generator.random((5, 8, 8)) < 0.3
    ignore = generator.random((5, 8, 8)) < 0.2
    for skip in (None, ignore):
        score = pixel_average_precision(np.ones((5, 2, 2)), masks, skip, size=8)
        assert score == pytest.approx(constant_map_baseline(masks, skip, size=8))
    counted = masks | ~ignore
    assert constant_map_baseline(masks, ignore, size=8) == masks.sum() / counted.sum()


def test_precision_is_undefined_where_nothing_is_taken():
    stream = PixelAveragePrecision(step=0.5, size=2)
    stream.update(MAP, MASK)
    precision, recall = stream.precision_recall()
    assert np.isnan(precision[0]) and recall[0] == 0  # the empty bin above 1
    assert precision[1:].tolist() == [1.0, 0.5, 0.5] and recall[1:].tolist() == [0.5, 0.5, 1.0]


def test_mean_over_classes_pools_within_a_class_and_names_what_it_leaves_out():
    # Class 3: two entries that are each other's mirror, pooled 1/2. Class 7: perfect. 9: no object.
    maps = [[[0.0, 1.0]]] * 4
    masks, classes = [[[0, 1]], [[1, 0]], [[0, 1]], [[0, 0]]], [3, 3, 7, 9]
    assert class_pixel_average_precision(maps, masks, classes, size=(1, 2)) == {3: 0.5, 7: 1.0}
    left_out = "mPxAP averages 2 of 3 classes; left out, because no mask shows them: 9"
    with pytest.warns(RuntimeWarning, match=left_out):
        assert mean_pixel_average_precision(maps, masks, classes, size=(1, 2)) == 0.75
    parts = [MeanPixelAveragePrecision(size=(1, 2)) for _ in range(2)]
    for index, (cam, mask, label) in enumerate(zip(maps, masks, classes, strict=True)):
        parts[index % 2].update(cam, mask, label)
    assert sum(parts).per_class == {3: 0.5, 7: 1.0}
    assert [*parts[1].pools] == [3, 9]  # a sum leaves its parts as they are
    assert parts[0].merge(parts[1]) is parts[0] and parts[0].per_class == {3: 0.5, 7: 1.0}
    with pytest.warns(RuntimeWarning, match=left_out):
        assert parts[0].compute() == 0.75
    with pytest.raises(ValueError, match="no foreground pixel in any mask: mPxAP"):
        mean_pixel_average_precision(maps[:1], [[[0, 0]]], [0], size=(1, 2))
    with pytest.raises(ValueError, match="width of a score bin"):
        MeanPixelAveragePrecision(step=0)


def test_bad_input_is_one_clear_sentence():
    with pytest.raises(ValueError, match="no foreground pixel in any mask: PxAP is undefined"):
        pixel_average_precision([MAP], [np.zeros((2, 2))], size=2)
    with pytest.raises(ValueError, match="cams has 2, masks has 1"):
        pixel_average_precision([MAP, MAP], [MASK], size=2)
    with pytest.raises(ValueError, match="step is the width of a score bin"):
        pixel_average_precision([MAP], [MASK], step=0, size=2)
    with pytest.warns(RuntimeWarning, match="2 of 2 maps hold NaN") as caught:
        assert pixel_average_precision([MAP * np.nan] * 2, [MASK] * 2, size=2) == 0.5
    assert len(caught) == 1
    streams = PixelAveragePrecision(size=2), MeanPixelAveragePrecision(size=2)
    for stream, label in zip(streams, ([], [3]), strict=True):
        with pytest.warns(RuntimeWarning, match="1 of 1 maps hold NaN"):
            stream.update(MAP * np.nan, MASK, *label)
    assert streams[0].num_invalid == 1


def test_streams_of_two_processes_merge_to_that_of_one():
    rng = np.random.default_rng(5)
    maps, masks = rng.random((6, 4, 4)), rng.random((6, 4, 4)) > 0.6
    streams = [PixelAveragePrecision(0.01, 16) for _ in range(3)]
    for index in range(6):
        streams[index % 2].update(maps[index], masks[index])
        streams[2].update(maps[index], masks[index])
    memory = streams[0].foreground.nbytes
    restored = pickle.loads(pickle.dumps(streams[1]))  # as it comes back from a process
    assert sum([streams[0], restored]).compute() == streams[2].compute()
    assert streams[0].num_images == 3  # a sum leaves its parts as they are
    merged = streams[0].merge(restored)
    assert merged is streams[0] and merged.num_images == 6
    assert merged.compute() == streams[2].compute()
    assert merged.foreground.nbytes == memory  # however many images
    with pytest.raises(ValueError, match=r"are the same: .* and 100 bins against .* and 10$"):
        merged.merge(PixelAveragePrecision(0.1, 16))
    with pytest.raises(ValueError, match="step and size are the same"):
        merged.merge(PixelAveragePrecision(0.01, 8))


# ---- what a threshold lights of the object

OBJECT = np.pad(np.ones((2, 4)), ((1, 1), (2, 2)))  # 8 of 4x8 pixels


@pytest.mark.parametrize(
    ("shown", "at_half", "best"),
    [
        (OBJECT, (1, 1, 1, 1), 0.1),
        (np.pad(np.ones((4, 4)), ((0, 0), (2, 2))), (1 / 2, 1, 2, 1 / 2), 0.1),  # it spills
        (np.pad(np.ones((2, 1)), ((1, 1), (3, 4))), (1, 1 / 4, 1 / 4, 1 / 4), 0),  # too small
        (np.roll(OBJECT, 2, axis=1), (1 / 2, 1 / 2, 1, 1 / 3), 0.1),  # of the right size, beside it
        (1 - OBJECT, (0, 0, 3, 0), 0),
        (np.full((4, 8), 0.5), (np.nan, 0, 0, 0), 0),  # constant: nothing is lit above 0
    ],
)
def test_a_threshold_lights_what_counting_says(shown, at_half, best):
    pool = PixelAveragePrecision(step=0.1, size=(4, 8))
    pool.update(shown, OBJECT)
    assert pool.lit(0.5) == pytest.approx(at_half, nan_ok=True)
    assert pool.lit(0) == (1 / 4, 1, 4, 1 / 4)  # everything
    assert pool.best_threshold() == best  # the lowest of equals


def test_a_score_at_the_threshold_is_lit_and_thresholds_go_to_the_nearest_edge():
    pool = PixelAveragePrecision(step=0.25, size=(1, 5))
    pool.update([[0, 0.25, 0.5, 0.75, 1]], [[0, 0, 0, 1, 1]])
    areas = [pool.lit(t).area for t in (0, 0.25, 0.5, 0.75, 1)]
    assert areas == [5 / 2, 4 / 2, 3 / 2, 2 / 2, 1 / 2] and pool.best_threshold() == 0.75
    assert [pool.lit(t).area for t in (0.12, 0.13, 0.87, np.float32(0.88))] == [2.5, 2, 1, 0.5]


def test_pixels_to_ignore_are_neither_lit_nor_object_and_empty_masks_are_background():
    mask, ignore = [[0, 0, 1, 1]], [[0, 1, 0, 0]]
    pool, empty = (PixelAveragePrecision(size=(1, 4)) for _ in range(2))
    pool.update([[0, 1, 1, 0]], mask, ignore)
    assert pool.lit(0.5) == (1, 1 / 2, 1 / 2, 1 / 2)
    empty.update([[1, 1, 0, 0]], [[0] * 4])
    for ask in (lambda: empty.lit(0.5), empty.best_threshold):
        with pytest.raises(ValueError, match="no foreground pixel in any mask"):
            ask()
    assert (pool + empty).lit(0.5) == (1 / 3, 1 / 2, 3 / 2, 1 / 4)  # two lit pixels more
    for wrong in (-0.1, 1.5, np.nan, True, "half"):
        with pytest.raises(ValueError, match="threshold="):
            pool.lit(wrong)


def test_over_classes_lit_is_a_mean_and_the_threshold_is_one_for_all():
    streams = MeanPixelAveragePrecision(step=0.1, size=(1, 4))
    streams.update([[1, 0.5, 0, 0]], [[1, 1, 0, 0]], 2)  # IoU 1 up to 0.5, then 1/2
    streams.update([[1, 0.5, 0.5, 0]], [[1, 0, 0, 0]], 5)  # IoU 1/3 up to 0.5, then 1
    streams.update([[1, 0, 0, 0]], [[0, 0, 0, 0]], 7)  # no object: in no mean
    assert streams.lit(0.5) == pytest.approx((2 / 3, 1, 2, 2 / 3))
    assert streams.lit(0.6) == pytest.approx((1, 3 / 4, 3 / 4, 3 / 4))
    assert streams.best_threshold() == pytest.approx(0.6)
    assert streams.pools[2].best_threshold() == pytest.approx(0.1)
    streams.update(np.ones((1, 4)), [[1, 1, 1, 0]], 9)  # lights nothing: no precision
    assert streams.lit(0.6) == pytest.approx((1, 1.5 / 3, 1.5 / 3, 1.5 / 3))
    blank = MeanPixelAveragePrecision(size=(1, 4))
    blank.update(np.ones((1, 4)), [[1, 0, 0, 0]], 0)
    assert np.isnan(blank.lit(0.5).precision) and blank.lit(0.5)[1:] == (0, 0, 0)
    for ask in (lambda own: own.lit(0.5), lambda own: own.best_threshold()):
        with pytest.raises(ValueError, match="no foreground pixel in any mask: mPxAP"):
            ask(MeanPixelAveragePrecision())
