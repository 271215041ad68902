"""Divergences: values worked out by hand, closed-form gradients, limits, extreme logits."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from entreg_utils import losses

ALL = {
    "entropy": losses.entropy,
    "kl_uniform": losses.kl_uniform,
    "kl_to_uniform": losses.kl_to_uniform,
    "jeffreys": losses.jeffreys,
    "jsd": losses.jsd,
    "alpha": lambda logits: losses.alpha_divergence(logits, 0.3),
    "alpha_high": lambda logits: losses.alpha_divergence(logits, 0.8),
}
# softmax([log 2, 0, 0]) = (1/2, 1/4, 1/4)
HALF = torch.tensor([[math.log(2), 0.0, 0.0]], dtype=torch.float64)


def logits_64(rows=6, classes=7, scale=3.0):
    generator = torch.Generator().manual_seed(0)
    return scale * torch.randn(rows, classes, generator=generator, dtype=torch.float64)


def gradient(function, logits):
    logits = logits.clone().requires_grad_()
    return torch.autograd.grad(function(logits).sum(), logits)[0]


def test_values_by_hand():
    # H = 1/2 log 2 + 2 (1/4 log 4) = 3/2 log 2
    entropy = 1.5 * math.log(2)
    # KL(u||p) = -log 3 + 1/3 (log 2 + 2 log 4) = 5/3 log 2 - log 3
    forward = 5 / 3 * math.log(2) - math.log(3)
    # m = (5/12, 7/24, 7/24): p/m = 6/5, 6/7, 6/7; u/m = 4/5, 8/7, 8/7
    to_middle = 0.5 * math.log(6 / 5) + 0.5 * math.log(6 / 7)
    from_uniform = (math.log(4 / 5) + 2 * math.log(8 / 7)) / 3
    assert losses.entropy(HALF).item() == pytest.approx(entropy, abs=1e-15)
    assert losses.kl_uniform(HALF).item() == pytest.approx(forward, abs=1e-15)
    assert losses.kl_to_uniform(HALF).item() == pytest.approx(math.log(3) - entropy, abs=1e-15)
    assert losses.jeffreys(HALF).item() == pytest.approx(forward + math.log(3) - entropy, abs=1e-15)
    assert losses.jsd(HALF).item() == pytest.approx((to_middle + from_uniform) / 2, abs=1e-15)


def test_alpha_divergence_by_hand():
    # alpha = 1/4: m = 3/4 u + 1/4 p = (3/8, 5/16, 5/16), u/m = 8/9, 16/15, p/m = 4/3, 4/5
    from_uniform = (math.log(8 / 9) + 2 * math.log(16 / 15)) / 3
    from_p = 0.5 * math.log(4 / 3) + 0.5 * math.log(4 / 5)
    expected = (0.75 * from_uniform + 0.25 * from_p) / (0.25 * 0.75)
    assert losses.alpha_divergence(HALF, 0.25).item() == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize("name", ALL)
def test_uniform_is_the_extreme(name):
    value = ALL[name](torch.full((1, 5), 2.5, dtype=torch.float64)).item()
    assert value == pytest.approx(math.log(5) if name == "entropy" else 0, abs=1e-15)


@pytest.mark.parametrize("alpha", [0.0, 0.2, 0.5, 0.7, 1.0])
def test_alpha_gradient_matches_finite_differences(alpha):
    logits = logits_64(2, 4).requires_grad_()
    assert torch.autograd.gradcheck(lambda z: losses.alpha_divergence(z, alpha), logits)


def test_alpha_family_holds_the_named_members():
    logits = logits_64()
    for alpha, member in ((0, losses.kl_to_uniform), (1, losses.kl_uniform)):
        assert torch.equal(losses.alpha_divergence(logits, alpha), member(logits))
    half = losses.alpha_divergence(logits, 0.5)
    torch.testing.assert_close(half, 4 * losses.jsd(logits), rtol=0, atol=1e-14)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("distance", [1e-5, 1e-7, 1e-10, 1e-14])
def test_alpha_limits_are_approached_without_cancellation(dtype, distance):
    logits = logits_64(scale=1.0).to(dtype)
    rounding = 4e-6 if dtype == torch.float32 else 1e-13
    # both ends are approached linearly; 60 bounds the slope on these logits
    for alpha, limit in ((distance, losses.kl_to_uniform), (1 - distance, losses.kl_uniform)):
        error = (losses.alpha_divergence(logits, alpha) - limit(logits)).abs().max().item()
        assert error <= 60 * distance + rounding


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(-1e4, 1e4, width=32), min_size=2, max_size=12),
    st.floats(-100, 100),
    st.floats(0, 1),
)
def test_ranges_order_and_shift(values, shift, alpha):
    logits = torch.tensor([values], dtype=torch.float64)
    log_c, tiny = math.log(len(values)), 1e-9
    assert -tiny <= losses.entropy(logits).item() <= log_c + tiny
    assert -tiny <= losses.kl_to_uniform(logits).item() <= log_c + tiny
    assert -tiny <= losses.jsd(logits).item() <= math.log(2) + tiny
    assert losses.kl_uniform(logits).item() >= -tiny
    value = losses.alpha_divergence(logits, alpha).item()
    assert math.isfinite(value) and value >= -tiny
    moved = losses.jeffreys(logits + shift).item()
    assert moved == pytest.approx(losses.jeffreys(logits).item(), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("name", ALL)
def test_float32_follows_float64_on_extreme_logits(name):
    logits = torch.tensor(
        [[1e4, -1e4, 0.0], [1e4, 1e4, -1e4], [-1e4, -1e4, -1e4], [1e4, 9999.0, 9998.0], [0, 1, 2]]
    )
    for function in (ALL[name], lambda z: gradient(ALL[name], z)):
        single, double = function(logits), function(logits.double())
        assert single.dtype == torch.float32 and double.dtype == torch.float64
        torch.testing.assert_close(single.double(), double, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ALL)
def test_not_finite_logits_are_named(name, value):
    logits = torch.zeros(3, 4)
    logits[1, 2] = value
    with pytest.raises(ValueError, match=rf"row 1, class 2 is {value}: the model has diverged"):
        ALL[name](logits)


def test_finite_logits_whose_sum_overflows_are_accepted():
    # the sum of these rows is infinite in float32 although each logit is finite
    logits = torch.full((4, 3), 3e38)
    assert losses.entropy(logits).tolist() == pytest.approx([math.log(3)] * 4)


@pytest.mark.parametrize(
    ("logits", "sentence"),
    [
        (torch.zeros(3), r"shape \(N, C\) .* not \(3,\)"),
        (torch.zeros(2, 1), r"two classes, not \(2, 1\)"),
        (torch.zeros(0, 4), r"at least one row .* not \(0, 4\)"),
        (torch.zeros(2, 3, dtype=torch.int64), "floating-point tensor, not torch.int64"),
        ([[0.0, 1.0]], "floating-point tensor, not list"),
    ],
)
def test_wrong_logits_are_refused(logits, sentence):
    with pytest.raises(ValueError, match=sentence):
        losses.entropy(logits)


@pytest.mark.parametrize("alpha", [-0.1, 1.1, math.nan])
def test_alpha_outside_the_unit_interval(alpha):
    with pytest.raises(ValueError, match=r"alpha must lie in \[0, 1\]"):
        losses.alpha_divergence(torch.zeros(1, 3), alpha)
