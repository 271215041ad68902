"""What an accelerator would see, on machines without one: tensors of the meta device, and of a CUDA
device that FakeTensorMode makes up (forward passes only). On a machine with a GPU, that one too.
"""

import contextlib
import functools
import warnings

import numpy as np
import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_leaves

from entreg_utils import cam, losses, models
from entreg_utils.cam import activation
from entreg_utils.erasing import METHODS, attach, hidden, preset
from entreg_utils.training import Recipe, View, evaluate, fit, predict, regularised_loss
from entreg_utils.training.batches import batches

COPIES = torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default


class Lent(TorchDispatchMode):
    """Counts what a device of this kind is waited for, in ``waits``; all it gives back is ones.

    AssertionError: a tensor of another device beside one of this, or a float64 on it (MPS has none,
    and most GPUs are slow at it).
    """

    def __init__(self, kind: str):
        super().__init__()
        self.device, self.waits, self.is_fake = torch.device(kind), 0, kind == "cuda"

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        tensors = [one for one in tree_leaves((args, kwargs)) if isinstance(one, Tensor)]
        here = [one for one in tensors if one.device.type == self.device.type]
        target = kwargs.get("device")
        leaves = target is not None and torch.device(target).type == "cpu"
        comes = not here and target is not None and not leaves
        if here and function is torch.ops.aten._local_scalar_dense.default:
            self.waits += 1
            with _disable_current_modes():
                return torch.ones((), dtype=here[0].dtype).item()
        if here and leaves:
            self.waits += 1
            with _disable_current_modes():
                return torch.ones(here[0].shape, dtype=kwargs.get("dtype") or here[0].dtype)
        if not here and not comes:
            with _disable_current_modes():  # the CPU itself
                return function(*args, **kwargs)
        if function in COPIES:
            self.waits += len(here) < len(tensors) and not kwargs.get("non_blocking")
        else:
            mixed = [one for one in tensors if one.device.type == "cpu" and one.ndim]
            assert not (here and mixed), f"{function} of two devices"
        made = function(*args, **kwargs)
        for one in tree_leaves(made):
            assert not isinstance(one, Tensor) or one.dtype != torch.float64, f"{function}: float64"
        return made

    def lend(self, module: nn.Module) -> nn.Module:
        for part in module.modules():
            for name, value in part._parameters.items():
                if value is not None:
                    part._parameters[name] = nn.Parameter(value.detach().to(self.device))
            for name, value in part._buffers.items():
                part._buffers[name] = None if value is None else value.to(self.device)
        return module


class Real:
    """The same of a GPU that is there."""

    device, is_fake = torch.device("cuda"), False

    def __init__(self, caught: list):
        self.caught = caught

    @property
    def waits(self) -> int:
        return sum("synchronizing CUDA operation" in str(one.message) for one in self.caught)

    def lend(self, module: nn.Module) -> nn.Module:
        return module.to(self.device)


GPU = pytest.param(
    "cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
)


@pytest.fixture(params=["meta", "fake", GPU])
def lender(request, monkeypatch):
    with contextlib.ExitStack() as stack:
        if request.param == "cuda":
            caught = stack.enter_context(warnings.catch_warnings(record=True))
            warnings.simplefilter("always")
            torch.cuda.set_sync_debug_mode("warn")
            stack.callback(torch.cuda.set_sync_debug_mode, "default")
            yield Real(caught)
            return
        if request.param == "fake":
            stack.enter_context(FakeTensorMode(allow_non_fake_inputs=True))
            monkeypatch.setattr(Tensor, "pin_memory", lambda images: images)
        else:
            off = lambda *_, **__: contextlib.nullcontext()  # noqa: E731 - meta has no autocast
            monkeypatch.setattr(torch, "autocast", off)
        yield stack.enter_context(Lent({"fake": "cuda"}.get(request.param, request.param)))


def seeded():
    return torch.Generator().manual_seed(0)


