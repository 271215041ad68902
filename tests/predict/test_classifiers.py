"""Which network is asked, by which names, and what tables say of its weights."""

import dataclasses

import pytest
import timm
import torch
from torch import nn

from entreg_utils import models
from entreg_utils.experiments import store
from entreg_utils.files import StorageError
from entreg_utils.predict.classifiers import classifier, find_run


@pytest.fixture
def offline(monkeypatch):
    original = timm.create_model

    def refuse(name, pretrained=False, **options):
        if pretrained:
            raise OSError("no route to host")
        return original(name, **options)

    monkeypatch.setattr(timm, "create_model", refuse)


def test_published_weights_know_the_names_of_imagenet(offline):
    found = classifier("timm:tf_efficientnet_lite0")
    assert (found.weights, found.size, len(found.classes)) == ("imagenet", 224, 1000)
    assert found.classes[285] == "Egyptian cat" and not found.network.training


def test_what_cannot_be_fetched_is_untrained_and_the_same_each_time(offline):
    with pytest.warns(UserWarning, match="UNTRAINED: cannot fetch .* neither classes nor maps"):
        one, two = classifier("timm:test_resnet"), classifier("timm:test_resnet")
    assert one.weights == two.weights == "untrained" and one.digest == two.digest
    with torch.no_grad():
        next(two.network.parameters()).add_(1)
    assert dataclasses.replace(two).digest != one.digest


def test_weights_of_a_file_with_names_of_its_own(tmp_path, offline):
    file = tmp_path / "mine.pth"
    torch.save(timm.create_model("test_vit", num_classes=3).state_dict(), file)
    found = classifier("timm:test_vit", file, classes=["a", "b", "c"], size=160)
    assert (found.weights, found.classes, found.size) == ("mine.pth", ("a", "b", "c"), 160)
    own = classifier(models.build("timm:test_resnet", 3))
    assert own.classes == ("class 0", "class 1", "class 2")
    assert (own.weights, own.title) == ("own", "Adapted")
    with pytest.raises(StorageError, match="there is no file"):  # and no untrained network
        classifier("timm:test_resnet", tmp_path / "gone.pth")


class Strict(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 4, 8, 8), nn.Flatten(), nn.Linear(3136, classes))

    def forward(self, images):
        return self.layers(images)


LITE = "timm:tf_efficientnet_lite0"


@pytest.mark.parametrize(
    ("model", "options", "sentence"),
    [
        ("vgg", {}, "unknown model 'vgg'"),
        ("timm:resnet1", {}, "timm has no model 'resnet1'"),
        ("timm:resnet18.one", {}, r"timm:resnet18.one: Invalid pretrained tag \(one\)"),
        ("toy", {}, "no published weights for 'toy'"),
        ("timm:vit_small_patch14_dinov2", {}, "has features and no classes"),
        ("timm:test_vit", {"weights": 1000, "size": 150}, "does not run on 150x150 .*size"),
        ("timm:test_vit", {"weights": 3}, "head new .3 classes|has 3 classes.* names of its"),
        ("timm:test_resnet", {"weights": 1000}, "is of another network: 0 of this one's"),
        (LITE, {"classes": ["a"]}, "has 1000 classes, but 1 names"),
        (LITE, {"size": 0}, "does not run on 0x0 .* another size"),
        (Strict(3), {"size": 64}, "Strict does not run on 64x64"),
        (models.build("timm:test_resnet", 3), {"size": 1}, "of 1x1 pixels Adapted makes a map of"),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(tmp_path, offline, model, options, sentence):
    if classes := options.get("weights"):
        options = options | {"weights": tmp_path / "w.pth"}
        state = timm.create_model("test_vit", num_classes=classes).state_dict()
        torch.save(state, options["weights"])
    with pytest.raises(ValueError, match=sentence):
        classifier(model, **options)


def test_a_run_by_name_beginning_and_path(stored, tiny, tmp_path, training_forbidden):
    for name in (tiny.name, tiny.name[:-3], str(stored)):
        run = find_run(name)
        assert run.config == tiny and run.path == stored
    found = classifier(run)
    assert (found.title, found.weights, found.size) == (tiny.name, f"run {tiny.name}", 32)
    assert found.threshold == run.metrics["box_threshold"] and len(found.classes) == 8
    assert "class" not in found.classes[0]  # the species have names
    with pytest.raises(ValueError, match="a run has weights and classes of its own"):
        classifier(run, classes=["a"])
    elsewhere = stored.parent.rename(tmp_path / "elsewhere")  # with its checkpoint beside it
    assert classifier(find_run(str(elsewhere / stored.name))).size == 32


def test_runs_that_are_not_there(stored, tiny):
    store.write(store.read(stored), stored.with_name(f"{tiny.name}.json"))
    stored.with_name("toy-other.json").write_text("{}")
    for name, sentence in {
        "nothing": r"no runs begin with 'nothing' \(looked in .* and .*\): give the name of one",
        "gone/record.json": "there is no record gone/record.json",
        "toy-": r"2 runs begin with 'toy-' \(toy-[^ ]*\w, toy-other\): give the name of",
    }.items():
        with pytest.raises(ValueError, match=sentence):
            find_run(name)
