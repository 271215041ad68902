"""A recipe: what it refuses, the loss of a step, the learning rates by group and over the steps."""

import math
from dataclasses import astuple

import pytest
import torch
from torch.nn import functional

from entreg_utils import losses, models
from entreg_utils.training import Recipe, regularised_loss
from entreg_utils.training.loop import make_optimizer, make_scheduler
from entreg_utils.training.recipe import binary_questions, loss_of_chance


def test_the_defaults_are_those_that_records_were_made_with():
    assert astuple(Recipe()) == (
        *("none", 0.0, 0, 12, 50, 0.1, 0.9, 1e-3, True, "one_cycle", (), 0.1, 1.0, 0.0, 0),
        *("fp32", False, "none"),
    )
    edge = Recipe(seed=2**46 - 1, epochs=1, batch_size=1, epoch_images=1, momentum=0.05)
    assert edge.epsilon == 0 and Recipe("jsd", 1.0).epsilon == 0.5


def test_the_weights_of_the_two_terms_add_up_to_one():
    logits, target = torch.tensor([[2.0, 0.0, -1.0]]), torch.tensor([0])
    ce = losses.cross_entropy(logits, target).item()
    for name in ("jeffreys", "jsd", "kl_uniform"):
        r = getattr(losses, name)(logits).item()
        value = regularised_loss(logits, target, Recipe(name, 3.0)).item()
        assert value == pytest.approx(0.25 * ce + 0.75 * r, rel=1e-6)
    penalty = regularised_loss(logits, target, Recipe("confidence_penalty", 1.0)).item()
    assert penalty == pytest.approx((ce - losses.entropy(logits).item()) / 2, rel=1e-6)
    assert regularised_loss(logits, target, Recipe()).item() == pytest.approx(ce, rel=1e-6)


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        (Recipe(), math.log(5)),
        (Recipe("label_smoothing", 0.3), math.log(5)),
        (Recipe("kl_uniform", 3.0), math.log(5) / 4),
        (Recipe("confidence_penalty", 0.5), (math.log(5) - 0.5 * math.log(5)) / 1.5),
        (Recipe(multilabel="softmax"), math.log(5)),
        (Recipe("kl_uniform", 1.0, multilabel="sigmoid"), math.log(2) / 2),
    ],
)
def test_chance_is_the_loss_of_equal_probabilities(recipe, expected):
    assert loss_of_chance(recipe, 5) == pytest.approx(expected, rel=1e-6)


# ---- several classes an image


LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.0, 3.0, -2.0]], dtype=torch.float64)
PRESENT = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]], dtype=torch.float64)


def test_softmax_shares_the_target_among_the_classes_that_are_there():
    log_p = LOGITS.log_softmax(1)
    expected = -(0.5 * (log_p[0, 0] + log_p[0, 2]) + log_p[1, 1]) / 2
    loss = regularised_loss(LOGITS, PRESENT, Recipe(multilabel="softmax"))
    assert loss.item() == pytest.approx(expected.item(), abs=1e-12)


def test_sigmoid_is_the_mean_of_the_binary_cross_entropies():
    loss = regularised_loss(LOGITS, PRESENT, Recipe(multilabel="sigmoid"))
    expected = functional.binary_cross_entropy_with_logits(LOGITS, PRESENT)
    assert loss.item() == pytest.approx(expected.item(), abs=1e-12)


@pytest.mark.parametrize("strength", [0.25, 1.0, 9.0])
def test_sigmoid_regularisation_smooths_each_answer_towards_one_half(strength):
    epsilon = strength / (1 + strength)
    smooth = (1 - epsilon) * PRESENT + epsilon / 2
    expected = functional.binary_cross_entropy_with_logits(LOGITS, smooth)
    recipe = Recipe("kl_uniform", strength, multilabel="sigmoid")
    loss = regularised_loss(LOGITS, PRESENT, recipe)
    assert loss.item() == pytest.approx(expected.item() - epsilon * math.log(2), abs=1e-12)


def test_binary_questions_are_sigmoids():
    logits, target = binary_questions(LOGITS, PRESENT)
    assert logits.shape == target.shape == (6, 2)
    torch.testing.assert_close(logits.softmax(1)[:, 0], LOGITS.sigmoid().flatten())
    assert target[:, 0].tolist() == PRESENT.flatten().tolist()
    with pytest.raises(ValueError, match=r"target of shape \(2, 3\), one a class, not \(2,\)"):
        binary_questions(LOGITS, torch.tensor([0, 1]))


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"schedule": "linear"}, "unknown schedule 'linear': known are one_cycle, step, cosine"),
        ({"precision": "fp16"}, "unknown precision 'fp16': known are fp32, bf16"),
        ({"multilabel": "hinge"}, "unknown multilabel 'hinge': known are none, softmax, sigmoid"),
        ({"regularizer": "l2"}, "unknown regularizer 'l2': known are none, .*, module:function"),
        ({"epochs": 0}, "epochs=0: give a whole number of at least 1"),
        ({"epochs": 1.5}, "epochs=1.5: give a whole number"),
        ({"learning_rate": -1.0}, "learning_rate=-1.0: give a finite number of at least 0"),
        ({"strength": 1.0}, "strength=1.0: name its regularizer, or leave it 0"),
        ({"regularizer": "label_smoothing", "strength": 1.0}, "label smoothing wants eps in"),
        ({"seed": -1}, "seed=-1: give a whole number of at least 0"),
        ({"seed": 2**46}, r"seed=70368744177664: give a whole number in 0..2\*\*46 - 1"),
        ({"momentum": 0.97}, r"momentum=0.97: give 0, or a number in \[0.05, 0.95\)"),
        ({"momentum": 0.04}, r"momentum=0.04: give 0, or a number in \[0.05, 0.95\)"),
        ({"schedule": "step", "momentum": 1.0}, r"momentum=1.0: give 0, or a number in \[0, 1\)"),
        ({"decay_epochs": (3,)}, r"decay_epochs=\(3,\): it belongs to schedule='step'"),
        ({"decay": 0.5}, "decay=0.5: it belongs to schedule='step'"),
        ({"schedule": "step", "decay_epochs": (3, 2)}, "give rising epochs from 1 on"),
        ({"schedule": "step", "decay": 0.0}, r"decay=0.0: give a factor in \(0, 1\]"),
        ({"head_factor": 0.0}, "head_factor=0.0: give a positive number, 1 for none"),
        ({"epoch_images": 3}, "epoch_images=3: give 0, one pass, or at least batch_size=50"),
    ],
)
def test_what_cannot_work_is_refused(fields, sentence):
    with pytest.raises(ValueError, match=sentence):
        Recipe(**fields)


# ---- learning rates


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
        assert high == pytest.approx(10 * low) and low > 0


@pytest.mark.parametrize(
    ("momentum", "range_"), [(0.9, (0.85, 0.95)), (0.5, (0.45, 0.55)), (0.0, (0, 0))]
)
def test_momentum_is_the_middle_of_its_cycle(momentum, range_):
    seen = [group[0][1] for group in rates(Recipe(epochs=4, momentum=momentum), 5)]
    assert (min(seen), max(seen)) == pytest.approx(range_)


def test_a_factor_needs_to_know_which_weights_are_the_heads():
    with pytest.raises(TypeError, match="Linear is no backbone"):
        make_optimizer(torch.nn.Linear(1, 1), Recipe(head_factor=10.0))
