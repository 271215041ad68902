"""Layers behind a model's points: attached, at work, removed, and the model as it was."""

import copy
import io
import pickle

import pytest
import torch
from torch import nn

from entreg_utils.cam import class_activation_map
from entreg_utils.erasing import Erasing, attach
from tests.erasing.conftest import seeded

BOTH = Erasing("adl", gamma=0.8, rate=1.0, points=("first", "last"))
LAST = Erasing("adl", gamma=0.8, rate=0.5, points=("last",))
STAGE9 = Erasing("adl", gamma=0.8, rate=0.5, points=("last", "stage9"))
LAST_ALWAYS = Erasing("adl", gamma=0.5, rate=1.0, points=("last",))


def test_a_layer_changes_what_flows_on_and_nothing_before(net, images):
    plain_first = net.first(images)
    seen = {}
    net.last.register_forward_pre_hook(lambda module, inputs: seen.update(inputs=inputs[0]))
    with attach(net, BOTH, seeded()) as layers:
        features = net.forward_features(images)
        net.head(features.mean(dim=(2, 3))).sum().backward()
    assert net.first[0].weight.grad.abs().sum() > 0  # gradients pass through both layers
    assert list(layers) == ["first", "last"]
    assert len({layer.generator for layer in layers.values()}) == 1
    keep = ~layers["first"].hidden(plain_first)[:, None]
    assert torch.equal(seen["inputs"], plain_first * keep)
    plain_last = net.last(seen["inputs"])
    keep = ~layers["last"].hidden(plain_last)[:, None]
    torch.testing.assert_close(features, plain_last * keep)


def test_the_mode_of_the_whole_model_counts(net, images):
    net.eval()
    maps, logits = class_activation_map(net, images, None)
    with attach(net, BOTH, seeded()):  # eval is as if nothing were attached
        assert torch.equal(net(images), logits)
        net.train()  # a map switches the model to eval mode itself
        assert torch.equal(class_activation_map(net, images, None)[0], maps)
    net.last.eval()  # frozen batch-norm
    with attach(net, LAST, seeded(1)) as layers:
        state = layers["last"].generator.get_state()
        net(images)
        assert not torch.equal(layers["last"].generator.get_state(), state)


def test_after_removal_the_model_is_what_it_was(net, images):
    before, state = net(images), {key: value.clone() for key, value in net.state_dict().items()}
    modules = [name for name, _ in net.named_modules()]
    with attach(net, BOTH, seeded()):
        assert list(net.state_dict()) == list(state)
        assert [name for name, _ in net.named_modules()] == modules
        assert not torch.equal(net(images), before)
    net.load_state_dict(state)
    assert torch.equal(net(images), before)
    copied = pickle.loads(pickle.dumps(copy.deepcopy(net)))
    copied.load_state_dict(state)
    assert torch.equal(copied(images), before)
    torch.save(net, io.BytesIO())


def test_a_copy_made_meanwhile_minds_its_own_mode(net, images):
    whole = copy.deepcopy(net).eval().forward_features(images)
    with attach(net, LAST_ALWAYS, seeded()):
        copied = copy.deepcopy(net)
    net.train()  # from here on the original is free, the copy still carries its layer
    copied.eval()
    assert torch.equal(copied.forward_features(images), whole)
    copied.train()
    net.eval()
    assert (copied.forward_features(images) == 0).all(dim=1).sum() > (whole == 0).all(dim=1).sum()


def test_seeds_decide_compiled_or_not_and_a_run_goes_on_as_it_would_have(net, images):
    net.first[1].momentum = net.last[1].momentum = 0.0  # the same batch statistics every time

    def epoch(generator, number, features=net.forward_features):
        generator.manual_seed(number)
        return torch.stack([features(images).sum() for _ in range(8)])

    generator = seeded()
    with attach(net, LAST, generator):
        unbroken = [epoch(generator, number) for number in range(3)]
        assert torch.equal(epoch(generator, 2), unbroken[2])
    generator = seeded(77)
    with attach(net, LAST, generator):
        assert torch.equal(epoch(generator, 1), unbroken[1])
        compiled = torch.compile(net.forward_features, backend="eager")
        torch.testing.assert_close(epoch(generator, 1, compiled), unbroken[1])
    assert len(unbroken[0].unique()) > 1


@pytest.mark.parametrize(
    "erasing",
    [Erasing("cam"), Erasing("has", sides=(4,), rate=0.5), Erasing(lambda i, t, generator: (i, t))],
)
def test_methods_without_layers_attach_nothing(erasing):
    plain = nn.Linear(3, 2)  # not even asked for its points
    with attach(plain, erasing, seeded()) as layers:
        assert layers == {} and not plain._forward_hooks


@pytest.mark.parametrize(
    ("model", "erasing", "generator", "error", "message"),
    [
        (None, STAGE9, seeded(), ValueError, "adl cannot go behind 'stage9'.*points first, last"),
        (nn.Linear(3, 2), BOTH, seeded(), TypeError, r"Linear has no erasing_points\(\)"),
        (None, BOTH, None, TypeError, "must be a torch.Generator"),
    ],
)
def test_what_cannot_work_is_refused_and_leaves_nothing_behind(
    net, model, erasing, generator, error, message
):
    with pytest.raises(error, match=message), attach(model or net, erasing, generator):
        pass
    with pytest.raises(ValueError, match="has a layer at 'last' already"):
        with attach(net, LAST, seeded()), attach(net, BOTH, seeded()):
            pass
    # Nothing was attached, and the layers that were are gone although an error ended the block.
    assert not net.first._forward_hooks and not net.last._forward_hooks
