"""HaS: whole tiles, their number, fills. CutMix: shares of pixels, boxes, mixed losses."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.special import betainc

from entreg_utils import losses
from entreg_utils.erasing import batches, cutmix, hide_and_seek
from entreg_utils.erasing.batches import draw_box, soft_targets
from tests.erasing.conftest import seeded

# ---- Hide-and-Seek


def hidden_tiles(count, height, width, sides, rate, generator):
    return batches.hidden_tiles(torch.zeros(count, 3, height, width), sides, rate, generator)


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


def test_tiles_and_sides_are_drawn_each_by_itself_with_their_chances():
    mask = hidden_tiles(600, 6, 10, 2, 0.66, seeded(1)).float()  # 15 tiles an image
    assert mask.mean().item() == pytest.approx(0.66, abs=0.02)  # sd 0.5 / sqrt(9000) = 0.005
    corners = mask[:, ::2, ::2].mean(dim=0)  # one pixel of each tile
    assert (corners - 0.66).abs().max().item() < 0.09  # sd 0.02
    both = (mask[:, 0, 0] * mask[:, 0, 2]).mean().item()  # neighbours, in rate^2 of the images
    assert both == pytest.approx(0.66**2, abs=0.08)
    mask = hidden_tiles(900, 12, 12, (0, 3, 4, 6), 0.5, seeded(2))
    # nothing hidden: side "none", or all 16, 9 or 4 tiles missed
    whole = (~mask.any(dim=(1, 2))).float().mean().item()
    assert whole == pytest.approx((1 + 0.5**16 + 0.5**9 + 0.5**4) / 4, abs=0.06)
    # A mask of tiles of 6 is also one of tiles of 3, never of 4 unless it is constant there.
    assert all(any(is_whole(image, side) for side in (3, 4, 6)) for image in mask)
    only_fours = [is_whole(image, 4) and not is_whole(image, 3) for image in mask]
    assert sum(only_fours) / 900 == pytest.approx(0.25, abs=0.06)


def test_hidden_pixels_show_the_fill_and_the_seed_alone_decides():
    images = torch.rand(4, 3, 9, 11, generator=seeded(3))
    before, state = images.clone(), torch.get_rng_state()
    out = hide_and_seek(images, (2, 4), 0.5, (0.1, 0.2, 0.3), seeded(4))
    mask = hidden_tiles(4, 9, 11, (2, 4), 0.5, seeded(4))
    assert torch.equal(images, before) and torch.equal(torch.get_rng_state(), state)
    assert 0 < mask.sum() < mask.numel()
    colour = torch.tensor([0.1, 0.2, 0.3])[None, :, None, None].expand_as(images)
    assert torch.equal(out, torch.where(mask[:, None], colour, images))
    assert not torch.equal(mask, hidden_tiles(4, 9, 11, (2, 4), 0.5, seeded(5)))
    for nothing in (0, (0, 0)):
        out = hide_and_seek(images, nothing, 1.0, 0.5, seeded())
        assert torch.equal(out, images) and out.data_ptr() != images.data_ptr()


def test_uint8_and_float_images_are_hidden_alike():
    grey = torch.tensor([[[[10, 20]], [[30, 40]]]], dtype=torch.uint8)
    half = batches.paint_over(grey, torch.tensor([[[True, False]]]), (0.5, 1.0))
    assert half.tolist() == [[[[128, 20]], [[255, 40]]]]  # 0.5 * 255 = 127.5, rounded to even
    pixels = torch.randint(256, (3, 3, 8, 8), dtype=torch.uint8, generator=seeded(5))
    whole = hide_and_seek(pixels, 3, 0.5, 0.2, seeded(6))
    scaled = hide_and_seek(pixels.float() / 255, 3, 0.5, 0.2, seeded(6))
    assert whole.dtype == torch.uint8
    assert torch.equal(whole, (scaled * 255).round().to(torch.uint8))  # 0.2 * 255 = 51


# ---- CutMix


def numbered(count, height, width):
    """Images whose every pixel says which image it comes from."""
    return torch.arange(count).float()[:, None, None, None].expand(count, 3, height, width) / 64


@settings(max_examples=80, deadline=None)
@given(
    count=st.integers(1, 6),
    height=st.integers(1, 17),
    width=st.integers(1, 17),
    beta=st.sampled_from([0.04, 0.3, 1.0, 1.35, 5.0]),
    seed=st.integers(0, 2**31),
)
def test_label_weights_are_the_shares_of_pixels(count, height, width, beta, seed):
    images = numbered(count, height, width)
    mixed, soft = cutmix(images, torch.arange(count), beta, 1.0, seeded(seed), count)
    source = (mixed * 64).round().long()
    assert torch.equal(source[:, 0], source[:, 1]) and torch.equal(source[:, 0], source[:, 2])
    area = height * width
    for pixels, weights in zip(source[:, 0], soft, strict=True):
        counted = torch.bincount(pixels.flatten(), minlength=count)
        expected = torch.tensor([n / area for n in counted.tolist()])
        assert (weights - expected).abs().max() <= 1.2e-7  # 1 is a sum of two rounded shares
    assert torch.equal(images, numbered(count, height, width))
    pixels, _ = cutmix((images * 64).byte(), torch.arange(count), beta, 1.0, seeded(seed), count)
    assert torch.equal(pixels, source)


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    beta=st.sampled_from([0.3, 1.0, 1.35]),
    seed=st.integers(0, 2**31),
)
def test_a_box_lies_inside_and_has_the_sides_of_the_formula(height, width, beta, seed):
    x0, y0, x1, y1 = draw_box(height, width, beta, seeded(seed))
    assert 0 <= x0 <= x1 <= width and 0 <= y0 <= y1 <= height
    # The distribution function of Beta(b, b) at lambda is the first number of the generator.
    level, across, down = torch.rand(3, generator=seeded(seed), dtype=torch.float64).tolist()
    lam = brentq(lambda value: betainc(beta, beta, value) - level, 0, 1, xtol=1e-14)
    for start, end, length, centre in ((x0, x1, width, across), (y0, y1, height, down)):
        half = math.sqrt(1 - lam) * length / 2
        assert abs(start - max(0, centre * length - half)) <= 0.5 + 1e-6
        assert abs(end - min(length, centre * length + half)) <= 0.5 + 1e-6


@pytest.mark.parametrize("probability", [0.0, 0.24, 1.0])
def test_how_often_a_batch_is_mixed(probability):
    images, labels, generator = numbered(8, 16, 16), torch.arange(8), seeded(9)
    mixed, states = 0, [seeded(1), seeded(1)]
    first, again = (
        cutmix(images, labels, 5.0, p, g, 8)
        for p, g in zip((probability, 1.0), states, strict=True)
    )
    # as many draws whatever comes out
    assert torch.equal(states[0].get_state(), states[1].get_state())
    assert torch.equal(first[0], again[0]) is (probability == 1)
    for _ in range(400):
        out, soft = cutmix(images, labels, 5.0, probability, generator, 8)
        mixed += not torch.equal(out, images)
        assert torch.equal(out, images) == torch.equal(soft, torch.eye(8))
        assert out.data_ptr() != images.data_ptr()
    assert mixed / 400 == pytest.approx(probability, abs=0.08 if 0 < probability < 1 else 0.02)


def test_targets_of_each_kind_by_hand_alone_and_mixed(monkeypatch):
    assert soft_targets(torch.tensor([2, 0]), 2, 3).tolist() == [[0, 0, 1], [1, 0, 0]]
    hot = torch.tensor([[1, 1, 0], [0, 0, 1]])
    assert soft_targets(hot, 2).tolist() == [[0.5, 0.5, 0], [0, 0, 1]]
    assert soft_targets(hot, 2, as_distribution=False).tolist() == hot.tolist()
    soft = torch.tensor([[0.25, 0.75]], dtype=torch.float64)
    assert torch.equal(soft_targets(soft, 1), soft)
    for no_class in (soft_targets(torch.tensor([3]), 1, 3), soft_targets(hot[:1] * 0, 1)):
        with pytest.raises(ValueError, match="row 0 of the target"):  # the loss refuses them
            losses.cross_entropy(torch.zeros(1, 3), no_class)
    monkeypatch.setattr(batches, "draw_box", lambda *_: (0, 0, 1, 4))  # a quarter of 4x4
    monkeypatch.setattr(torch, "randperm", lambda *_, **__: torch.tensor([1, 0]))
    hot = torch.tensor([[1, 1, 0, 0], [0, 1, 1, 1]])
    _, soft = cutmix(torch.zeros(2, 3, 4, 4), hot, 1.0, 1.0, seeded())
    expected = [[3 / 8, 3 / 8 + 1 / 12, 1 / 12, 1 / 12], [1 / 8, 1 / 8 + 1 / 4, 1 / 4, 1 / 4]]
    torch.testing.assert_close(soft, torch.tensor(expected))
    _, rows = cutmix(torch.zeros(2, 3, 4, 4), hot, 1.0, 1.0, seeded(), as_distribution=False)
    assert rows.tolist() == [[0.75, 1, 0.25, 0.25], [0.25, 1, 0.75, 0.75]]


# ---- refused

IMAGES = torch.zeros(2, 3, 6, 8)
TILES = {"images": IMAGES, "sides": 4, "rate": 0.5, "fill": 0.5, "generator": seeded()}
MIXED = {"images": IMAGES, "targets": torch.tensor([0, 1]), "num_classes": 3}
MIXED |= {"beta": 1.0, "probability": 1.0, "generator": seeded()}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sides": (4, 8)}, "side of 8 px has one tile on 6x8 images"),
        ({"fill": 128}, "must be a colour in 0..1"),
        ({"fill": (0.5, 0.5)}, r"fill of shape \(2,\) must"),
        ({"sides": ()}, "give at least one"),
        ({"sides": (4, -1)}, r"sides=\(4, -1\): give at least one, in pixels, 0 for"),
        ({"sides": True}, "sides=True: give a whole number"),
        ({"images": IMAGES[0]}, r"images are .*: give \(N, 3, H, W\)"),
        ({"images": IMAGES[:, :, :0]}, r"shape \(2, 3, 0, 8\): give .* with pixels"),
        ({"images": IMAGES.long()}, "images are torch.int64"),
        ({"images": [[0.5]]}, "images are list: give"),
        ({"beta": "1"}, "beta='1': give a number"),
        ({"probability": 2}, "probability=2 must lie in 0..1"),
        ({"num_classes": None}, "class indices need num_classes"),
        ({"targets": torch.tensor([0])}, r"shape \(1,\) do not fit 2 images"),
        ({"targets": torch.tensor([0.0, 1.0])}, "do not fit 2 images"),
        ({"targets": torch.ones(2, 4)}, r"shape \(2, 4\) do not fit .* rows \(2, 3\)"),
    ],
)
def test_bad_input_is_one_clear_sentence(arguments, message):
    function, good = (cutmix, MIXED) if {*arguments} <= {*MIXED} else (hide_and_seek, TILES)
    with pytest.raises(ValueError, match=message):
        function(**(good | arguments))


@pytest.mark.parametrize(("function", "good"), [(hide_and_seek, TILES), (cutmix, MIXED)])
def test_what_is_of_another_type_is_named(function, good):
    with pytest.raises(TypeError, match="generator is int, but must be a torch.Generator"):
        function(**good | {"generator": 3})
    with pytest.raises(TypeError, match="targets are list"):
        cutmix(**MIXED | {"targets": [0, 1]})
