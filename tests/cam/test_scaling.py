"""The four normalisations, the protocol's upsampling and the overlay, on maps written by hand."""

import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from matplotlib import colormaps

from entreg_utils import cam, metrics
from entreg_utils.cam.scaling import as_picture, rescale_boxes, resize_mask

TEN = np.array([[[-4.0, -2.0, 0.0, 1.0, 2.0], [3.0, 4.0, 5.0, 6.0, 8.0]]])  # (1, 2, 5), sorted


@pytest.mark.parametrize(
    ("method", "percentile", "expected"),
    [
        ("minmax", None, (TEN[0] + 4) / 12),
        ("max", None, [[0, 0, 0, 1 / 8, 2 / 8], [3 / 8, 4 / 8, 5 / 8, 6 / 8, 1]]),
        # minus the minimum: 0 2 4 5 6 7 8 9 10 12; index int(0.9 * 10) = 9 -> 12; at 80 index 8
        ("pas", None, (TEN[0] + 4) / 12),
        ("pas", 80, [[0, 0.2, 0.4, 0.5, 0.6], [0.7, 0.8, 0.9, 1, 1]]),
        # index int(0.4 * 10) = 4 -> value 2; minus 2, clipped: 0 0 0 0 0 1 2 3 4 6
        ("ivr", None, [[0, 0, 0, 0, 0], [1 / 6, 2 / 6, 3 / 6, 4 / 6, 1]]),
        ("ivr", 40, [[0, 0, 0, 0, 0], [1 / 6, 2 / 6, 3 / 6, 4 / 6, 1]]),
        ("ivr", 0, (TEN[0] + 4) / 12),  # the minimum: IVR becomes min-max
    ],
)
def test_the_four_rules_by_hand(method, percentile, expected):
    before = TEN.copy()
    result = cam.normalize(TEN, method, percentile)
    assert np.array_equal(result, [expected]) and result.dtype == np.float64
    assert np.array_equal(TEN, before)
    as_tensor = cam.normalize(torch.from_numpy(TEN).float().requires_grad_(), method, percentile)
    assert isinstance(as_tensor, torch.Tensor) and as_tensor.dtype == torch.float64
    assert np.array_equal(as_tensor, result)
    assert np.array_equal(cam.normalize(TEN), [(TEN[0] + 4) / 12])  # the default


@pytest.mark.parametrize("method", cam.NORMALIZATIONS)
def test_maps_with_nothing_to_show_become_zeros(method):
    for value in (-2.0, 0.0, 7.5):
        assert not cam.normalize(np.full((1, 3, 4), value), method).any()
    for bad in (np.nan, np.inf, -np.inf):
        maps = np.concatenate([TEN, TEN, TEN])
        maps[1, 0, 0] = bad
        with pytest.warns(RuntimeWarning, match="map 1 holds NaN or infinite values") as told:
            result = cam.normalize(maps, method)
        assert told[0].filename == __file__
        assert not result[1].any()  # and the others are spared
        assert np.array_equal(result[[0, 2]], cam.normalize(maps[[0, 2]], method))


def test_percentiles_at_the_ends_of_a_map():
    # 19 of 20 pixels at the minimum: the 90th percentile of v - min is 0
    maps = np.full((1, 4, 5), -1.0)
    maps[0, 2, 3] = 0.5
    assert np.array_equal(cam.normalize(maps, "pas"), (maps > -1).astype(float))
    maps = np.ones((1, 2, 5))
    maps[0, 0, 0] = 0.0  # P40 = 1 = max: nothing lies above
    assert not cam.normalize(maps, "ivr").any()


finite_maps = arrays(
    np.float32, (2, 4, 5), elements=st.floats(-1e6, 1e6, width=32, allow_subnormal=False)
)


@given(finite_maps, st.sampled_from(cam.NORMALIZATIONS))
def test_range_order_and_no_side_effect(maps, method):
    before = maps.copy()
    result = cam.normalize(maps, method)
    assert np.array_equal(maps, before)
    assert result.min() >= 0 and result.max() <= 1
    for raw, scaled in zip(maps, result, strict=True):
        assert (np.diff(scaled.ravel()[np.argsort(raw, axis=None)]) >= 0).all()
        if scaled.any():
            assert scaled.max() == 1


@given(finite_maps, st.sampled_from(cam.NORMALIZATIONS), st.sampled_from([0.25, 2.0, 64.0]))
def test_no_rule_sees_a_positive_factor(maps, method, factor):
    assert np.array_equal(
        cam.normalize(maps.astype(np.float64) * factor, method), cam.normalize(maps, method)
    )


