"""The papers' recipes: their published numbers, and that every one of them is a config."""

import pytest
from entreg_utils.experiments.validity import PHOTOGRAPHS, SEVERAL_CLASSES
from entreg_utils.training.schedule import make_optimizer, make_scheduler

from entreg_utils.experiments import recipes


@pytest.mark.parametrize("name", recipes.RECIPES)
@pytest.mark.parametrize("dataset", PHOTOGRAPHS)
def test_every_recipe_makes_a_config_for_every_pair(name, dataset):
    for model in recipes.BACKBONES:
        preset = recipes.RECIPES[name](dataset, model)
        config = preset.config(seed=2, method="has")
        assert (config.dataset, config.model, config.seed) == (dataset, model, 2)
        assert {n: getattr(config, n) for n in preset.fields} == preset.fields
        assert (config.pretrained or config.weights) and preset.status in (
            "published",
            "carried over",
            "own choice",
        )
        assert (config.multilabel != "none") == (dataset in SEVERAL_CLASSES)


def test_the_evaluation_codes_numbers():
    cub = recipes.wsol_evaluation("cub", "resnet50")
    config = cub.config()
    assert cub.status == "published"
    assert (config.learning_rate, config.head_factor, config.weight_decay) == (2.32e-4, 10, 1e-4)
    assert (config.epochs, config.decay_epochs, config.batch_size) == (50, (15, 30, 45), 32)
    assert (config.resize, config.crop, config.eval_size) == (256, 224, 224)
    assert (config.lists, config.eval_view, config.momentum) == ("evaluation", "resize", 0.9)
    images = recipes.wsol_evaluation("openimages", "resnet50")
    assert images.status == "published" and images.config().learning_rate == 1.07e-3
    assert (images.config().epochs, images.config().decay_epochs) == (10, (3, 6, 9))
    assert recipes.wsol_evaluation("cub", "resnet18").status == "carried over"


def test_the_adl_codes_numbers():
    preset = recipes.adl_code("cub", "seresnet50")
    config = preset.config()
    assert preset.status == "published"
    assert recipes.adl_code("cub", "preresnet18").status == "carried over"
    assert (config.epochs, config.epoch_images) == (105, 32_000)
    assert (config.eval_view, config.head_outputs) == ("centre_crop", 1000)
    # 0.1 for the last stage and the head, a tenth of it before; times 0.1 after 30, 60, 90, 100
    from entreg_utils import models

    optimizer = make_optimizer(models.build("toy", 3), config.recipe)
    scheduler = make_scheduler(optimizer, config.recipe, steps=1)
    seen = {}
    for epoch in range(105):
        seen[epoch] = [group["lr"] for group in optimizer.param_groups]
        optimizer.step()
        scheduler.step()
    for epoch, rate in ((0, 0.1), (29, 0.1), (30, 0.01), (60, 1e-3), (90, 1e-4), (104, 1e-5)):
        assert seen[epoch] == pytest.approx([rate / 10, rate])


def test_changes_go_on_top_and_unknown_pairs_are_named():
    preset = recipes.modern("pets", "resnet18")
    assert preset.status == "own choice" and preset.config().precision == "bf16"
    assert preset.config(epochs=2, batch_size=8).epochs == 2
    with pytest.raises(ValueError, match="no recipe for the data set 'toy': known are cub, open"):
        recipes.modern("toy", "resnet18")
    with pytest.raises(ValueError, match="no recipe for the model 'toy': known are preresnet18"):
        recipes.adl_code("cub", "toy")
