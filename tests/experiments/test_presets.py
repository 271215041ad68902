"""The papers' ways to train: their published numbers, and that every one of them is a config."""

from dataclasses import replace

import pytest
from PIL import Image

from entreg_utils import models
from entreg_utils.data import PHOTOGRAPHS, SEVERAL_CLASSES
from entreg_utils.experiments import Config, presets

BACKBONES = [name for name in models.MODELS if name != "toy"]


@pytest.mark.parametrize("name", presets.PRESETS)
def test_every_preset_makes_a_config_for_every_pair(name):
    for dataset in (*PHOTOGRAPHS, "folder:mine", "mine:birds"):
        for model in (*BACKBONES, "timm:tf_efficientnet_lite0", None):
            preset = presets.PRESETS[name](dataset, model)
            model = preset.settings["model"]
            config = preset.config(seed=2, method="has", erase_sides=(16,), erase_rate=0.5)
            assert (config.dataset, config.model, config.seed) == (dataset, model, 2)
            assert {n: getattr(config, n) for n in preset.settings} == preset.settings
            assert config.pretrained or config.weights
            assert preset.status in ("published", "carried over", "own choice") and preset.source
            assert (config.multilabel != "none") == (dataset in SEVERAL_CLASSES)


@pytest.mark.parametrize("name", presets.PRESETS)
def test_own_code_and_the_toy_network_bring_their_own_weights(name):
    for model in ("mine:network", "toy"):
        preset = presets.PRESETS[name]("folder:mine", model)
        config = preset.config()
        assert config.model == model and not (config.pretrained or config.weights)
        assert preset.status in ("carried over", "own choice")
        assert config.learning_rate == presets.PRESETS[name]("folder:mine").config().learning_rate


def test_a_config_knows_its_preset_and_a_small_folder_fills_its_epochs(tmp_path, monkeypatch):
    for name in ("a", "b"):
        (tmp_path / "mine" / name).mkdir(parents=True)
        for i in range(10):
            Image.new("RGB", (20, 10)).save(tmp_path / "mine" / name / f"{i}.png")
    monkeypatch.setenv("HOME", str(tmp_path))
    config = presets.photographs("folder:mine").config(seed=4, root="~")
    assert presets.named(config) == f"photographs (own choice; {OWN.source})"
    assert presets.named(replace(config, epochs=3)).endswith("), but epochs 3")
    other = {"epochs": 3, "batch_size": 8, "learning_rate": 0.5, "momentum": 0.5}
    assert presets.named(replace(config, **other)) == presets.named(Config()) == ""
    gone, few = replace(config, dataset="folder:gone"), replace(config, batch_size=4)
    with pytest.warns(UserWarning, match="has 12 photographs to train on: .* drawn 96 .--epoch"):
        found = presets.filled([config, Config(), gone, few, replace(config, epoch_images=50)])
    assert found[0] == replace(config, epoch_images=96)  # 20 less 4 for val and 4 for test
    assert found[1:] == [Config(), gone, few, replace(config, epoch_images=50)]


CUB = presets.wsol_evaluation("cub", "resnet50")
ADL = presets.adl_code("cub", "seresnet50")
IMAGES = presets.wsol_evaluation("openimages", "resnet50")
OURS = presets.two_cores("cub", "mobilenet_v2")
OWN = presets.photographs("folder:mine")


@pytest.mark.parametrize(
    ("preset", "status", "names", "values"),
    [
        (CUB, "published", "learning_rate head_factor weight_decay", (2.32e-4, 10, 1e-4)),
        (CUB, "published", "epochs decay_epochs batch_size", (50, (15, 30, 45), 32)),
        (CUB, "published", "resize crop eval_size", (256, 224, 224)),
        (CUB, "published", "lists eval_view momentum", ("evaluation", "resize", 0.9)),
        # 0.1 for the last stage and the head, a tenth of it before
        (ADL, "published", "learning_rate head_factor momentum", (0.01, 10, 0.9)),
        (ADL, "published", "schedule decay_epochs decay", ("step", (30, 60, 90, 100), 0.1)),
        (ADL, "published", "epochs epoch_images", (105, 32_000)),
        (ADL, "published", "eval_view head_outputs", ("centre_crop", 1000)),
        (IMAGES, "published", "learning_rate epochs decay_epochs", (1.07e-3, 10, (3, 6, 9))),
        (OURS, "own choice", "classes freeze_bn statistics", (30, True, "half")),
        (OURS, "own choice", "weights pretrained", ("mobilenet_v2_imagenet.npz", False)),
        (OURS, "own choice", "resize crop eval_size", (182, 160, 160)),
        (OWN, "own choice", "model pretrained", ("timm:tf_efficientnet_lite0", True)),
        (OWN, "own choice", "resize crop eval_size batch_size", (182, 160, 224, 32)),
        (presets.modern("cub", "resnet50"), "own choice", "", ()),
        (presets.wsol_evaluation("cub", "resnet18"), "carried over", "", ()),
        (presets.adl_code("cub", "preresnet18"), "carried over", "", ()),
    ],
)
def test_numbers_of_the_evaluation_code_and_of_our_own(preset, status, names, values):
    config = preset.config()
    assert preset.status == status
    assert tuple(getattr(config, name) for name in names.split()) == values
