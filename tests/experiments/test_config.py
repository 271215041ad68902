"""Configs: what names a run, and what is refused before anything is trained."""

import copy
import json
import pickle
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest

from entreg_utils import names
from entreg_utils.data import Data
from entreg_utils.erasing import Erasing, preset
from entreg_utils.experiments import Config, Evaluation
from entreg_utils.experiments import config as module
from entreg_utils.experiments.config import DEFAULTS, FLAT, GROUPS, name_of
from entreg_utils.files import sha256
from entreg_utils.training import Recipe

CUB = {"dataset": "cub", "model": "resnet50"}
VOC = {"dataset": "voc", "model": "resnet50", "multilabel": "softmax"}
SHOAL = {"dataset": "shoal", "multilabel": "softmax"}


# ---- one value of groups


def test_settings_go_to_their_groups_by_their_flat_names():
    config = Config(epochs=3, seed=1, body=0.6, width=8, sigma=0.2, method="has", erase_rate=0.4)
    assert config.training == Recipe(epochs=3, seed=1)
    assert config.data == Data(body=0.6) and config.network.width == 8
    assert config.evaluation == Evaluation(sigma=0.2)
    assert config.erasing == replace(preset("has", "toy", "toy"), rate=0.4)
    assert (config.epochs, config.seed, config.body, config.sigma) == (3, 1, 0.6, 0.2)
    assert (config.method, config.erase_rate) == ("has", 0.4)
    assert not {"rate", "sides"} & set(FLAT)  # a method's own are told apart by `erase_`
    recipe = Recipe(regularizer="jsd", strength=2.0, epochs=5)  # a whole group; settings win
    assert Config(training=recipe, seed=3).training == replace(recipe, seed=3)
    own = Erasing("has", sides=(8,), rate=0.5)
    assert Config(erasing=own, erase_rate=0.25).erasing == replace(own, rate=0.25)


def test_a_config_is_replaced_by_flat_names():
    config = Config(seed=3, method="adl")
    other = replace(config, epochs=4, erase_gamma=0.3)
    assert other == Config(seed=3, method="adl", epochs=4, erase_gamma=0.3) != config
    assert replace(config, training=Recipe()).seed == 0
    # another method brings its own hyperparameters
    assert replace(config, method="has", erase_rate=0.4) == Config(
        seed=3, method="has", erase_rate=0.4
    )
    assert replace(config, method="cam") == Config(seed=3)


def test_a_config_is_a_value():
    config = Config(seed=3, decay_epochs=[2, 4], schedule="step", method="rdap")
    for same in (pickle.loads(pickle.dumps(config)), copy.deepcopy(config), replace(config)):
        assert same == config and hash(same) == hash(config) and same.name == config.name
    assert config != replace(config, seed=4) and len({config, replace(config)}) == 1
    with pytest.raises(FrozenInstanceError):
        config.seed = 4
    with pytest.raises(AttributeError, match="has no setting 'colour'"):
        config.colour  # noqa: B018


# ---- as text


def test_a_config_comes_back_from_its_dictionary_and_where_files_lie_is_no_part_of_it():
    for config in (
        Config(seed=3, method="adl", probes=["mine:probe"]),
        Config(**CUB, method="has", schedule="step", decay_epochs=[15, 30], head_factor=10),
        Config(**VOC, method="cutmix"),
    ):
        settings = config.to_dict()
        assert Config(**settings) == config == Config(**json.loads(json.dumps(settings)))
        assert list(settings) == [name for name in FLAT if name != "root"]
    here, there = (Config(**CUB, root=f"/{d}", weights=f"/{d}/w.pth") for d in ("a", "b"))
    assert here.name == there.name and here.to_dict() == there.to_dict()
    assert here.to_dict()["weights"] == "w.pth"
    places = here.to_dict(places=True)
    assert (places["root"], places["weights"]) == ("/a", "/a/w.pth") and Config(**places) == here
    birds = Config(dataset="cub", model="resnet18", method="has", seed=2)
    assert birds.title == "cub resnet18 has none 0 seed 2"  # what is unusual


# ---- the name of its record


def test_the_name_is_readable_first_and_then_the_hash_of_protocol_settings_and_code():
    config = Config(regularizer="kl_uniform", strength=3.0, seed=2, **CUB, method="adl")
    words, _, key = config.name.rpartition("-")
    assert words == "cub-resnet50-adl-kl_uniform-0.75-s2"
    plain = Config().to_dict()
    changed = {n: v for n, v in config.to_dict().items() if v != plain[n]}
    content = json.dumps([module.PROTOCOL, changed, {}], sort_keys=True)
    assert key == sha256(content.encode())[:16]
    assert Config().name.startswith("toy-none-0-s0-")
    assert name_of(plain, {}, 4) != Config().name == name_of(plain, {})


def test_each_setting_changes_the_name():
    plain = Config().to_dict()
    keys = {name_of(plain, {})[-16:]}
    for name, value in plain.items():
        other = not value if isinstance(value, bool) else value
        other = other + 1 if type(other) in (int, float) else other
        other = ["x"] if isinstance(other, list) else "x" if type(other) is str else other
        keys.add(name_of(plain | {name: 1 if other is None else other}, {})[-16:])
    assert len(keys) == 1 + len(plain) == len(FLAT)


def test_a_setting_equal_to_its_default_does_not_change_the_name():
    spelt = {name: value for name, value in DEFAULTS.items() if value is not None}
    assert Config(**spelt) == Config() and Config(**spelt).name == Config().name
    without = {n: v for n, v in Config().to_dict().items() if n != "grad_clip"}
    assert name_of(without, {}) == Config().name  # a record from before there was one
    assert name_of(without | {"grad_clip": 1.0}, {}) == Config(grad_clip=1.0).name


