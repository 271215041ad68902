"""Learning rates: by group, and over the steps."""

import math

import pytest
import torch

from entreg_utils import models
from entreg_utils.training import Recipe
from entreg_utils.training.loop import make_optimizer, make_scheduler


def rates(recipe, steps, model=None):
    """Per step, the rate and momentum of each group."""
    optimizer = make_optimizer(model or torch.nn.Linear(1, 1), recipe)
    scheduler, seen = make_scheduler(optimizer, recipe, steps), []
    for _ in range(recipe.epochs * steps):
        seen.append([(group["lr"], group["momentum"]) for group in optimizer.param_groups])
        optimizer.step()
        scheduler.step()
    return seen


def test_steps_fall_after_the_epochs_that_are_named():
    recipe = Recipe(epochs=5, learning_rate=0.2, schedule="step", decay_epochs=(2, 4), decay=0.1)
    seen = [group[0] for group in rates(recipe, 3)]
    expected = [0.2] * 6 + [0.02] * 6 + [0.002] * 3
    assert [rate for rate, _ in seen] == pytest.approx(expected)
    assert {momentum for _, momentum in seen} == {0.9}


def test_a_cosine_falls_to_nothing_over_all_steps():
    recipe = Recipe(epochs=2, learning_rate=0.4, schedule="cosine")
    seen = [group[0][0] for group in rates(recipe, 4)]
    assert seen == pytest.approx([0.2 * (1 + math.cos(math.pi * t / 8)) for t in range(8)])


@pytest.mark.parametrize("schedule", ["one_cycle", "step", "cosine"])
def test_the_last_stage_and_the_head_learn_faster_at_every_step(schedule):
    model = models.build("toy", 3, width=4)
    own = {"decay_epochs": (1,)} if schedule == "step" else {}
    recipe = Recipe(epochs=2, schedule=schedule, head_factor=10.0, **own)
    optimizer = make_optimizer(model, recipe)
    slow, fast = (group["params"] for group in optimizer.param_groups)
    assert any(p is model.head.weight for p in fast) and any(p is model.stem.weight for p in slow)
    assert len(slow) + len(fast) == len(list(model.parameters()))
    for (low, _), (high, _) in rates(recipe, 5, model):
        assert high == pytest.approx(10 * low)


@pytest.mark.parametrize(
    ("momentum", "range_"), [(0.9, (0.85, 0.95)), (0.5, (0.45, 0.55)), (0.0, (0, 0))]
)
def test_momentum_is_the_middle_of_its_cycle(momentum, range_):
    seen = [group[0][1] for group in rates(Recipe(epochs=4, momentum=momentum), 5)]
    assert (min(seen), max(seen)) == pytest.approx(range_)


def test_a_factor_needs_to_know_which_weights_are_the_heads():
    with pytest.raises(TypeError, match="Linear is no backbone"):
        make_optimizer(torch.nn.Linear(1, 1), Recipe(head_factor=10.0))
