"""Erasing: exactly the hyperparameters of its method, and what it does to a batch."""

import dataclasses
import json
import math

import pytest
import torch

from entreg_utils.erasing import ADL, METHODS, RDAP, Erasing, cutmix, hidden, hide_and_seek
from tests.erasing.conftest import seeded

HAS = {"method": "has", "sides": [0, 4], "rate": 0.5}
CUTMIX = {"method": "cutmix", "beta": 1, "probability": 1}
ADL_ = {"method": "adl", "gamma": 0.9, "rate": 0.75, "points": ["last"]}
RDAP_ = {"method": "rdap", "square": 0.35, "rate": 0.5, "points": ("last",)}
ALL = [{"method": "cam"}, HAS, CUTMIX, ADL_, RDAP_]


@pytest.mark.parametrize("fields", ALL)
def test_a_setting_has_its_own_hyperparameters_and_comes_back_from_json(fields):
    erasing = Erasing(**fields)
    stored = json.loads(json.dumps(erasing.to_dict()))
    assert set(stored) == set(fields) and fields["method"] in METHODS
    assert Erasing(**stored) == erasing and hash(Erasing(**stored)) == hash(erasing)
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
    ("fields", "message"),
    [
        ({"method": "cutout"}, "unknown erasing method 'cutout': choose one of cam"),
        (HAS | {"rate": math.nan}, "rate=nan must lie in 0..1"),
        (HAS | {"sides": 4}, "sides=4: give a list, each a whole number"),
        (CUTMIX | {"beta": math.inf}, "beta=inf must lie above 0 and be finite"),
        (ADL_ | {"points": "last"}, "points='last': give a list, each a name"),
        (HAS | {"sides": (-4,)}, r"sides=\(-4,\)"),
        (ADL_ | {"points": ()}, "at least one name, each once"),
        (ADL_ | {"points": ("last", "last")}, "each once"),
        (RDAP_ | {"square": 1.0}, "square=1 must lie above 0 and below 1"),
    ],
)
def test_a_bad_value_is_one_clear_sentence(fields, message):
    with pytest.raises(ValueError, match=message):
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
    hot = torch.ones(4, 2)  # rows of several classes can stay as they are
    _, rows = Erasing(**CUTMIX).apply_to_batch(images, hot, seeded(), as_distribution=False)
    torch.testing.assert_close(rows, hot)
    for fields in ({"method": "cam"}, ADL_, RDAP_):  # these leave batch and generator alone
        generator = seeded()
        state = generator.get_state()
        out = Erasing(**fields).apply_to_batch(images, labels, generator)
        assert out[0] is images and out[1] is labels
        assert torch.equal(generator.get_state(), state)


def test_layers_have_the_hyperparameters():
    generator = seeded()
    adl, rdap = Erasing(**ADL_).layer(generator), Erasing(**RDAP_).layer(generator)
    assert isinstance(adl, ADL) and (adl.gamma, adl.rate) == (0.9, 0.75)
    assert isinstance(rdap, RDAP) and (rdap.square, rdap.rate) == (0.35, 0.5)
    assert adl.generator is generator and rdap.generator is generator
    for fields in ({"method": "cam"}, HAS, CUTMIX):
        with pytest.raises(ValueError, match="has no layers: only adl and rdap"):
            Erasing(**fields).layer(generator)


def darken(images, targets, generator):
    """Own code: hides a random half of the pixels."""
    return images * (torch.rand(images.shape[2:], generator=generator) < 0.5), targets


@pytest.mark.parametrize("method", [darken, f"{__name__}:darken"])
def test_own_code_is_a_method_without_hyperparameters(method):
    erasing, images, labels = Erasing(method), torch.rand(4, 3, 8, 8) + 0.1, torch.arange(4)
    out, targets = erasing.apply_to_batch(images, labels, seeded(1))
    assert torch.equal(out, darken(images, labels, seeded(1))[0]) and targets is labels
    assert not torch.equal(out, images) and not erasing.has_layers
    assert erasing.to_dict() == {"method": f"{__name__}:darken"}
    with pytest.raises(ValueError, match="darken has no rate: it takes no hyperparameter"):
        Erasing(method, rate=0.5)
    with pytest.raises(ValueError, match="darken has no layers"):
        erasing.layer(seeded())


OWN = {}


def own(images, targets, generator):
    return OWN["change"](images, targets)


