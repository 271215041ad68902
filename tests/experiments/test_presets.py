"""The papers' ways to train: their published numbers, and that every one of them is a config."""

import pytest

from entreg_utils import models
from entreg_utils.data import PHOTOGRAPHS, SEVERAL_CLASSES
from entreg_utils.experiments import presets
from entreg_utils.training.loop import make_optimizer, make_scheduler


@pytest.mark.parametrize("name", presets.PRESETS)
def test_every_preset_makes_a_config_for_every_pair(name):
    for dataset in PHOTOGRAPHS:
        for model in presets.BACKBONES:
            preset = presets.PRESETS[name](dataset, model)
            config = preset.config(seed=2, method="has")
            assert (config.dataset, config.model, config.seed) == (dataset, model, 2)
            assert {n: getattr(config, n) for n in preset.settings} == preset.settings
            assert config.pretrained or config.weights
            assert preset.status in ("published", "carried over", "own choice") and preset.source
            assert (config.multilabel != "none") == (dataset in SEVERAL_CLASSES)


def test_the_evaluation_codes_numbers():
    cub = presets.wsol_evaluation("cub", "resnet50")
    config = cub.config()
    assert cub.status == "published"
    assert (config.learning_rate, config.head_factor, config.weight_decay) == (2.32e-4, 10, 1e-4)
    assert (config.epochs, config.decay_epochs, config.batch_size) == (50, (15, 30, 45), 32)
    assert (config.resize, config.crop, config.eval_size) == (256, 224, 224)
    assert (config.lists, config.eval_view, config.momentum) == ("evaluation", "resize", 0.9)
    images = presets.wsol_evaluation("openimages", "resnet50")
    assert images.status == "published" and images.config().learning_rate == 1.07e-3
    assert (images.config().epochs, images.config().decay_epochs) == (10, (3, 6, 9))
    assert presets.wsol_evaluation("cub", "resnet18").status == "carried over"


def test_the_adl_codes_numbers():
    preset = presets.adl_code("cub", "seresnet50")
    config = preset.config()
    assert preset.status == "published"
    assert presets.adl_code("cub", "preresnet18").status == "carried over"
    assert (config.epochs, config.epoch_images) == (105, 32_000)
    assert (config.eval_view, config.head_outputs) == ("centre_crop", 1000)
    # 0.1 for the last stage and the head, a tenth of it before; times 0.1 after 30, 60, 90, 100
    optimizer = make_optimizer(models.build("toy", 3), config.training)
    scheduler = make_scheduler(optimizer, config.training, steps=1)
    seen = {}
    for epoch in range(105):
        seen[epoch] = [group["lr"] for group in optimizer.param_groups]
        optimizer.step()
        scheduler.step()
    for epoch, rate in ((0, 0.1), (29, 0.1), (30, 0.01), (60, 1e-3), (90, 1e-4), (104, 1e-5)):
        assert seen[epoch] == pytest.approx([rate / 10, rate])


def test_our_own_are_said_to_be_ours():
    for name in ("modern", "two_cores"):
        assert presets.PRESETS[name]("cub", "resnet50").status == "own choice"
    config = presets.two_cores("cub", "mobilenet_v2").config()
    assert (config.classes, config.freeze_bn, config.statistics) == (30, True, "half")
    assert (config.weights, config.pretrained) == ("mobilenet_v2_imagenet.npz", False)
    assert (config.resize, config.crop, config.eval_size) == (182, 160, 160)


def test_a_preset_for_another_data_set_or_network_is_refused():
    with pytest.raises(ValueError, match="no preset for the data set 'toy': known are cub, open"):
        presets.modern("toy", "resnet18")
    with pytest.raises(ValueError, match="no preset for the model 'toy': known are preresnet18"):
        presets.adl_code("cub", "toy")