def test_equal_settings_have_equal_names_however_they_are_written():
    numpys = {"strength": np.float64(1), "seed": np.int64(2), "flip": np.True_, "context": -0.0}
    plain = Config(regularizer="kl_uniform", strength=1.0, seed=2, context=0.0)
    other = Config(regularizer=np.str_("kl_uniform"), **numpys)
    assert other == plain and other.name == plain.name
    lists = [Config(schedule="step", decay_epochs=two) for two in ([np.int32(2), 4], (2, 4))]
    assert lists[0] == lists[1] and lists[0].name == lists[1].name


def test_the_defaults_are_pinned():
    """A setting that equals its default does not enter a name, so a changed default would give old
    records a new meaning: raise PROTOCOL, train the records again, and only then change this. A
    setting that is added changes the digest too; that alone needs no new protocol."""
    text = json.dumps({n: module._as_json(v) for n, v in DEFAULTS.items()}, sort_keys=True)
    assert (module.PROTOCOL, sha256(text.encode())[:16]) == (5, "d446d3cf33b5f891")


# ---- hyperparameters of erasing


def test_hyperparameters_that_are_not_given_are_the_presets_and_the_name_holds_their_values():
    config = Config(**CUB, method="adl")
    assert config.erasing == preset("adl", "cub", "resnet50")
    spelt = replace(config, erase_gamma=0.76, erase_rate=0.24)
    assert spelt == config and spelt.name == config.name
    assert replace(config, erase_gamma=0.9).erasing == replace(config.erasing, gamma=0.9)
    assert config.to_dict()["erase_gamma"] == 0.76  # a new preset is a new run, not the old record
    far = Config(method="adl", erase_gamma=0.9, erase_rate=0.5, erase_points=["last"])
    assert far == Config(method="adl")  # the same values by another road
    config = Config(model="resnet18", method="has", erase_sides=[0, 8], erase_rate=0.5)
    assert config.erasing == Erasing("has", sides=(0, 8), rate=0.5)  # there is no preset
    assert config.erase_sides == (0, 8)


# ---- own code


def test_own_code_is_named_with_the_digest_of_its_source(own_code):
    text = "def pull(z):\n    return z.sum(1)\n\n\ndef probe(m, v, p):\n    return {}\n"
    own_code("mine", text)
    config = Config(regularizer="mine:pull", strength=1.0, probes=["mine:probe"])
    digest = names.digest("mine:pull")
    assert config.code == {"mine:pull": digest, "mine:probe": digest}
    assert config.name.startswith("toy-mine.pull-0.5-s0-")
    itself = replace(config, regularizer=names.resolve("mine:pull", "regularizer"))
    assert itself.name == config.name and itself.to_dict() == config.to_dict()
    before = config.name
    own_code("mine", text + "# changed\n")
    assert config.name != before and Config().code == {}


# ---- refusals


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"epohcs": 3}, "unknown setting 'epohcs': `python -m entreg_utils run --help` lists all"),
        ({"erasing": "has"}, r"erasing='has': give it as Erasing\(...\)"),
        ({"sigma": 1.5}, r"sigma=1.5 is no share of a map's maximum: give one in \[0, 1\)"),
        (CUB | {"eval_view": "ten"}, "unknown eval_view 'ten': known are resize, centre_crop"),
        (CUB | {"eval_size": 4}, r"eval_size=4 is outside 8..2048 pixels"),
        ({"probes": ["gt_known"]}, "the probe 'gt_known' is not package.module:function"),
        ({"probes": "mine:probe"}, "probes='mine:probe': give a list, each a name"),
        # what no group can refuse by itself
        ({"model": "timm:resnet18", "method": "has"}, "no preset of has for 'toy' with 'timm:r"),
        ({"num_train": 20}, "batch_size=50 is larger than num_train=20"),
        ({"eval_size": 96}, "eval_size belongs to photographs"),
        ({"watch_test": True}, "watch_test belongs to photographs"),
        ({"head_outputs": 4}, "head_outputs=4: give 0, one a class, or at least 8"),
        ({"dataset": "voc", "model": "resnet50"}, "voc show several classes: choose multilabel="),
        ({"dataset": "shoal"}, "images of shoal show several classes: choose multilabel='softmax'"),
        (SHOAL | {"head_outputs": 20}, "shoal has a column for each class: leave head_outputs out"),
        (CUB | {"multilabel": "sigmoid"}, "cub has one class an image: leave multilabel out"),
        (
            CUB | {"method": "has", "erase_sides": [16, 225]},
            "a square of 225 pixels is larger than the 224x224 image: give smaller erase_sides",
        ),
        ({"method": "adl", "erase_points": ["stage4.0"]}, "behind 'stage4.0': toy has the points"),
        (
            CUB | {"method": "adl", "erase_points": ["stage9"]},
            "adl cannot go behind 'stage9': resnet50 has the points stage3.0, stage4.0, last",
        ),
        ({"probes": [print.__class__.__call__.__get__(print)]}, "holds values that no name tells"),
    ],
)
def test_bad_settings_are_refused_in_one_sentence(settings, sentence):
    with pytest.raises(ValueError, match=sentence) as caught:
        Config(**settings)
    assert "\n" not in str(caught.value)


def test_every_setting_says_what_it_is():
    import docstring_parser

    for kind in (GROUPS[group] for group in ("data", "network", "training", "evaluation")):
        said = {p.arg_name: p.description for p in docstring_parser.parse_from_object(kind).params}
        assert all(said.get(name) for name in kind.__dataclass_fields__), kind
