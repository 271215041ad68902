"""Erasing: exactly the hyperparameters of its method, and what it does to a batch."""

import dataclasses
import json

import pytest
import torch

from entreg_utils.erasing import ADL, METHODS, RDAP, Erasing, cutmix, hide_and_seek

HAS = {"method": "has", "sides": [None, 4], "rate": 0.5}
CUTMIX = {"method": "cutmix", "beta": 1, "probability": 1}
ADL_ = {"method": "adl", "gamma": 0.9, "rate": 0.75, "points": ["last"]}
RDAP_ = {"method": "rdap", "square": 0.35, "rate": 0.5, "points": "last"}
ALL = [{"method": "cam"}, HAS, CUTMIX, ADL_, RDAP_]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_every_method_is_here():
    assert list(METHODS) == [fields["method"] for fields in ALL]


@pytest.mark.parametrize("fields", ALL)
def test_a_setting_goes_through_json_and_comes_back_equal(fields):
    erasing = Erasing(**fields)
    stored = json.loads(json.dumps(erasing.to_dict()))
    assert set(stored) == set(fields)
    assert Erasing(**stored) == erasing and hash(Erasing(**stored)) == hash(erasing)


def test_numbers_and_sequences_are_normalised():
    assert Erasing(**HAS).sides == (0, 4)
    assert repr(Erasing(**CUTMIX).beta) == "1.0"
    assert Erasing(**RDAP_).points == ("last",)


@pytest.mark.parametrize("fields", ALL)
def test_a_missing_and_a_foreign_hyperparameter_are_refused(fields):
    values = {"sides": (4,), "rate": 0.5, "beta": 1.0, "probability": 1.0}
    values |= {"gamma": 0.9, "square": 0.35, "points": ("last",)}
    assert set(values) == {f.name for f in dataclasses.fields(Erasing)} - {"method"}
    for name, value in values.items():
        if name in fields:
            rest = {key: item for key, item in fields.items() if key != name}
            with pytest.raises(ValueError, match=f"{fields['method']} needs {name}: it takes"):
                Erasing(**rest)
        else:
            with pytest.raises(ValueError, match=f"{fields['method']} has no {name}: it takes"):
                Erasing(**fields, **{name: value})


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"method": "cutout"}, ValueError, "unknown erasing method 'cutout': choose one of cam"),
        (HAS | {"rate": 1.2}, ValueError, "rate=1.2 must lie in 0..1"),
        (HAS | {"sides": (-4,)}, ValueError, "side -4"),
        (CUTMIX | {"beta": 0}, ValueError, "beta=0 must be above 0"),
        (CUTMIX | {"probability": -0.1}, ValueError, "probability=-0.1"),
        (ADL_ | {"gamma": 1.5}, ValueError, "gamma=1.5"),
        (ADL_ | {"points": ()}, ValueError, "at least one name, each once"),
        (ADL_ | {"points": ("last", "last")}, ValueError, "each once"),
        (ADL_ | {"points": (4,)}, TypeError, r"must be names of model.erasing_points\(\)"),
        (RDAP_ | {"square": 1.0}, ValueError, "square=1 must lie above 0 and below 1"),
        (RDAP_ | {"rate": "half"}, TypeError, "rate='half' must be a number"),
    ],
)
def test_a_bad_value_is_one_clear_sentence(fields, error, message):
    with pytest.raises(error, match=message):
        Erasing(**fields)


def test_a_batch_goes_to_its_method():
    images = torch.rand(4, 3, 10, 10, generator=seeded(1))
    labels = torch.tensor([0, 1, 2, 1])
    erased, targets = Erasing(**HAS).apply_to_batch(images, labels, seeded(2), fill=0.5)
    assert torch.equal(erased, hide_and_seek(images, (0, 4), 0.5, 0.5, seeded(2)))
    assert targets is labels and not torch.equal(erased, images)
    mixed, soft = Erasing(**CUTMIX).apply_to_batch(images, labels, seeded(2), num_classes=3)
    expected = cutmix(images, labels, 1.0, 1.0, seeded(2), 3)
    assert torch.equal(mixed, expected[0]) and torch.equal(soft, expected[1])
    assert soft.shape == (4, 3) and not torch.equal(mixed, images)


def test_rows_of_multi_label_images_can_stay_as_they_are():
    hot = torch.tensor([[1, 1], [1, 1]])
    erasing = Erasing(**CUTMIX)
    for normalise, value in ((True, 0.5), (False, 1.0)):
        _, soft = erasing.apply_to_batch(
            torch.zeros(2, 3, 8, 8), hot, seeded(), normalise=normalise
        )
        torch.testing.assert_close(soft, torch.full((2, 2), value))


@pytest.mark.parametrize("fields", [{"method": "cam"}, ADL_, RDAP_])
def test_other_methods_leave_the_batch_and_the_generator_alone(fields):
    images, labels, generator = torch.rand(2, 3, 8, 8), torch.tensor([0, 1]), seeded()
    state = generator.get_state()
    out = Erasing(**fields).apply_to_batch(images, labels, generator)
    assert out[0] is images and out[1] is labels
    assert torch.equal(generator.get_state(), state)


def test_has_asks_for_the_mean_colour():
    with pytest.raises(ValueError, match="HaS needs fill.*model.mean"):
        Erasing(**HAS).apply_to_batch(torch.rand(2, 3, 8, 8), torch.tensor([0, 1]), seeded())


def test_layers_have_the_hyperparameters():
    generator = seeded()
    adl, rdap = Erasing(**ADL_).layer(generator), Erasing(**RDAP_).layer(generator)
    assert isinstance(adl, ADL) and (adl.gamma, adl.rate) == (0.9, 0.75)
    assert isinstance(rdap, RDAP) and (rdap.square, rdap.rate) == (0.35, 0.5)
    assert adl.generator is generator and rdap.generator is generator
    for fields in ({"method": "cam"}, HAS, CUTMIX):
        with pytest.raises(ValueError, match="has no layers: only adl and rdap"):
            Erasing(**fields).layer(generator)


def test_which_methods_have_layers():
    assert [Erasing(**fields).has_layers for fields in ALL] == [False, False, False, True, True]
