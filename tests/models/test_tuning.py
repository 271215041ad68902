"""Groups of learning rates and frozen batch-norm."""

import copy

import pytest
import torch

from entreg_utils import models


@pytest.mark.parametrize("name", models.MODELS)
def test_every_weight_is_in_one_group_and_the_last_stage_in_the_fast_one(name):
    with torch.device("meta"):
        net = models.MODELS[name](5)
    slow, fast = models.parameter_groups(net, 4)
    assert (slow["factor"], fast["factor"]) == (1.0, 4.0)
    names = {id(p): key for key, p in net.named_parameters()}
    found = [names[id(p)] for group in (slow, fast) for p in group["params"]]
    assert sorted(found) == sorted(names.values())
    prefixes = {
        "toy": ("stages.1.", "norm."),
        "preresnet18": ("body.stages.3.", "body.norm."),
        "mobilenet_v2": tuple(f"body.features.{k}." for k in range(14, 19)),
    }.get(name, ("body.layer4.",))
    expected = {key for key in names.values() if key.startswith((*prefixes, "head."))}
    assert {names[id(p)] for p in fast["params"]} == expected


def test_weights_that_do_not_learn_are_left_out():
    net = models.build("toy", 2)
    net.stem.weight.requires_grad_(False)
    slow, _ = models.parameter_groups(net)
    assert all(p is not net.stem.weight for p in slow["params"])


@pytest.mark.parametrize("name", ["toy", "preresnet18", "mobilenet_v2"])
def test_frozen_statistics_stay_in_training_while_scale_and_shift_learn(name):
    torch.manual_seed(0)
    images = torch.rand(4, 3, 32, 32)
    net = copy.deepcopy(models.freeze_batchnorm(models.build(name, 3)).train())
    before = {key: value.clone() for key, value in net.state_dict().items()}
    net(images).square().sum().backward()
    assert net.training and all(not layer.training for layer in net.batchnorms())
    assert all(layer.weight.grad is not None for layer in net.batchnorms())
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())
    trained, evaluated = net(images), net.eval()(images)
    assert torch.equal(trained, evaluated)  # no batch in it
    models.freeze_batchnorm(net.train(), frozen=False)
    net(images)
    assert all(layer.training and layer.num_batches_tracked == 1 for layer in net.batchnorms())


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="factor=0: give a positive number"):
        models.parameter_groups(models.build("toy", 2), 0)
    for function in (models.parameter_groups, models.freeze_batchnorm):
        with pytest.raises(TypeError, match="Linear is no backbone"):
            function(torch.nn.Linear(1, 1))
