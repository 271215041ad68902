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
from entreg_utils.cam.scaling import rescale_boxes, resize_mask

TEN = np.array([[[-4.0, -2.0, 0.0, 1.0, 2.0], [3.0, 4.0, 5.0, 6.0, 8.0]]])  # (1, 2, 5), sorted


def test_minmax():
    expected = (TEN + 4) / 12
    assert np.array_equal(cam.normalize(TEN), expected)
    assert np.array_equal(cam.normalize(TEN, "minmax"), expected)


def test_max_clips_negatives_and_keeps_zero():
    assert cam.normalize(TEN, "max").tolist() == [
        [[0, 0, 0, 1 / 8, 2 / 8], [3 / 8, 4 / 8, 5 / 8, 6 / 8, 1]]
    ]


def test_pas_saturates_from_the_percentile_up():
    # minus the minimum: 0 2 4 5 6 7 8 9 10 12; index int(0.9 * 10) = 9 -> 12; at 80 index 8 -> 10
    assert np.array_equal(cam.normalize(TEN, "pas"), (TEN + 4) / 12)
    assert cam.normalize(TEN, "pas", percentile=80).tolist() == [
        [[0, 0.2, 0.4, 0.5, 0.6], [0.7, 0.8, 0.9, 1, 1]]
    ]


def test_ivr_restarts_at_the_percentile():
    # index int(0.4 * 10) = 4 -> value 2; minus 2, clipped: 0 0 0 0 0 1 2 3 4 6
    expected = [[[0, 0, 0, 0, 0], [1 / 6, 2 / 6, 3 / 6, 4 / 6, 1]]]
    assert cam.normalize(TEN, "ivr").tolist() == expected
    assert cam.normalize(TEN, "ivr", percentile=40).tolist() == expected
    # percentile 0 is the minimum: IVR becomes min-max
    assert np.array_equal(cam.normalize(TEN, "ivr", percentile=0), cam.normalize(TEN))


@pytest.mark.parametrize("method", cam.NORMALIZATIONS)
@pytest.mark.parametrize("value", [-2.0, 0.0, 7.5])
def test_constant_map_becomes_zeros(method, value):
    assert not cam.normalize(np.full((1, 3, 4), value), method).any()


@pytest.mark.parametrize("method", cam.NORMALIZATIONS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_map_with_nan_becomes_zeros_with_a_warning_and_spares_the_others(method, bad):
    maps = np.concatenate([TEN, TEN, TEN])
    maps[1, 0, 0] = bad
    with pytest.warns(RuntimeWarning, match="map 1 holds NaN or infinite values"):
        result = cam.normalize(maps, method)
    assert not result[1].any()
    assert np.array_equal(result[[0, 2]], cam.normalize(maps[[0, 2]], method))


def test_pas_where_most_of_the_map_is_its_minimum():
    # 19 of 20 pixels at the minimum: the 90th percentile of v - min is 0
    maps = np.full((1, 4, 5), -1.0)
    maps[0, 2, 3] = 0.5
    assert np.array_equal(cam.normalize(maps, "pas"), (maps > -1).astype(float))


def test_ivr_where_the_percentile_is_the_maximum():
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


def test_a_tensor_gives_a_cpu_tensor():
    result = cam.normalize(torch.from_numpy(TEN).float().requires_grad_(True), "ivr")
    assert isinstance(result, torch.Tensor) and result.dtype == torch.float64
    assert result.numpy().tolist() == cam.normalize(TEN, "ivr").tolist()


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


def test_the_order_of_upsampling_and_normalising_matters():
    """Upsampling overshoots, so a map normalised first leaves 0..1; the protocol's does not."""
    maps = np.zeros((1, 5, 5), dtype=np.float32)
    maps[0, 2, 2] = 1
    early = cam.upsample(cam.normalize(maps), 50)
    assert early.min() < 0
    late = cam.normalize(cam.upsample(maps, 50))
    assert late.min() == 0 and late.max() == 1
    assert (early >= 0.1).sum() < (late >= 0.1).sum()


def test_blank_maps():
    assert cam.is_blank(np.zeros((3, 3))) and cam.is_blank(torch.full((3, 3), 0.7))
    assert cam.is_blank(np.array([[0.0, np.nan]]))
    assert not cam.is_blank(np.array([[0.0, 1e-9]]))


class TestOverlay:
    image = np.linspace(0, 1, 3 * 4 * 5).reshape(3, 4, 5)
    scaled = np.linspace(0, 1, 20).reshape(4, 5)

    @pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
    def test_is_the_plain_blend(self, alpha):
        result = cam.overlay(self.image, self.scaled, alpha)
        magma = colormaps["magma"](self.scaled)[:, :, :3]
        expected = (1 - alpha) * self.image.transpose(1, 2, 0) + alpha * magma
        assert result.shape == (4, 5, 3) and result.dtype == np.float32
        np.testing.assert_allclose(result, expected, atol=1e-7)

    def test_bytes_and_channels_last(self):
        as_bytes = (self.image * 255).round().astype(np.uint8)
        result = cam.overlay(torch.from_numpy(as_bytes), torch.from_numpy(self.scaled), 0.0)
        np.testing.assert_allclose(result, as_bytes.transpose(1, 2, 0) / 255, atol=1e-7)
        assert np.array_equal(
            cam.overlay(as_bytes.transpose(1, 2, 0).copy(), self.scaled, 0.4),
            cam.overlay(as_bytes, self.scaled, 0.4),
        )

    @pytest.mark.parametrize("blank", [0.0, 1.0, np.nan])
    def test_a_blank_map_is_flagged_by_grey_stripes(self, blank):
        result = cam.overlay(self.image, np.full((4, 5), blank), 0.5)
        assert np.array_equal(result[..., 0], result[..., 1])
        assert np.array_equal(result[..., 0], result[..., 2])
        striped = cam.overlay(np.full((3, 4, 5), 0.5), np.full((4, 5), blank))
        assert len(np.unique(striped)) == 2  # a flat picture shows the stripes alone

    def test_bad_input(self):
        with pytest.raises(ValueError, match="do not match"):
            cam.overlay(self.image, self.scaled[:2])
        with pytest.raises(ValueError, match="alpha is 2"):
            cam.overlay(self.image, self.scaled, 2)
        with pytest.raises(ValueError, match="normalize the map"):
            cam.overlay(self.image, self.scaled * 3)
        with pytest.raises(ValueError, match="divide the image by 255"):
            cam.overlay(self.image * 255, self.scaled)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"method": "softmax"},
            "unknown normalization 'softmax': known are minmax, max, pas, ivr",
        ),
        ({"method": "max", "percentile": 90}, "'max' takes no percentile"),
        ({"method": "pas", "percentile": 100}, "percentile is 100"),
        ({"method": "ivr", "percentile": -1}, "percentile is -1"),
        ({"method": "pas", "percentile": 0.9}, "in percent"),
    ],
)
def test_bad_arguments_of_normalize(arguments, message):
    with pytest.raises(ValueError, match=message):
        cam.normalize(TEN, **arguments)


def test_bad_shapes():
    with pytest.raises(ValueError, match=r"shape \(2, 5\), but must be \(N, h, w\)"):
        cam.normalize(TEN[0])
    with pytest.raises(ValueError, match="shape"):
        cam.upsample(TEN[0], 8)
    for size in (0, 2.5, (3, 0), (1, 2, 3)):
        with pytest.raises(ValueError, match="size must be a positive int or"):
            cam.upsample(TEN, size)


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
