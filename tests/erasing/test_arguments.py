"""Arguments of the erasing methods: what passes comes out normalised, the rest is refused."""

import math

import numpy as np
import pytest
import torch

from entreg_utils.erasing.arguments import (
    cpu_generator,
    image_batch,
    number,
    open_share,
    share,
    square_sides,
    upload,
)


def test_numbers_become_floats():
    assert share("rate", 1) == 1.0 and isinstance(share("rate", 1), float)
    assert number("beta", np.float32(0.5)) == 0.5
    assert open_share("square", 0.25) == 0.25


@pytest.mark.parametrize("check", [number, share, open_share])
@pytest.mark.parametrize("value", ["0.5", None, True, torch.tensor(0.5)])
def test_what_is_no_number_is_refused(check, value):
    with pytest.raises(TypeError, match="rate=.* must be a number"):
        check("rate", value)


@pytest.mark.parametrize(
    ("check", "value", "message"),
    [
        (number, math.nan, "rate=nan must be finite"),
        (number, math.inf, "rate=inf must be finite"),
        (share, -0.01, "rate=-0.01 must lie in 0..1"),
        (share, 1.01, "rate=1.01 must lie in 0..1"),
        (open_share, 0, "rate=0 must lie above 0 and below 1"),
        (open_share, 1, "rate=1 must lie above 0 and below 1"),
    ],
)
def test_numbers_out_of_range_are_refused(check, value, message):
    with pytest.raises(ValueError, match=message):
        check("rate", value)


def test_sides_are_a_tuple_and_none_is_zero():
    assert square_sides([None, 16, np.int64(3)]) == (0, 16, 3)
    assert square_sides(16) == (16,)


@pytest.mark.parametrize(
    ("sides", "error", "message"),
    [
        ((), ValueError, "sides is empty"),
        ((4, -1), ValueError, "side -1 must be at least 1"),
        ((4, 2.5), TypeError, "side 2.5 must be a whole number"),
        ((True,), TypeError, "side True"),
        ("16", TypeError, "sides='16'"),
        (None, TypeError, "sides=None"),
    ],
)
def test_bad_sides_are_refused(sides, error, message):
    with pytest.raises(error, match=message):
        square_sides(sides)


def test_a_batch_of_images_passes_as_it_is():
    for images in (torch.zeros(2, 3, 4, 5), torch.zeros(1, 1, 1, 1, dtype=torch.uint8)):
        assert image_batch(images) is images


@pytest.mark.parametrize(
    ("images", "error", "message"),
    [
        (torch.zeros(2, 3, 4, 5, dtype=torch.int64), TypeError, "images are torch.int64"),
        (np.zeros((2, 3, 4, 5)), TypeError, "images are ndarray"),
        (torch.zeros(3, 4, 5), ValueError, r"shape \(3, 4, 5\)"),
        (torch.zeros(2, 3, 0, 5), ValueError, "none of them 0"),
    ],
)
def test_other_images_are_refused(images, error, message):
    with pytest.raises(error, match=message):
        image_batch(images)


def test_a_generator_is_asked_for():
    generator = torch.Generator()
    assert cpu_generator(generator) is generator
    with pytest.raises(TypeError, match="generator is NoneType, but must be a torch.Generator"):
        cpu_generator(None)


def test_upload_to_the_cpu_is_no_copy():
    tensor = torch.ones(3)
    assert upload(tensor, torch.device("cpu")) is tensor
    assert upload(tensor, torch.device("meta")).device.type == "meta"
