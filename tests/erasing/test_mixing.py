"""CutMix: pixel shares and label weights, the distribution of boxes, and the regularised loss."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.special import betainc

from entreg_utils import losses
from entreg_utils.erasing import cutmix, mixing
from entreg_utils.erasing.mixing import draw_box, soft_targets
from tests.erasing.conftest import seeded


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
    mixed = 0
    for _ in range(400):
        out, soft = cutmix(images, labels, 5.0, probability, generator, 8)
        mixed += not torch.equal(out, images)
        assert torch.equal(out, images) == torch.equal(soft, torch.eye(8))
        assert out.data_ptr() != images.data_ptr()
    assert mixed / 400 == pytest.approx(probability, abs=0.08 if 0 < probability < 1 else 0.02)


def test_the_seed_decides_and_the_number_of_draws_does_not_depend_on_the_outcome():
    states, mixed = [], []
    for probability in (0.0, 1.0, 1.0):
        generator = seeded(1)
        mixed.append(cutmix(numbered(4, 8, 8), torch.arange(4), 1.0, probability, generator, 4))
        states.append(generator.get_state())
    assert torch.equal(states[0], states[1]) and not torch.equal(mixed[0][0], mixed[1][0])
    assert all(torch.equal(a, b) for a, b in zip(mixed[1], mixed[2], strict=True))


def test_targets_of_each_kind_by_hand():
    assert soft_targets(torch.tensor([2, 0]), 2, 3).tolist() == [[0, 0, 1], [1, 0, 0]]
    hot = torch.tensor([[1, 1, 0], [0, 0, 1]])
    assert soft_targets(hot, 2).tolist() == [[0.5, 0.5, 0], [0, 0, 1]]
    assert soft_targets(hot, 2, as_distribution=False).tolist() == hot.tolist()
    soft = torch.tensor([[0.25, 0.75]], dtype=torch.float64)
    assert torch.equal(soft_targets(soft, 1), soft)
    for no_class in (soft_targets(torch.tensor([3]), 1, 3), soft_targets(hot[:1] * 0, 1)):
        with pytest.raises(ValueError, match="row 0 of the target"):  # the loss refuses them
            losses.cross_entropy(torch.zeros(1, 3), no_class)


def test_multi_hot_rows_are_mixed_as_distributions_or_as_they_are(monkeypatch):
    monkeypatch.setattr(mixing, "draw_box", lambda *_: (0, 0, 1, 4))  # a quarter of 4x4
    monkeypatch.setattr(torch, "randperm", lambda *_, **__: torch.tensor([1, 0]))
    hot = torch.tensor([[1, 1, 0, 0], [0, 1, 1, 1]])
    _, soft = cutmix(torch.zeros(2, 3, 4, 4), hot, 1.0, 1.0, seeded())
    expected = [[3 / 8, 3 / 8 + 1 / 12, 1 / 12, 1 / 12], [1 / 8, 1 / 8 + 1 / 4, 1 / 4, 1 / 4]]
    torch.testing.assert_close(soft, torch.tensor(expected))
    _, rows = cutmix(torch.zeros(2, 3, 4, 4), hot, 1.0, 1.0, seeded(), as_distribution=False)
    assert rows.tolist() == [[0.75, 1, 0.25, 0.25], [0.25, 1, 0.75, 0.75]]


def test_the_mixed_loss_is_the_weighted_sum_of_two_losses():
    # As CutMix is usually written: lambda L(z, t_a) + (1 - lambda) L(z, t_b), regulariser included.
    logits = torch.randn(6, 5, generator=seeded(1), dtype=torch.float64)
    labels = torch.tensor([0, 1, 2, 3, 4, 0])
    images = numbered(6, 16, 16)
    mixed, soft = cutmix(images, labels, 1.0, 1.0, seeded(5), 5)
    source = (mixed[:, 0] * 64).round().long().flatten(1)
    partner = source.amax(1).where(source.amax(1) != torch.arange(6), source.amin(1))
    kept = (source == torch.arange(6)[:, None]).double().mean(1)
    assert (kept < 1).any()
    for name in ("kl_uniform", "label_smoothing", "jeffreys"):
        rows = [
            k * losses.objective(z[None], labels[i : i + 1], name, 0.3)
            + (1 - k) * losses.objective(z[None], labels[j : j + 1], name, 0.3)
            for i, (z, k, j) in enumerate(zip(logits, kept, partner, strict=True))
        ]
        expected = torch.stack(rows).mean()
        torch.testing.assert_close(
            losses.objective(logits, soft, name, 0.3), expected, rtol=1e-6, atol=1e-6
        )


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"beta": "1"}, ValueError, "beta='1': give a number"),
        ({"probability": 2}, ValueError, "probability=2 must lie in 0..1"),
        ({"generator": None}, TypeError, "must be a torch.Generator"),
        ({"num_classes": None}, ValueError, "class indices need num_classes"),
        ({"targets": torch.tensor([0])}, ValueError, r"shape \(1,\) do not fit 2 images"),
        ({"targets": torch.tensor([0.0, 1.0])}, ValueError, "do not fit 2 images"),
        ({"targets": torch.ones(2, 4)}, ValueError, "4 columns, not the 3 classes"),
        ({"targets": [0, 1]}, TypeError, "targets are list"),
    ],
)
def test_bad_input_is_one_clear_sentence(arguments, error, message):
    good = {"images": torch.zeros(2, 3, 6, 8), "targets": torch.tensor([0, 1]), "num_classes": 3}
    good |= {"beta": 1.0, "probability": 1.0, "generator": seeded()}
    with pytest.raises(error, match=message):
        cutmix(**(good | arguments))
