"""What an accelerator would see, on machines without one: tensors of the meta device, and of a CUDA
device that FakeTensorMode makes up (forward passes only). On a machine with a GPU, that one too.
"""

import contextlib
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
from entreg_utils.erasing import ADL, METHODS, Erasing, preset
from entreg_utils.training import Recipe, TrainingError, View, evaluate, fit, predict
from entreg_utils.training.batches import Epoch
from entreg_utils.training.recipe import regularised_loss

COPIES = torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default


class Lent(TorchDispatchMode):
    """Counts what a device of this kind is waited for, in ``waits``; all it gives back is ones.

    AssertionError: a tensor of another device beside one of this, or a float64 on it (MPS has none;
    such sums cost a GPU of the shop 32 times as much).
    """

    def __init__(self, kind: str):
        super().__init__()
        self.device, self.waits = torch.device(kind), 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        tensors = [one for one in tree_leaves((args, kwargs)) if isinstance(one, Tensor)]
        here = [one for one in tensors if one.device.type == self.device.type]
        target = kwargs.get("device")
        leaves = target is not None and torch.device(target).type == "cpu"
        comes = not here and target is not None and not leaves
        if here and function is torch.ops.aten._local_scalar_dense.default:
            self.waits += 1
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

    device = torch.device("cuda")

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
    """Images of noise with labels in turn; what a data set has to have."""

    def __init__(self, count=12, classes=4):
        self.labels = torch.arange(count) % classes
        self.images = torch.randint(256, (count, 3, 24, 24), dtype=torch.uint8, generator=seeded())

    def __len__(self):
        return len(self.labels)

    def boxes_at(self, size):
        return None

    masks_at = boxes_at


def test_x(lender):
    m = lender.lend(models.build("toy", 4))
    m(torch.rand(2, 3, 24, 24).to(lender.device, non_blocking=True))
    n = lender.waits
    for c in (
        None,
        [0, 1],
        torch.tensor([0, 1]),
        torch.tensor([0, 1]).to(lender.device, non_blocking=True),
    ):
        maps, _ = cam.class_activation_map(
            m, torch.rand(2, 3, 24, 24).to(lender.device, non_blocking=True), c
        )
    assert lender.waits == n
    if lender.device.type != "cuda":
        fit(m, Squares(), Recipe(epochs=1, batch_size=4))
    p = predict(m, Squares())
    print(p.maps.shape)
    print(lender.waits)
    print(evaluate(m, Squares()))