@pytest.mark.parametrize(
    ("change", "returned"),
    [
        (lambda images, targets: images, r"\(4, 3, 8, 8\)"),
        (lambda images, targets: None, "NoneType"),
        (lambda images, targets: (images[:2], targets), r"\(2, 3, 8, 8\), \(4,\)"),
        (lambda images, targets: (images, targets[:2]), r"\(4, 3, 8, 8\), \(2,\)"),
        (lambda images, targets: (images, targets[0]), r"\(4, 3, 8, 8\), \(\)"),
        (lambda images, targets: (images.tolist(), targets), r"list, \(4,\)"),
    ],
)
def test_what_own_code_returns_must_be_such_a_batch(monkeypatch, change, returned):
    monkeypatch.setitem(OWN, "change", change)
    with pytest.raises(ValueError, match=f"own must return .* 4 images.* returned {returned}$"):
        Erasing(own).apply_to_batch(torch.rand(4, 3, 8, 8), torch.arange(4), seeded())


POINTS = ["first", "last"]


def test_cam_hides_nothing(images):
    seen = hidden(images, Erasing("cam"), seeded())
    assert seen.images is images and seen.masks == {}


def test_has_gives_the_mask_of_what_training_would_see(net, images):
    erasing = Erasing("has", sides=(3, 5), rate=0.5)
    seen = hidden(images, erasing, seeded(2), fill=net.mean)
    assert torch.equal(seen.images, hide_and_seek(images, (3, 5), 0.5, net.mean, seeded(2)))
    changed = (seen.images != images).any(dim=1)
    assert torch.equal(seen.masks["image"], changed)


def test_cutmix_strikes_for_certain_and_masks_the_box(images):
    seen = hidden(images, Erasing("cutmix", beta=1.0, probability=0.0), seeded(4))
    mask = seen.masks["image"]
    assert torch.equal(mask[0], mask[1]) and torch.equal(mask[0], mask[2])
    rows, columns = mask[0].any(dim=1).nonzero(), mask[0].any(dim=0).nonzero()
    height = int(rows.max() - rows.min()) + 1
    width = int(columns.max() - columns.min()) + 1
    assert mask[0].sum() == height * width > 0  # a full box
    changed = (seen.images != images).any(dim=1)
    assert changed.any() and not (changed & ~mask).any()
    for index, image in enumerate(seen.images):  # its box is that of one of the images
        inside = mask[index].expand(3, -1, -1)
        assert any(torch.equal(image[inside], other[inside]) for other in images), index


@pytest.mark.parametrize(
    ("erasing", "layer"),
    [
        (Erasing("adl", gamma=0.7, rate=0.0, points=POINTS), ADL(0.7, 0.0, seeded())),
        (Erasing("rdap", square=0.4, rate=0.0, points=POINTS), RDAP(0.4, 0.0, seeded())),
    ],
)
def test_layers_show_each_point_by_itself_at_its_own_resolution(net, images, erasing, layer):
    net.train()
    net.first.eval()
    statistics = net.last[1].running_mean.clone()
    generator = seeded()
    state = generator.get_state()
    seen = hidden(images, erasing, generator, model=net)
    assert net.training and not net.first.training and net.last.training
    assert torch.equal(net.last[1].running_mean, statistics)
    assert torch.equal(generator.get_state(), state)
    assert not net.first._forward_hooks and seen.images is images and list(seen.masks) == POINTS
    net.eval()
    first = net.first(images)
    last = net.last(first)
    for name, features in (("first", first), ("last", last)):
        assert torch.equal(seen.masks[name], layer.hidden(features))
    assert seen.masks["first"].shape == (4, 8, 6) and seen.masks["last"].shape == (4, 4, 3)


def test_what_is_missing_is_asked_for(images, net):
    with pytest.raises(ValueError, match="HaS needs fill.*model.mean"):
        hidden(images, Erasing("has", sides=(4,), rate=0.5), seeded())
    with pytest.raises(ValueError, match="where darken hides is not known"):
        hidden(images, Erasing(darken), seeded())
    adl = Erasing("adl", gamma=0.9, rate=0.5, points=("stage9",))
    with pytest.raises(ValueError, match="adl hides places of a feature map: give the model"):
        hidden(images, adl, seeded())
    with pytest.raises(ValueError, match="'stage9': Net has the points first, last"):
        hidden(images, adl, seeded(), model=net)
