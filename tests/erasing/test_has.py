"""Hide-and-Seek: whole tiles, their number, gradients, images of any shape and type."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from entreg_utils.erasing import has, hide_and_seek
from tests.erasing.conftest import seeded


def hidden_tiles(count, height, width, sides, rate, generator):
    return has.hidden_tiles(torch.zeros(count, 3, height, width), sides, rate, generator)


def is_whole(mask, side):
    """Whether each tile of a mask (H, W), read off with plain slices, is all or not hidden."""
    corners = itertools.product(*(range(0, length, side) for length in mask.shape))
    tiles = [mask[y : y + side, x : x + side] for y, x in corners]
    return all(bool(tile.all()) or not bool(tile.any()) for tile in tiles)


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(5, 20),
    width=st.integers(5, 20),
    side=st.integers(1, 9),
    rate=st.floats(0, 1),
    seed=st.integers(0, 2**31),
)
def test_only_whole_tiles_are_hidden_also_where_the_side_does_not_divide(
    height, width, side, rate, seed
):
    side = min(side, max(height, width) - 1)
    mask = hidden_tiles(3, height, width, side, rate, seeded(seed))
    assert mask.shape == (3, height, width) and mask.dtype == torch.bool
    assert hidden_tiles(2, height, width, side, 1.0, seeded()).all()
    assert not hidden_tiles(2, height, width, side, 0.0, seeded()).any()
    assert all(is_whole(image, side) for image in mask)


@pytest.mark.parametrize("rate", [0.2, 0.5, 0.66])
def test_the_share_of_hidden_tiles_is_the_rate_and_every_tile_has_its_turn(rate):
    mask = hidden_tiles(600, 6, 10, 2, rate, seeded(1)).float()  # 15 tiles an image
    assert mask.mean().item() == pytest.approx(rate, abs=0.02)  # sd 0.5 / sqrt(9000) = 0.005
    corners = mask[:, ::2, ::2].mean(dim=0)  # one pixel of each tile
    assert (corners - rate).abs().max().item() < 0.09  # sd 0.02
    # Neighbours are drawn independently: both are hidden in rate^2 of the images.
    both = (mask[:, 0, 0] * mask[:, 0, 2]).mean().item()
    assert both == pytest.approx(rate**2, abs=0.08)


def test_each_image_draws_its_own_side_with_equal_chances():
    mask = hidden_tiles(900, 12, 12, (0, 3, 4, 6), 0.5, seeded(2))
    # Which sides fit what is seen? A mask of tiles of 6 is also one of tiles of 3, never of 4
    # unless it is constant in the rows and columns 3..8.
    whole = (~mask.any(dim=(1, 2))).float().mean().item()
    # nothing hidden: side "none", or all 16, 9 or 4 tiles missed
    expected = (1 + 0.5**16 + 0.5**9 + 0.5**4) / 4
    assert whole == pytest.approx(expected, abs=0.06)
    assert all(any(is_whole(image, side) for side in (3, 4, 6)) for image in mask)
    only_fours = [is_whole(image, 4) and not is_whole(image, 3) for image in mask]
    assert sum(only_fours) / 900 == pytest.approx(0.25, abs=0.06)


def test_a_hidden_pixel_shows_the_fill_and_the_others_are_untouched():
    images = torch.rand(4, 3, 9, 11, generator=seeded(3))
    before = images.clone()
    out = hide_and_seek(images, (2, 4), 0.5, (0.1, 0.2, 0.3), seeded(4))
    mask = hidden_tiles(4, 9, 11, (2, 4), 0.5, seeded(4))
    assert torch.equal(images, before)
    assert 0 < mask.sum() < mask.numel()
    colour = torch.tensor([0.1, 0.2, 0.3])[None, :, None, None].expand_as(images)
    assert torch.equal(out, torch.where(mask[:, None], colour, images))


@pytest.mark.parametrize("sides", [0, (0, 0)])
def test_no_side_hides_nothing_and_still_gives_new_images(sides):
    images = torch.rand(2, 3, 8, 8)
    out = hide_and_seek(images, sides, 1.0, 0.5, seeded())
    assert torch.equal(out, images) and out.data_ptr() != images.data_ptr()


def test_uint8_and_float_images_are_hidden_alike():
    grey = torch.tensor([[[[10, 20]], [[30, 40]]]], dtype=torch.uint8)
    half = has.paint_over(grey, torch.tensor([[[True, False]]]), (0.5, 1.0))
    assert half.tolist() == [[[[128, 20]], [[255, 40]]]]  # 0.5 * 255 = 127.5, rounded to even
    pixels = torch.randint(256, (3, 3, 8, 8), dtype=torch.uint8, generator=seeded(5))
    whole = hide_and_seek(pixels, 3, 0.5, 0.2, seeded(6))
    scaled = hide_and_seek(pixels.float() / 255, 3, 0.5, 0.2, seeded(6))
    assert whole.dtype == torch.uint8
    assert torch.equal(whole, (scaled * 255).round().to(torch.uint8))  # 0.2 * 255 = 51


def test_the_seed_decides():
    masks = [hidden_tiles(4, 12, 12, (0, 2, 5), 0.5, seeded(seed)) for seed in (1, 1, 2)]
    assert torch.equal(masks[0], masks[1]) and not torch.equal(masks[0], masks[2])
    torch.manual_seed(0)
    before = torch.get_rng_state()
    hidden_tiles(4, 12, 12, (0, 2, 5), 0.5, seeded())
    assert torch.equal(torch.get_rng_state(), before)  # nothing from the global generator


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"sides": (4, 8)}, ValueError, "side of 8 px has one tile on 6x8 images"),
        ({"fill": 128}, ValueError, "colour in 0..1"),
        ({"fill": (0.5, 0.5)}, ValueError, r"fill has shape \(2,\)"),
        ({"generator": 3}, TypeError, "must be a torch.Generator"),
        ({"sides": ()}, ValueError, "give at least one"),
        ({"sides": (4, -1)}, ValueError, r"sides=\(4, -1\): give at least one, in pixels, 0 for"),
        ({"sides": True}, ValueError, "sides=True: give a whole number"),
        ({"images": torch.zeros(3, 6, 8)}, ValueError, r"must be \(N, 3, H, W\)"),
        ({"images": torch.zeros(2, 3, 0, 8)}, ValueError, "none of them 0"),
        ({"images": torch.zeros(2, 3, 6, 8).long()}, TypeError, "images are torch.int64"),
        ({"images": [[0.5]]}, TypeError, "images are list, but must be floats"),
    ],
)
def test_bad_input_is_one_clear_sentence(arguments, error, message):
    good = {"images": torch.zeros(2, 3, 6, 8), "sides": 4, "rate": 0.5, "fill": 0.5}
    good["generator"] = seeded()
    with pytest.raises(error, match=message):
        hide_and_seek(**(good | arguments))
