"""What each image shows: integer draws, reliabilities, draws that do not disturb one another."""

import math
from dataclasses import fields

import numpy as np
import pytest

from entreg_utils.data.world import SPLITS, Draws, Scene, World, draw_toy

COUNT = 2000


def within(share, probability, count, sigmas=4.5):
    """Whether a measured share fits a binomial (4.5 sigma: wrong once in 150,000 draws)."""
    bound = sigmas * math.sqrt(probability * (1 - probability) / count)
    return abs(share - probability) <= bound


def draw_scene(world, split, count):
    ((scene,), shown) = draw_toy(world, split, count)
    assert shown.shape == (count, 1) and shown.all()
    return scene


def agreement(world, split="train", count=COUNT):
    scene = draw_scene(world, split, count)
    return scene, scene.cues == scene.labels[:, None]


# ---- the draws


def test_draws_are_the_upper_bits_of_the_raw_stream():
    stream = np.random.PCG64(
        np.random.SeedSequence([1, 7, 1])
    )  # version, seed, number of the split
    raw = [[int(value) for value in row] for row in stream.random_raw(3 * 40).reshape(3, 40)]
    draws = Draws(World(seed=7), "val", 3, version=1, columns=40)
    first, second = draws.below(8), draws.below(1000)
    assert first.tolist() == [(row[0] >> 33) * 8 >> 31 for row in raw]
    assert second.tolist() == [(row[1] >> 33) * 1000 >> 31 for row in raw]
    third = draws.between(-1, 1)
    assert third.dtype == np.float32
    assert third.tolist() == [
        np.float32(-1 + 2 * (((r[2] >> 33) * 1025 >> 31) / 1024)) for r in raw
    ]


def test_draws_stay_in_their_range():
    draws = Draws(World(), "train", COUNT, version=1, columns=40)
    assert set(draws.below(5).tolist()) == set(range(5))
    assert draws.chance(1.0).all() and not draws.chance(0.0).any()
    assert within(draws.chance(0.25).mean(), 0.25, COUNT)
    values = draws.between(0.25, 0.5)
    assert values.min() >= 0.25 and values.max() <= 0.5 and values.max() - values.min() > 0.24


# ---- reliabilities


@pytest.mark.parametrize(
    "knobs",
    [
        {},
        {"part": 0.9, "body": 0.5, "context": 0.125},
        {"body": 0.0, "context": 1.0, "part_visibility": 0.9, "num_classes": 3, "seed": 4},
    ],
)
def test_each_cue_agrees_with_the_label_as_often_as_its_knob_says(knobs):
    world = World(**knobs)
    scene, agrees = agreement(world)
    shown = scene.cues[:, 0] >= 0
    assert within(shown.mean(), world.part_visibility, COUNT) and scene.cues[:, 1:].min() >= 0
    agrees[~shown, 0], scene.cues[~shown, 0] = True, scene.labels[~shown]
    for column, reliability in enumerate((world.part, world.body, world.context)):
        assert within(agrees[:, column].mean(), reliability, COUNT)
        # A cue that does not agree shows each other class as often.
        wrong = ~agrees[:, column]
        steps = (scene.cues[wrong, column] - scene.labels[wrong]) % world.num_classes
        for step in range(1, world.num_classes):
            share = (steps == step).sum() / COUNT
            assert within(share, (1 - reliability) / (world.num_classes - 1), COUNT)
    for label in range(world.num_classes):
        assert within((scene.labels == label).mean(), 1 / world.num_classes, COUNT)


def test_cues_are_independent_of_each_other():
    _, agrees = agreement(World(part=0.5, body=0.5, context=0.5))
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert within((agrees[:, a] & agrees[:, b]).mean(), 0.25, COUNT)


# ---- nothing disturbs anything else


def test_more_images_extend_a_split():
    few, many = draw_scene(World(), "test", 30), draw_scene(World(), "test", 100)
    for field in fields(Scene):
        assert np.array_equal(getattr(many.rows(slice(30)), field.name), getattr(few, field.name))
    assert len(few) == 30 and len(many.rows(np.arange(20, 50))) == 30
    assert np.array_equal(many.rows(slice(20, 50)).labels, many.labels[20:50])


def test_a_knob_changes_its_own_cue_alone():
    plain = draw_scene(World(), "train", 200)
    other = draw_scene(World(body=0.1, part_visibility=0.5), "train", 200)
    assert not np.array_equal(plain.cues[:, 1], other.cues[:, 1])
    shown = other.cues[:, 0] >= 0
    assert np.array_equal(plain.cues[shown, 0], other.cues[shown, 0])
    for field in fields(Scene):
        if field.name != "cues":
            assert np.array_equal(getattr(plain, field.name), getattr(other, field.name))
    assert np.array_equal(plain.cues[:, 2], other.cues[:, 2])


def test_splits_and_seeds_are_different_images():
    labels = [draw_scene(World(seed=s), split, 200).labels for s in (0, 1) for split in SPLITS]
    for i, first in enumerate(labels):
        for second in labels[:i]:
            assert within((first == second).mean(), 1 / 8, 200)


# ---- refused


@pytest.mark.parametrize(
    "name, value, sentence",
    [
        ("part", -0.1, "^part=-0.1 is not a probability: give a number in"),
        ("body", 1.01, "^body=1.01 is not a probability"),
        ("part_visibility", float("nan"), "^part_visibility=nan is not a probability"),
        ("num_classes", 1, "num_classes=1: give a whole number in 2..10"),
        ("num_classes", 11, "num_classes=11: give a whole number in 2..10"),
        ("image_size", 31, "image_size=31: give a whole number in 32..128"),
        ("image_size", 129, "image_size=129: give a whole number in 32..128"),
        ("seed", -1, "seed=-1: give a whole number of at least 0"),
    ],
)
def test_knobs_have_their_ranges_and_the_ends_are_allowed(name, value, sentence):
    with pytest.raises(ValueError, match=sentence):
        World(**{name: value})
    World(part=0, body=1, num_classes=2, image_size=32)
    assert World(num_classes=10, image_size=128, seed=2**64).seed == 2**64