class Squares:
    """Images of noise with labels in turn, as indices or in rows; what a data set must have."""

    frame = 24

    def __init__(self, count=12, hot=False):
        labels = torch.arange(count) % 4
        self.labels = nn.functional.one_hot(labels, 4).float() if hot else labels
        self.images = torch.randint(256, (count, 3, 28, 28), dtype=torch.uint8, generator=seeded())

    def __len__(self):
        return len(self.labels)

    def boxes_at(self, size):
        return [np.array([[2, 2, 9, 9]])] * len(self)

    def masks_at(self, size):
        return None


def toy():
    return models.build("toy", 4, width=4)


# ---- the mechanism itself


def test_a_look_and_a_second_device_are_seen(lender):
    lent = torch.ones(2, 3).to(lender.device)
    before = lender.waits
    lent.sum().exp()
    assert lender.waits == before
    for look in (lambda: lent.sum().item(), lambda: bool(lent.any()), lent.cpu):
        before = lender.waits
        look()
        assert lender.waits > before
    with pytest.raises((AssertionError, RuntimeError)):
        lent + torch.ones(2, 3)


# ---- training


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["none", "softmax", "sigmoid"])
def test_a_step_up_to_its_loss_waits_for_nothing(lender, method, kind):
    """Batches (crop, flip, erasing), network and loss; a layer looks at its first map, once."""
    erasing, model = preset(method, "toy", "toy"), lender.lend(toy()).train()
    recipe = Recipe("kl_uniform", 0.5, batch_size=4, multilabel=kind)
    before, waits = lender.waits, []
    with attach(model, erasing, seeded()) as layers:
        for images, target in batches(Squares(hot=kind != "none"), recipe, 0, lender.device, 24):
            images, target = erasing.apply_to_batch(
                images,
                target,
                seeded(),
                fill=model.mean,
                num_classes=4,
                as_distribution=kind != "sigmoid",
            )
            loss = regularised_loss(model(images), target, recipe)
            assert loss.device.type == images.device.type == lender.device.type
            waits.append(lender.waits - before)
    assert waits == [len(layers)] * 3


class Small(nn.Module):
    num_classes = 4

    def __init__(self):
        super().__init__()
        self.body = nn.Conv2d(3, 4, 3)
        self.head = nn.Linear(4, 4)

    def forward(self, images):
        return self.head(self.body(images).relu().mean((2, 3)))


def test_training_looks_at_its_loss_every_25_steps_and_twice_an_epoch(lender):
    if lender.is_fake:
        pytest.skip("FakeTensorMode has no backward pass of a CUDA device")
    recipe = Recipe(epochs=2, batch_size=4, epoch_images=112, grad_clip=1.0, precision="bf16")
    model, waits = lender.lend(Small()), []
    fit(model, Squares(), recipe, after_step=lambda *_: waits.append(lender.waits))
    steps = np.diff(waits)
    looks = np.flatnonzero(steps) + 2  # a step's own wait is there when it is over
    assert looks.tolist() == [25, 28, 29, 53, 56]
    assert steps[steps > 0].tolist() == [1, 1, 2, 1, 1]  # step 29: what ended the first epoch


@pytest.mark.parametrize("regularizer", losses.REGULARIZERS)
def test_losses_and_their_gradients_wait_for_nothing(lender, regularizer):
    logits = torch.rand(6, 4).to(lender.device).requires_grad_()
    hot = torch.eye(4)[[0, 1, 2, 3, 0, 1]]
    targets = [one.to(lender.device) for one in (hot.argmax(1), hot, hot.long(), hot.bfloat16())]
    before = lender.waits
    for target in targets:
        loss = losses.objective(logits, target, regularizer, 0.3)
        if not lender.is_fake:
            loss.backward()
        assert loss.device.type == lender.device.type
    assert lender.waits == before


# ---- maps


def squeezed():
    return models.adapt(torchvision.models.squeezenet1_1(num_classes=4))


