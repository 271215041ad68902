"""Configs: what names a run, and what is refused before anything is trained."""

import hashlib
import json
from dataclasses import FrozenInstanceError, fields, replace
from pathlib import Path

import numpy as np
import pytest

from entreg_utils.data import World
from entreg_utils.erasing import Erasing, preset
from entreg_utils.experiments import Config
from entreg_utils.experiments import config as module
from entreg_utils.training import Recipe


def test_the_key_is_the_hash_of_protocol_and_content(monkeypatch):
    first = dict(list(Config().to_dict().items())[:20])
    assert list(first)[-1] == "world_seed"  # the fields that the first records have
    content = json.dumps([module.PROTOCOL, first], sort_keys=True)
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


# ---- fields that were added later


def test_committed_records_keep_their_names():
    paths = sorted((Path(__file__).parents[2] / "data" / "runs").glob("*.json"))
    assert len(paths) >= 54
    for path in paths:
        assert Config(**json.loads(path.read_text())["config"]).name == path.stem


# One key of each kind, so that no later change renames a record unseen.
KEYS = {
    "toy-none-0-s0-0aa442fe41bc82d5": Config(),
    "toy-has-none-0-s0-262cf092ed6ef91e": Config(method="has"),
    "cub-resnet50-adl-none-0-s1-d23f572fd5f4a320": Config(
        dataset="cub", model="resnet50", method="adl", seed=1, pretrained=True
    ),
}


def test_a_field_enters_the_key_only_where_it_differs_from_its_default():
    for name, config in KEYS.items():
        assert config.name == name
        later = set(config.content) - set(list(config.to_dict())[:20])
        plain = Config().to_dict()
        assert later == {n for n, v in list(config.to_dict().items())[20:] if v != plain[n]}
    assert Config(precision="fp32", schedule="one_cycle").key == Config().key


def test_every_later_field_changes_the_key():
    cub = dict(dataset="cub", model="resnet50")
    adl = dict(method="adl", erase_gamma=0.5, erase_rate=0.3, erase_points=("stage3.0",))
    step = dict(schedule="step", decay_epochs=(3,))
    changes = [
        {"pretrained": True},
        {"weights": "a.pth"},
        {"weights": "b.pth"},
        {"large_map": True},
        {"normalise": "half"},
        {"freeze_bn": True},
        {"head_outputs": 1000},
        {"resize": 300},
        {"crop": 200},
        {"eval_size": 256},
        {"eval_view": "centre_crop"},
        {"classes": 30},
        {"lists": "evaluation"},
        {"sigma": 0.2},
        {"schedule": "cosine"},
        step,
        step | {"decay_epochs": (4,)},
        step | {"decay": 0.5},
        {"head_factor": 10.0},
        {"grad_clip": 1.0},
        {"epoch_images": 320},
        {"precision": "bf16"},
        {"compile": True},
        {"watch_test": True},
        {"pretrained": True, "frozen_stages": 2},
        *({"method": name} for name in ("has", "cutmix", "adl", "rdap")),
        *(adl | change for change in ({}, {"erase_gamma": 0.6}, {"erase_rate": 0.4})),
        {"method": "has", "erase_sides": (16,)},
        {"method": "cutmix", "erase_beta": 0.5},
        {"method": "cutmix", "erase_probability": 0.5},
        {"method": "rdap", "erase_square": 0.2},
    ]
    keys = {Config(**cub, **change).key for change in changes} | {Config(**cub).key}
    assert len(keys) == len(changes) + 1
    voc = {
        Config(dataset="voc", model="resnet50", multilabel=m).key for m in ("softmax", "sigmoid")
    }
    assert len(voc) == 2
    named = {name for change in changes for name in change} | {"multilabel"}
    assert named == {field.name for field in fields(Config)[20:]}


def test_a_file_of_weights_is_known_by_its_name():
    here, there = (Config(model="resnet18", weights=f"/{d}/w.pth") for d in ("a", "b"))
    assert here.key == there.key and here.content["weights"] == "w.pth"


def test_hyperparameters_are_the_presets_or_given_and_the_key_holds_their_values(monkeypatch):
    config = Config(dataset="cub", model="resnet50", method="adl")
    assert config.erasing == preset("adl", "cub", "resnet50")
    spelt = replace(config, erase_gamma=0.76, erase_rate=0.24)
    assert spelt == config and spelt.erase_gamma is None and spelt.key == config.key
    other = replace(config, erase_gamma=0.9)
    assert other.erasing == replace(config.erasing, gamma=0.9)
    # the same values by another road
    far = Config(
        method="adl", erase_gamma=0.9, erase_rate=0.5, erase_points=["last"], num_classes=4
    )
    assert far == Config(method="adl", num_classes=4)
    assert far.erasing == Erasing("adl", gamma=0.9, rate=0.5, points=("last",))
    before = config.key
    changed = Erasing("adl", gamma=0.5, rate=0.24, points=("stage3.0", "stage4.0", "last"))
    monkeypatch.setattr(module.erasing, "preset", lambda *_: changed)
    assert config.key != before  # a new preset is a new run, not the old record


def test_without_a_preset_all_hyperparameters_are_wanted():
    with pytest.raises(ValueError, match="no preset of has for 'toy' with 'resnet18'"):
        Config(model="resnet18", method="has")
    config = Config(model="resnet18", method="has", erase_sides=[0, 8], erase_rate=0.5)
    assert config.erasing == Erasing("has", sides=(0, 8), rate=0.5)
    assert config.erase_sides == (0, 8)


def test_recipes_of_photographs():
    config = Config(
        dataset="cub",
        model="resnet50",
        method="has",
        schedule="step",
        decay_epochs=[15, 30],
        head_factor=10,
        crop=200,
        precision="bf16",
    )
    recipe = config.recipe
    assert (recipe.schedule, recipe.decay_epochs, recipe.decay) == ("step", (15, 30), 0.1)
    assert (recipe.crop, recipe.head_factor, recipe.precision) == (200, 10.0, "bf16")
    assert recipe.erasing == Erasing("has", sides=(120,), rate=0.66)
    assert Config().recipe.crop == 0  # the embedded world has its own size
    stored = json.loads(json.dumps(config.to_dict()))
    assert Config(**stored) == config and stored["decay_epochs"] == [15, 30]
    assert Config(**json.loads(json.dumps(config.content))) == config


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
