"""ADL and RDAP: masks and gradients by hand, an oracle with loops, one draw a pass, eval."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from entreg_utils.erasing import ADL, RDAP
from tests.erasing.conftest import seeded

# Two channels; their mean is [[1, 2], [3, 4]].
FEATURES = torch.tensor([[[[0.0, 4.0], [3.0, 1.0]], [[2.0, 0.0], [3.0, 7.0]]]])
ATTENTION = torch.tensor([[1.0, 2.0], [3.0, 4.0]])


@pytest.mark.parametrize(
    ("gamma", "hidden"),
    [
        (0.9, [[0, 0], [0, 1]]),
        (0.75, [[0, 0], [1, 1]]),  # 3 < 0.75 * 4 is false: what equals the threshold is hidden
        (0.5, [[0, 1], [1, 1]]),
        (0.0, [[1, 1], [1, 1]]),
    ],
)
def test_adl_hides_from_gamma_times_the_maximum_on(gamma, hidden):
    layer = ADL(gamma, 1.0, seeded())
    hidden = torch.tensor(hidden)
    assert torch.equal(layer.hidden(FEATURES)[0], hidden.bool())
    assert torch.equal(layer(FEATURES), FEATURES * (1 - hidden))
    pair = layer.hidden(torch.cat([FEATURES, 100 * FEATURES]))  # each image has its own maximum
    assert torch.equal(pair[0], pair[1])


@pytest.mark.parametrize("layer", [ADL(0.9, 0.0, seeded()), RDAP(0.35, 0.0, seeded())])
def test_the_other_passes_multiply_by_the_importance(layer):
    expected = FEATURES * (1 / (1 + torch.exp(-ATTENTION)))
    torch.testing.assert_close(layer(FEATURES), expected)
    zeros = torch.zeros(1, 2, 3, 3)
    assert torch.equal(layer(zeros), zeros)


def test_gradients_are_those_of_the_kept_places_or_of_the_importance():
    features = FEATURES.double().requires_grad_()
    (gradient,) = torch.autograd.grad(ADL(0.75, 1.0, seeded())(features).sum(), features)
    kept = torch.tensor([[1.0, 1.0], [0.0, 0.0]], dtype=torch.float64)
    assert torch.equal(gradient, kept.expand(1, 2, 2, 2))
    # y = sum_k x_k s(A), A = (x_1 + x_2)/2, so dy/dx_k = s(A) + (x_1 + x_2) s'(A)/2 = s + A s'.
    (gradient,) = torch.autograd.grad(ADL(0.9, 0.0, seeded())(features).sum(), features)
    s = 1 / (1 + torch.exp(-ATTENTION.double()))
    torch.testing.assert_close(gradient, (s + ATTENTION * s * (1 - s)).expand(1, 2, 2, 2))


@pytest.mark.parametrize(
    ("square", "peak", "rows", "columns"),
    [
        (0.5, (2, 3), (1, 4), (2, 5)),  # 3 of 6 cells, centred
        (0.5, (0, 0), (0, 3), (0, 3)),  # moved inside, not cut
        (0.5, (5, 7), (3, 6), (5, 8)),
        (0.34, (2, 3), (1, 3), (2, 4)),  # 2 cells: the peak is the lower right one
        (0.05, (2, 3), (2, 3), (3, 4)),  # never fewer than one cell
    ],
)
def test_rdap_hides_a_square_of_fixed_size_around_the_peak(square, peak, rows, columns):
    features = torch.rand(1, 4, 6, 8, generator=seeded())
    features[0, :, peak[0], peak[1]] = 5
    expected = torch.zeros(6, 8)
    expected[slice(*rows), slice(*columns)] = 1
    layer = RDAP(square, 1.0, seeded())
    assert torch.equal(layer.hidden(features)[0], expected.bool())
    assert torch.equal(layer(features), features * (1 - expected))


@settings(max_examples=60, deadline=None)
@given(
    features=arrays(np.float32, (3, 2, 5, 7), elements=st.sampled_from([0.0, 0.5, 1.0, 2.0, 3.5])),
    square=st.sampled_from([0.1, 0.35, 0.5, 0.8]),
    gamma=st.sampled_from([0.3, 0.5, 0.9, 1.0]),
)
def test_masks_are_those_of_plain_loops(features, square, gamma):
    tensor = torch.from_numpy(features)
    adl, rdap = ADL(gamma, 1.0, seeded()).hidden(tensor), RDAP(square, 1.0, seeded()).hidden(tensor)
    side = {0.1: 1, 0.35: 2, 0.5: 2, 0.8: 4}[square]  # of 5 cells; 0.5, 1.75, 2.5, 4
    for n in range(3):
        attention = features[n].mean(axis=0)
        largest = max(float(v) for v in attention.flat)
        peak = next(p for p in np.ndindex(5, 7) if attention[p] == largest)
        top, left = (
            min(max(p - side // 2, 0), length - side)
            for p, length in zip(peak, (5, 7), strict=True)
        )
        for y, x in np.ndindex(5, 7):
            assert bool(adl[n, y, x]) == (attention[y, x] >= np.float32(gamma) * largest)
            assert bool(rdap[n, y, x]) == (top <= y < top + side and left <= x < left + side)
        assert rdap[n].sum() == side**2 and rdap[n][peak]


@pytest.mark.parametrize("rate", [0.0, 0.24, 0.75, 1.0])
def test_one_draw_a_pass_for_all_images(rate):
    layer = ADL(0.9, rate, seeded(1))
    batch = torch.cat([FEATURES, 2 * FEATURES, 3 * FEATURES])
    hiding = []
    for _ in range(500):
        peaks = layer(batch)[:, 1, 1, 1]  # where every image has its maximum
        hiding.append(bool((peaks == 0).all()))
        assert hiding[-1] or bool((peaks > 0).all())
    assert np.mean(hiding) == pytest.approx(rate, abs=0.06 if 0 < rate < 1 else 0)


@pytest.mark.parametrize("kind", [ADL, RDAP])
def test_the_seed_decides_and_eval_is_the_identity_and_draws_nothing(kind):
    layer = kind(0.4, 0.5, seeded(3))
    first = [layer(FEATURES).sum().item() for _ in range(20)]
    layer.generator.manual_seed(3)
    assert [layer(FEATURES).sum().item() for _ in range(20)] == first
    layer.generator = seeded(4)
    assert [layer(FEATURES).sum().item() for _ in range(20)] != first
    state = layer.eval().generator.get_state()
    assert layer(FEATURES) is FEATURES
    assert torch.equal(layer.generator.get_state(), state)
    assert not layer.state_dict() and not list(layer.parameters())


def test_half_precision_tells_neighbours_apart():
    # Means 3.984375 and 4 differ by less than bfloat16 can hold of a product 0.998 * 4.
    features = torch.tensor([[[[4.0, 3.984375]], [[4.0, 3.984375]]]], dtype=torch.bfloat16)
    assert ADL(0.998, 1.0, seeded()).hidden(features).tolist() == [[[True, False]]]


@pytest.mark.parametrize("rate", [0.0, 1.0])
@pytest.mark.parametrize("kind", [ADL, RDAP])
def test_values_are_looked_at_once(kind, rate):
    layer = kind(0.4, rate, seeded())
    with pytest.raises(ValueError, match="negative values.*put it after a ReLU"):
        layer(FEATURES - 5)
    layer(FEATURES)
    # A tensor of the meta device has no values, so whoever reads one fails.
    assert layer(torch.zeros(2, 3, 5, 5, device="meta")).device.type == "meta"


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: ADL(1.1, 0.5, seeded()), ValueError, "gamma=1.1 must lie in 0..1"),
        (lambda: ADL(0.9, -1, seeded()), ValueError, "rate=-1 must lie in 0..1"),
        (lambda: ADL(0.9, 0.5, None), TypeError, "must be a torch.Generator"),
        (lambda: RDAP(1, 0.5, seeded()), ValueError, "square=1 must lie above 0 and below 1"),
        (lambda: ADL(0.9, 1, seeded())(torch.ones(2, 3)), ValueError, r"feature map \(N, C, h, w"),
        (lambda: RDAP(0.9, 1, seeded())(torch.ones(1, 2, 3, 3)), ValueError, "whole of a 3x3 map"),
    ],
)
def test_bad_input_is_one_clear_sentence(make, error, message):
    with pytest.raises(error, match=message):
        make()
