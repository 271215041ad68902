"""The three-cue theory: gradient, optimality, and the limits that can be worked out by hand."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from entreg_utils import theory
from entreg_utils.theory import ThreeCues, data_loss, optimum, prediction, reliance

WORLD = ThreeCues((1.0, 0.9, 0.4), (0.05, 0.25, 0.7), num_classes=4, price=2e-3)


def full_loss(world, weights, epsilon):
    """Loss of the definition, state by state, in plain Python."""
    value, total, classes = world.price * sum(weights), 0.0, range(world.num_classes)
    cue_weights = [w * a for w, a in zip(weights, world.amplitude, strict=True)]
    for cues, probability in zip(*world.states(), strict=True):
        z = [sum(w for w, cue in zip(cue_weights, cues, strict=True) if cue == j) for j in classes]
        log_sum = math.log(sum(map(math.exp, z)))
        target = [epsilon / world.num_classes + (1 - epsilon) * (j == 0) for j in classes]
        value -= probability * sum(t * (one - log_sum) for t, one in zip(target, z, strict=True))
        total += probability
    assert total == pytest.approx(1, abs=1e-12)
    return value


def test_states_are_all_that_the_cues_can_show():
    shown, chance = ThreeCues((1.0, 0.75, 0.5), (1, 1, 1), num_classes=2).states()
    # the part never errs, so 1 x 2 x 2 states are left
    table = dict(zip(map(tuple, shown.tolist()), chance.tolist(), strict=True))
    assert table == {(0, 0, 0): 0.375, (0, 0, 1): 0.375, (0, 1, 0): 0.125, (0, 1, 1): 0.125}


@pytest.mark.parametrize("epsilon", [0.0, 0.3, 0.9, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_the_loss_is_that_of_the_definition_and_its_gradient_that_of_finite_differences(
    epsilon, seed
):
    weights, states = np.random.default_rng(seed).uniform(0, 4, 3), WORLD.states()
    value, gradient = data_loss(weights, epsilon, 4, *states)
    free = replace(WORLD, amplitude=(1, 1, 1), price=1e-300)
    assert value == pytest.approx(full_loss(free, weights, epsilon), abs=1e-12)
    for k, step in enumerate(1e-5 * np.eye(3)):
        up, _ = data_loss(weights + step, epsilon, 4, *states)
        down, _ = data_loss(weights - step, epsilon, 4, *states)
        assert gradient[k] == pytest.approx((up - down) / 2e-5, abs=1e-6)


@pytest.mark.parametrize("epsilon", [0.2, 0.7])
def test_brute_force_does_not_beat_the_optimum(epsilon):
    best = optimum(WORLD, epsilon)
    lowest = full_loss(WORLD, best, epsilon)
    assert lowest < full_loss(WORLD, np.zeros(3), epsilon)
    near = [
        np.unique(np.clip(w + np.array([-2, -0.3, -0.02, 0, 0.02, 0.3, 2]), 0, 99)) for w in best
    ]
    far = [np.linspace(0, 4 / a, 6) for a in WORLD.amplitude]
    for axes in (near, far):
        grid = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 3)
        losses = [full_loss(WORLD, weights, epsilon) for weights in grid]
        assert min(losses) >= lowest - 1e-9


@pytest.mark.parametrize("epsilon", [0.1, 0.5, 0.9])
def test_for_nothing_the_perfect_part_carries_all(epsilon):
    world = ThreeCues((1.0, 0.9, 0.4), (0.05, 0.25, 0.7), num_classes=4, price=1e-9)
    worth = reliance(world, [epsilon])[0]
    # the optimum of one smoothed label: a gap of log(1 + C (1 - eps) / eps)
    assert worth[0] == pytest.approx(math.log(1 + 4 * (1 - epsilon) / epsilon), rel=1e-4)
    np.testing.assert_allclose(worth[1:], 0, atol=1e-4)
    accuracy, entropy = prediction(world, epsilon)
    p, rest = 1 - 0.75 * epsilon, epsilon / 4
    assert accuracy == pytest.approx(1, abs=1e-12)
    assert entropy == pytest.approx(-p * math.log(p) - 3 * rest * math.log(rest), abs=1e-4)


def test_what_is_too_dear_is_not_bought_and_where_the_collapse_is():
    dear = replace(WORLD, price=10)
    np.testing.assert_array_equal(optimum(dear, 0.0), 0)
    # a guess among four
    assert prediction(dear, 0.0) == (pytest.approx(1 / 4), pytest.approx(math.log(4)))
    # at w = 0 the loss falls along cue k at (1 - eps) a_k (r_k - 1/C); the body is the best bargain
    last = theory.pays_until(WORLD)[1]
    assert last == pytest.approx(1 - WORLD.price / (0.25 * (0.9 - 0.25)))
    assert last == theory.pays_until(WORLD).max()
    # at chance, or below it, a cue never pays
    unsure = replace(WORLD, reliability=(1.0, 0.25, 0.1))
    np.testing.assert_array_equal(theory.pays_until(unsure)[1:], -np.inf)
    assert optimum(WORLD, last - 1e-3).max() > 1e-3
    for epsilon in (last + 1e-3, 1.0):
        np.testing.assert_allclose(optimum(WORLD, epsilon), 0, atol=1e-9)


@pytest.mark.parametrize("reliability", [0.6, 0.9])
def test_alone_the_body_is_right_as_often_as_it_is_reliable(reliability):
    world = ThreeCues((0.25, reliability, 0.25), (0.1, 0.3, 0.6), num_classes=4, price=1e-3)
    weights = optimum(world, 0.3)
    assert weights[1] > 0 and weights[0] == weights[2] == 0  # chance is worth nothing
    accuracy, _ = prediction(world, 0.3)
    assert accuracy == pytest.approx(reliability, abs=1e-12)


def test_equal_cues_get_equal_weights_and_a_larger_one_is_worth_more():
    world = ThreeCues((0.8, 0.8, 0.8), (0.3, 0.3, 0.3), num_classes=3, price=1e-3)
    weights = optimum(world, 0.2)
    assert weights[0] > 1
    np.testing.assert_allclose(weights, weights[0], rtol=1e-5)
    worth = reliance(ThreeCues((0.8, 0.8, 0.25), (0.2, 0.4, 0.4), 4, 5e-3), [0.2])[0]
    assert worth[1] > worth[0] > 0
    worth = reliance(WORLD, [0.0, 0.5, 0.9])  # the part is dropped before the body
    assert (worth[:, 0] > 0).tolist() == [True, True, False] and (worth[:, 1] > 0).all()
    np.testing.assert_array_equal(worth[1], np.array(WORLD.amplitude) * optimum(WORLD, 0.5))
    assert theory.CUES == ("part", "body", "context")


@pytest.mark.parametrize(
    ("changes", "epsilon", "sentence"),
    [
        *(({}, epsilon, "outside 0..1") for epsilon in (-0.1, 1.1, math.nan)),
        ({"reliability": (1.2, 0.5, 0.5)}, 0, "probabilities"),
        ({"amplitude": (0.0, 0.5, 0.5)}, 0, "positive"),
        ({"price": 0.0}, 0, "positive"),
    ],
)
def test_an_epsilon_outside_and_an_impossible_world_are_refused(changes, epsilon, sentence):
    with pytest.raises(ValueError, match=sentence):
        optimum(replace(WORLD, **changes), epsilon)


@pytest.mark.parametrize("price", [1e-5, 2.5e-4, 1e-3, 1e-2])
def test_the_minimum_is_reached_all_along_the_path(price):
    # a step down the gradient, cut at zero, moves nowhere: s = max(s - g, 0)
    world = theory.ThreeCues((1.0, 0.95, 0.3), (0.026, 0.15, 0.825), 8, price)
    shown, chance = world.states()
    for epsilon in np.linspace(0, 0.999, 60):
        s = theory.reliance(world, [epsilon])[0]
        gradient = theory.data_loss(s, epsilon, 8, shown, chance)[1] + price / np.array(
            world.amplitude
        )
        assert np.abs(s - np.maximum(s - gradient, 0)).max() < 1e-6


@pytest.mark.parametrize("price", [5e-4, 2e-3, 8e-3])
def test_fit_price_finds_the_price_that_made_the_table(price):
    epsilons, truth = [0.0, 0.3, 0.6, 0.9], replace(WORLD, price=price)
    columns = [f"reliance_{cue}" for cue in theory.CUES]
    worth = pd.DataFrame(reliance(truth, epsilons), columns=columns).assign(epsilon=epsilons)
    seeds = [worth.assign(**(worth[columns] + shift), seed=shift) for shift in (-0.02, 0.02)]
    table = pd.concat(seeds)  # two seeds, whose mean is the theory's
    assert theory.fit_price(table, WORLD, [2.5e-4, 5e-4, 1e-3, 2e-3, 4e-3, 8e-3]) == truth