NETWORKS = {name: functools.partial(models.build, name, 4) for name in models.MODELS}
NETWORKS |= {
    "vit": lambda: models.build("timm:vit_tiny_patch16_224", 4, img_size=32),
    "squeezenet": squeezed,
}


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_and_their_maps_wait_for_nothing(lender, name):
    model, labels = lender.lend(NETWORKS[name]()), torch.tensor([0, 3])
    images, lent = (one.to(lender.device) for one in (torch.rand(2, 3, 32, 32), labels))
    before = lender.waits
    made = [*model.stage_features(images).values()]
    for classes in (None, [0, 3], labels, lent) if name == "toy" else (labels,):
        if model.linear_head:
            made += cam.class_activation_map(model, images, classes)
        made += (
            activation._map_and_logits(model, images)
            if lender.is_fake
            else cam.grad_cam(model, images, classes)
        )
    assert lender.waits == before
    assert {one.device.type for one in made} == {lender.device.type}


@pytest.mark.parametrize("method", METHODS)
def test_what_is_hidden_is_shown_where_the_images_are(lender, method):
    model, erasing = lender.lend(toy()), preset(method, "toy", "toy")
    if lender.is_fake and erasing.has_layers:
        pytest.skip("a made-up CUDA tensor cannot be copied with its module")
    images = torch.rand(2, 3, 24, 24).to(lender.device)
    before = lender.waits
    seen = hidden(images, erasing, seeded(), model, model.mean)
    assert lender.waits == before
    made = [seen.images, *seen.masks.values()]
    assert {one.device.type for one in made} == {lender.device.type}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_a_network_that_lies_there_is_adapted_there(lender, dtype):
    if lender.is_fake:
        pytest.skip("FakeTensorMode has no backward pass of a CUDA device")
    module = lender.lend(torchvision.models.squeezenet1_1(num_classes=4).to(dtype))
    model = models.adapt(module, head="classifier.1")
    maps, logits = cam.class_activation_map(model, torch.rand(2, 3, 64, 64), [0, 3])
    assert {one.device.type for one in (maps, logits, model.mean)} == {lender.device.type}


@pytest.mark.parametrize("hot", [False, True])
def test_prediction_waits_for_maps_and_logits_alone(lender, hot):
    model, view = (
        lender.lend(toy()),
        View(Squares(hot=hot), multilabel="softmax" if hot else "none"),
    )
    before = lender.waits
    prediction = predict(model, view, batch=5)
    assert lender.waits - before == 2 * 3  # two copies back of each batch
    assert (prediction.maps.shape, prediction.logits.shape) == ((12, 7, 7), (12, 4))
    assert 0 <= evaluate(model, view)["max_box_acc"] <= 1


def test_a_wrong_class_is_a_sentence_where_it_can_be_and_else_a_map_of_nan(lender, monkeypatch):
    model, images = lender.lend(toy()), torch.rand(2, 3, 24, 24)
    for classes in ([0, 4], torch.tensor([0, 4])):  # on the CPU, wherever the network is
        with pytest.raises(ValueError, match=r"class 4 is out of range.*4 classes, 0\.\.3"):
            cam.class_activation_map(model, images, classes)


@pytest.mark.parametrize("function", [cam.class_activation_map, cam.grad_cam])
def test_where_looking_would_stall_a_wrong_class_gives_a_map_of_nan(function, monkeypatch):
    model, images = toy().eval(), torch.rand(3, 3, 24, 24)
    expected, _ = function(model, images, [0, 3, 2])
    monkeypatch.setattr(activation, "may_look", lambda tensor: False)
    maps, logits = function(model, images, torch.tensor([0, 4, -1]))
    assert torch.equal(maps[0], expected[0]) and maps[1:].isnan().all() and logits.isfinite().all()
    with pytest.raises(ValueError, match="the map of image 1 holds NaN"):
        activation.on_cpu(maps)