def test_which_rules_see_an_added_constant():
    moved = TEN + 4
    for method in ("minmax", "pas", "ivr"):
        assert np.array_equal(cam.normalize(moved, method), cam.normalize(TEN, method))
    assert cam.normalize(TEN, "max")[0, 0, 1] == 0
    assert cam.normalize(moved, "max")[0, 0, 1] == 2 / 12


@pytest.mark.parametrize("room", ["cam", "metrics"])
def test_a_room_that_needs_no_torch_imports_none(room):
    code = f"import sys, entreg_utils.{room}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_the_maps_of_networks_are_there_when_asked_for():
    assert {"class_activation_map", "grad_cam", "normalize"} <= set(dir(cam))
    with pytest.raises(AttributeError, match="no attribute 'gradcam'"):
        _ = cam.gradcam


def test_upsample_is_opencv_bicubic_in_float64():
    maps = torch.arange(12.0).reshape(1, 3, 4)
    result = cam.upsample(maps, 9)
    assert result.shape == (1, 9, 9) and result.dtype == np.float64
    expected = cv2.resize(maps[0].double().numpy(), (9, 9), interpolation=cv2.INTER_CUBIC)
    assert np.array_equal(result[0], expected)
    tall = cv2.resize(maps[0].double().numpy(), (5, 9), interpolation=cv2.INTER_CUBIC)
    assert np.array_equal(cam.upsample(maps, (9, np.int64(5)))[0], tall)  # (height, width)
    assert cam.upsample(maps[:0], 5).shape == (0, 5, 5)


def test_blank_maps():
    assert cam.is_blank(np.zeros((3, 3))) and cam.is_blank(torch.full((3, 3), 0.7))
    assert cam.is_blank(np.array([[0.0, np.nan]]))
    assert not cam.is_blank(np.array([[0.0, 1e-9]]))


IMAGE = np.linspace(0, 1, 3 * 4 * 5).reshape(3, 4, 5)
UNIT = np.linspace(0, 1, 20).reshape(4, 5)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_is_the_plain_blend(alpha):
    result = cam.overlay(IMAGE, UNIT, alpha)
    magma = colormaps["magma"](UNIT)[:, :, :3]
    expected = (1 - alpha) * IMAGE.transpose(1, 2, 0) + alpha * magma
    assert result.shape == (4, 5, 3) and result.dtype == np.float32
    np.testing.assert_allclose(result, expected, atol=1e-7)


@pytest.mark.parametrize(
    "image",
    [IMAGE, IMAGE.transpose(1, 2, 0), torch.from_numpy(IMAGE).requires_grad_()],
    ids=["channels first", "channels last", "tensor with a gradient"],
)
def test_a_picture_may_have_any_layout_and_is_a_copy(image):
    picture = as_picture(image)
    np.testing.assert_array_equal(picture, IMAGE.transpose(1, 2, 0))
    before, picture[:] = IMAGE.copy(), 7
    assert np.array_equal(IMAGE, before)
    grey = torch.full((3, 2, 2), 51, dtype=torch.uint8)
    assert as_picture(grey).tolist() == np.full((2, 2, 3), 0.2).tolist()


def test_bytes_and_channels_last():
    as_bytes = (IMAGE * 255).round().astype(np.uint8)
    result = cam.overlay(torch.from_numpy(as_bytes), torch.from_numpy(UNIT), 0.0)
    np.testing.assert_allclose(result, as_bytes.transpose(1, 2, 0) / 255, atol=1e-7)
    assert np.array_equal(
        cam.overlay(as_bytes.transpose(1, 2, 0).copy(), UNIT, 0.4),
        cam.overlay(as_bytes, UNIT, 0.4),
    )


