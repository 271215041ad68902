"""Configs: what names a run, and what is refused before anything is trained."""

import hashlib
import json
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest

from entreg_utils.data import World
from entreg_utils.experiments import Config
from entreg_utils.experiments import config as module
from entreg_utils.training import Recipe


def test_the_key_is_the_hash_of_protocol_and_content(monkeypatch):
    content = json.dumps([module.PROTOCOL, Config().to_dict()], sort_keys=True)
    assert Config().key == hashlib.sha256(content.encode()).hexdigest()[:16]
    before = Config().key
    monkeypatch.setattr(module, "PROTOCOL", module.PROTOCOL + 1)
    assert Config().key != before


def test_every_field_changes_the_key():
    changes = dict(
        regularizer="jsd",
        seed=1,
        epochs=2,
        batch_size=25,
        learning_rate=0.2,
        momentum=0.8,
        weight_decay=0.0,
        flip=False,
        width=8,
        num_train=500,
        part=0.9,
        body=0.9,
        context=0.2,
        part_visibility=0.9,
        num_classes=5,
        image_size=32,
        world_seed=3,
    )
    keys = {Config(**{name: value}).key for name, value in changes.items()}
    assert len(keys | {Config().key}) == len(changes) + 1
    assert Config(regularizer="jsd", strength=0.5).key != Config(regularizer="jsd").key


def test_equal_configs_have_equal_keys():
    plain = Config(regularizer="kl_uniform", strength=1.0, part=1.0, seed=2)
    other = Config(
        regularizer="kl_uniform", strength=1, part=np.float64(1), seed=np.int64(2), flip=np.True_
    )
    assert other == plain and other.key == plain.key and other.name == plain.name
    assert Config(context=-0.0).key == Config(context=0.0).key
    assert type(other.strength) is float and type(other.seed) is int and type(other.flip) is bool


def test_the_name_is_readable_first():
    config = Config(regularizer="kl_uniform", strength=3.0, seed=2)
    assert config.name == f"toy-kl_uniform-0.75-s2-{config.key}"
    assert Config().name == f"toy-none-0-s0-{Config().key}"
    assert len(config.key) == 16


def test_epsilon_is_the_weight_of_the_regulariser():
    assert Config().epsilon == 0
    assert Config(regularizer="kl_uniform", strength=0.25).epsilon == 0.2
    assert Config(regularizer="jeffreys", strength=1.0).epsilon == 0.5
    assert Config(regularizer="label_smoothing", strength=0.3).epsilon == 0.3


def test_recipe_and_knobs_are_the_parts_that_others_read():
    config = Config(regularizer="jsd", strength=2.0, seed=4, epochs=3, body=0.6, world_seed=9)
    assert config.recipe == Recipe("jsd", 2.0, epochs=3, seed=4)
    assert Config().recipe == Recipe()  # one set of defaults, written twice
    assert Config().knobs == World().to_dict()
    assert config.knobs == dict(
        part=1.0,
        body=0.6,
        context=0.3,
        part_visibility=1.0,
        num_classes=8,
        image_size=48,
        seed=9,
    )


def test_a_config_is_frozen_and_comes_back_from_its_dictionary():
    config = Config(seed=3)
    assert Config(**config.to_dict()) == config == replace(Config(), seed=3)
    with pytest.raises(FrozenInstanceError):
        config.seed = 4


@pytest.mark.parametrize(
    "fields, sentence",
    [
        ({"dataset": "cub2"}, "unknown dataset 'cub2': known are toy"),
        ({"model": "vgg"}, "unknown model 'vgg': known are toy"),
        ({"regularizer": "l2"}, "unknown regularizer 'l2': known are none, label_smoothing"),
        ({"epochs": 0}, "epochs=0: give a whole number of at least 1"),
        ({"epochs": 2.0}, "epochs=2.0: give a whole number"),
        ({"epochs": True}, "epochs=True: give a whole number"),
        ({"width": -1}, "width=-1: give a whole number of at least 1"),
        ({"num_train": 20}, "batch_size=50 is larger than num_train=20"),
        ({"learning_rate": float("nan")}, "learning_rate=nan: give a finite number"),
        ({"learning_rate": "0.1"}, "learning_rate='0.1': give a number"),
        ({"weight_decay": -1e-4}, "weight_decay=-0.0001: give a finite number of at least 0"),
        ({"momentum": float("inf")}, "momentum=inf: give a finite number"),
        ({"regularizer": "jsd", "strength": -1.0}, "strength=-1.0: give a finite number"),
        ({"regularizer": "label_smoothing", "strength": 1.0}, r"label smoothing wants eps in \[0"),
        ({"strength": 0.1}, "strength has no meaning without a regularizer: set it to 0"),
        ({"seed": -1}, "seed=-1: give a non-negative whole number"),
        ({"world_seed": -1}, "seed=-1 is not a non-negative whole number"),
        ({"flip": "no"}, "flip='no': give True or False"),
        ({"dataset": 3}, "dataset=3: give a name"),
        ({"body": 1.5}, "body=1.5 is not a probability: give a number in 0..1"),
        ({"image_size": 16}, "image_size=16 is outside 32..128"),
        ({"num_classes": 11}, "num_classes=11 is outside 2..10"),
    ],
)
def test_bad_fields_are_refused_in_one_sentence(fields, sentence):
    with pytest.raises(ValueError, match=sentence):
        Config(**fields)
