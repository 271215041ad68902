"""Weights of a backbone: published ones through their own loaders, or a file at hand."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn

from entreg_utils.files import StorageError, read_bytes

SUFFIXES = (".pth", ".pt", ".safetensors", ".npz")

# Named one by one, as the libraries' defaults change. For the ResNets and MobileNetV2 torchvision's
# first set, from plain training; for SE-ResNet-50 one trained with a softmax, timm's default not.
PUBLISHED = {
    "preresnet18": "resnetv2_18.ra4_e3600_r224_in1k",
    "resnet18": "resnet18.tv_in1k",
    "resnet50": "resnet50.tv_in1k",
    "seresnet50": "seresnet50.ra2_in1k",
    "mobilenet_v2": "MobileNet_V2_Weights.IMAGENET1K_V1",
}


def fetch(name: str) -> dict[str, Tensor]:
    """Published ImageNet weights of a model (``PUBLISHED``), from the cache or the network.

    Raises:
        StorageError: they are not in the cache and cannot be fetched.
    """
    import timm  # late, as where the bodies are made
    from torchvision.models import MobileNet_V2_Weights

    published = PUBLISHED[name]
    try:
        if name == "mobilenet_v2":
            entry = MobileNet_V2_Weights.IMAGENET1K_V1
            return dict(entry.get_state_dict(progress=True, check_hash=True))
        return timm.create_model(published, pretrained=True).state_dict()
    except Exception as error:  # each client of the network has its own kinds
        raise StorageError(
            f"cannot fetch the ImageNet weights {published} of {name} ({type(error).__name__}): go "
            "online once (they stay in the cache), or give a file of them with weights=PATH"
        ) from error


def read(path: Path | str) -> dict[str, Tensor]:
    """The state dict in a ``.pth``, ``.pt``, ``.safetensors`` or ``.npz`` file, on the CPU.

    ``{"state_dict": ...}`` and ``{"model": ...}`` are opened, and the prefix ``module.`` of
    parallel training is taken off. Nothing in the file is run (``weights_only``, no pickles).

    Raises:
        ValueError: another kind of file.  StorageError: it is not there, damaged, or holds
            something else than tensors.
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise ValueError(f"weights={str(path)!r}: use a file that ends in {', '.join(SUFFIXES)}")
    content = read_bytes(path)
    if content is None:
        raise StorageError(f"there is no file {path}: give weights=PATH a file of weights")
    try:
        if path.suffix == ".npz":
            with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                state = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
        elif path.suffix == ".safetensors":
            state = safetensors.torch.load(content)
        else:
            state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except (
        *(ValueError, TypeError, RuntimeError, KeyError, EOFError, OSError, AttributeError),
        *(pickle.UnpicklingError, zipfile.BadZipFile, safetensors.SafetensorError),
    ) as error:
        raise StorageError(
            f"{path} is damaged or holds more than weights ({type(error).__name__}): fetch it "
            "again, or save a plain state dict"
        ) from error
    for key in ("state_dict", "model"):
        if isinstance(state, Mapping) and isinstance(state.get(key), Mapping):
            state = state[key]
    if not isinstance(state, Mapping) or not all(isinstance(v, Tensor) for v in state.values()):
        raise StorageError(f"{path} holds no state dict (names and tensors): save one of those")
    return {str(name).removeprefix("module."): value for name, value in state.items()}


def load(module: nn.Module, state: Mapping[str, Tensor], origin: str) -> str:
    """Put a state dict into a backbone; all of it fits, or nothing is changed.

    Args:
        module: a :class:`~entreg_utils.models.backbones.PhotoNet`.
        state: of the published network, with or without its classifier, or of such a module.
        origin: what it is called in the note and in errors.

    Returns:
        The note, also kept as ``module.weights_note``: the classifier is taken over when it has
        as many classes, else left out, and the note says which.

    Raises:
        ValueError: weights are missing, unexpected, of another shape, or not finite.
    """
    wanted = module.state_dict()
    classifier = {f"{module.classifier}.{kind}": f"head.{kind}" for kind in ("weight", "bias")}
    own = any(name.startswith("body.") for name in state)
    given = {}
    for name, value in state.items():
        given[name if own else classifier.get(name, f"body.{name}")] = value
    if "head.weight" in given and given["head.weight"].ndim == 4:  # a 1x1 convolution
        given["head.weight"] = given["head.weight"].flatten(1)
    note = f"{origin}: body and classifier taken over"
    classes = given["head.bias"].numel() if "head.bias" in given else None
    if classes != module.head.out_features:
        for kind in ("weight", "bias"):
            given.pop(f"head.{kind}", None)
            given[f"head.{kind}"] = wanted[f"head.{kind}"]
        why = "no classifier in it" if classes is None else f"its classifier has {classes} classes"
        note = f"{origin}: body taken over, head new ({why}, {module.head.out_features} wanted)"
    for name, value in wanted.items():  # a counter that files of old versions lack
        if name.endswith("num_batches_tracked"):
            given.setdefault(name, value)
    _check(wanted, given, origin)
    module.load_state_dict(given)
    module.weights_note = note
    return note


def _check(wanted: Mapping[str, Tensor], given: Mapping[str, Tensor], origin: str) -> None:
    troubles = {
        "missing": [name for name in wanted if name not in given],
        "unexpected": [name for name in given if name not in wanted],
        "of another shape": [
            name for name in wanted if name in given and given[name].shape != wanted[name].shape
        ],
    }
    said = [f"{len(names)} {what} (as {names[0]})" for what, names in troubles.items() if names]
    if said:
        raise ValueError(
            f"{origin} does not fit this model: {', '.join(said)}; is it of another network?"
        )
    for name, value in given.items():
        if not bool(torch.isfinite(value.to(wanted[name].dtype)).all()):
            raise ValueError(f"{origin} holds NaN or infinite values in {name}: use another file")