@pytest.mark.parametrize("blank", [0.0, 1.0, 7.0, np.nan])
def test_a_blank_map_is_flagged_by_grey_stripes(blank):
    result = cam.overlay(IMAGE, np.full((4, 5), blank), 0.5)
    assert np.array_equal(result[..., 0], result[..., 1])
    assert np.array_equal(result[..., 0], result[..., 2])
    striped = cam.overlay(np.full((3, 24, 30), 0.5), np.full((24, 30), blank))
    # diagonals two pixels wide, a twelfth of the height, of 0.4 / 2 + 0.35 and 0.25 more
    y, x = np.mgrid[:24, :30]
    np.testing.assert_allclose(striped[..., 0], np.where((x + y) % 4 < 2, 0.55, 0.8), atol=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: cam.normalize(TEN, "softmax"),
            "unknown normalization 'softmax': known are minmax",
        ),
        (lambda: cam.normalize(TEN, "max", 90), "'max' takes no percentile"),
        (lambda: cam.normalize(TEN, "pas", 100), "percentile is 100"),
        (lambda: cam.normalize(TEN, "ivr", -1), "percentile is -1"),
        (lambda: cam.normalize(TEN, "pas", 0.9), "in percent"),
        (lambda: cam.normalize(TEN[0]), r"shape \(2, 5\), but must be \(N, h, w\)"),
        (lambda: cam.upsample(TEN[:, :0], 8), r"shape \(1, 0, 5\)"),
        (lambda: cam.upsample(TEN, 0), "size must be a positive int or"),
        (lambda: cam.upsample(TEN, 2.5), "size must be a positive int or"),
        (lambda: cam.upsample(TEN, (3, 0)), "size must be a positive int or"),
        (lambda: cam.upsample(TEN, (1, 2, 3)), "size must be a positive int or"),
        (lambda: cam.upsample(TEN, 2**15 + 1), "at most 32768, got 32769"),
        (lambda: cam.upsample([[[1, 2], [3]]], 4), "rows of unequal length"),
        (lambda: cam.upsample([["a"]], 4), "give real numbers"),
        (lambda: cam.is_blank([]), r"shape \(0,\) has no values"),
        (lambda: resize_mask(np.zeros(4), 4), r"a mask must have shape \(H, W\) .* has \(4,\)"),
        (lambda: rescale_boxes([1, 2, 3], (9, 9)), r"shape \(3,\) must be \(..., 4\), finite"),
        (lambda: rescale_boxes([0, 0, 1, 2**53], (9, 9)), "finite"),
        (lambda: rescale_boxes([0, 0, 1, np.nan], (9, 9)), "finite"),
        (lambda: cam.overlay(IMAGE, UNIT[:2]), "do not match"),
        (lambda: cam.overlay(IMAGE, UNIT, 2), "alpha is 2"),
        (lambda: cam.overlay(IMAGE, UNIT * 3), "normalize the map"),
        (lambda: cam.overlay(IMAGE, UNIT - 0.1), "normalize the map"),
        (lambda: cam.overlay(IMAGE * 255, UNIT), "divide the image by 255"),
        (lambda: cam.overlay(IMAGE[0], UNIT), r"image has shape \(4, 5\), but must be \(3, H, W\)"),
    ],
)
def test_bad_input_is_one_clear_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_upsample_then_minmax_is_what_the_metrics_score():
    maps = np.random.default_rng(3).normal(size=(4, 12, 12)).astype(np.float32)
    prepared = cam.normalize(cam.upsample(maps, 48))
    for one, ours in zip(maps, prepared, strict=True):
        assert np.array_equal(metrics.score_map(one, 48).scores, ours)


@pytest.mark.parametrize(("percentile", "floor"), [(90, 900), (50, 500), (99.9, 999), (0, 0)])
def test_the_floor_of_ivr_is_an_order_statistic(percentile, floor):
    values = np.arange(1001.0).reshape(1, 7, 143)  # the value is the rank
    expected = np.maximum(values - floor, 0) / (1000 - floor)
    assert np.array_equal(cam.normalize(values, "ivr", percentile), expected)


def test_boxes_in_another_size_by_hand():
    # 500 x 250 pixels to 224: x * 224 / 500 and y * 224 / 250, truncated.
    boxes = [[10, 10, 499, 249], [0, 125, 250, 126]]
    wanted = np.array([[4, 8, 223, 223], [0, 112, 112, 112]])
    assert np.array_equal(rescale_boxes(boxes, (500, 250)), wanted)
    wide = rescale_boxes(boxes[0], (500, 250), (100, 200))  # (height, width)
    assert wide.tolist() == [4, 4, 199, 99]
    assert rescale_boxes([], (500, 250)).shape == (0, 4)


def test_a_mask_is_brought_to_any_size_by_its_nearest_pixels():
    mask = np.array([[0, 7], [1, 0]])
    assert resize_mask(mask, 2).tolist() == [[False, True], [True, False]]
    wide = [[False, False, True, True], [True, True, False, False]]
    assert resize_mask(mask, (2, 4)).tolist() == wide
    for score in (
        lambda own: resize_mask(own, 2),
        lambda own: metrics.energy_shares(np.ones((1, 2, 2)), own[None]),
        lambda own: metrics.PixelAveragePrecision(size=2).update(mask, own),
        lambda own: metrics.PixelAveragePrecision(size=2).update(mask, mask, ignore=own),
        lambda own: metrics.constant_map_baseline([own], size=2),
    ):
        with pytest.raises(ValueError, match="a (mask|region) holds NaN: give 0 outside"):
            score(np.array([[0, np.nan], [1, 0]]))
