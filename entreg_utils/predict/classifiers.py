"""A trained network with what it takes to ask it about photographs: published, of a file, of a run.

``classifier("timm:NAME")`` has timm's weights and the 1,000 names of ImageNet, ``weights=FILE`` its
own, ``classifier(run)`` the last checkpoint of a run and the names of its data set.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import timm
import torch
from timm.data import ImageNetInfo, infer_imagenet_subset
from torch import nn

from entreg_utils import models, names
from entreg_utils.experiments import Config, Run, store
from entreg_utils.experiments.provenance import pick_device
from entreg_utils.experiments.run import as_run
from entreg_utils.files import StorageError

UNTRAINED = "untrained"


@dataclass(frozen=True)
class Classifier:
    """A network in eval mode on its device, and what tables say of it.

    Attributes:
        classes: a name for each column of the logits.
        title: of the network or run.  weights: ``imagenet``, a file's name, ``run NAME``,
            ``untrained``, or ``own``: those of a module or function as it came.
        size: side in pixels of the square that it is shown.
        threshold: of boxes, as validation chose it; None: it did not.
        sigmoid: whether each class has a probability of its own.
        code: SHA-256 of own code behind it.
    """

    network: nn.Module = dataclasses.field(repr=False)
    classes: tuple[str, ...] = dataclasses.field(repr=False)
    title: str
    weights: str
    size: int
    threshold: float | None = None
    sigmoid: bool = False
    code: str = ""

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 of all weights by their names, and of own code."""
        found = hashlib.sha256(self.code.encode())
        for name, value in self.network.state_dict().items():
            found.update(name.encode())
            found.update(value.cpu().contiguous().flatten().view(torch.uint8).numpy())
        return found.hexdigest()

    def index_of(self, name: str | int) -> int:
        """Index of a class by its name, by one of several names in it, or by its number.

        ValueError: there is none, or there are several.
        """
        own = [one.split(", ") for one in self.classes]
        found = [i for i, every in enumerate(own) if name in every or name == self.classes[i]]
        if not found and str(name).isdecimal() and int(name) < len(self.classes):
            found = [int(name)]
        if len(found) != 1:
            many = f"the numbers {', '.join(map(str, found))}" if found else "none"
            raise ValueError(
                f"class {str(name)!r} is {many} of {self.title}: give its number, "
                f"0..{len(self.classes) - 1}, or a name such as {self.classes[0]!r}"
            )
        return found[0]


def classifier(
    model: str | Callable | nn.Module | Run,
    weights: Path | str | None = None,
    classes: Sequence[str] | None = None,
    size: int | None = None,
) -> Classifier:
    """The classifier of a network or a run.

    Args:
        model: what ``models.build`` takes, or a run. Known and timm's networks have published
            ImageNet weights; where these cannot be had, a warning says so, and ``weights`` of the
            result is ``untrained``.
        weights: a file in their place.  classes: names, where they are not those of ImageNet.
        size: side in pixels of the square shown; default: that of the run's evaluation, of networks
            with a fixed side their own, else 224.

    Raises:
        ValueError: an unknown network, weights that do not fit, or a size at which it fails.
        StorageError: files that are missing or unreadable.
    """
    if isinstance(model, Run):
        if weights is not None or classes is not None:
            raise ValueError("a run has weights and classes of its own: leave both out")
        found = _of_run(model)
    else:
        found = _of_network(model, weights, classes)
    size = found.size if size is None else size
    if size < 1:
        raise ValueError(f"size={size}: give a whole number of pixels, 224 is usual")
    network = found.network.to(pick_device(), memory_format=torch.channels_last).eval()
    found = dataclasses.replace(found, network=network, size=size)
    try:
        parameter = next(network.parameters())
        with torch.no_grad():
            network(torch.zeros(1, 3, found.size, found.size).to(parameter))
    except (AssertionError, RuntimeError, ValueError) as error:
        side = f"{found.size}x{found.size}"
        raise ValueError(
            f"{found.title} does not run on {side} pixels ({error}): give another size"
        ) from error
    return found


def find_run(name: str) -> Run:
    """The stored run whose record has this name, or begins with it, or is this file.

    Its own code is not run yet: ``config`` names it. ValueError: there is none, or several.
    """
    path, folders = Path(name), (store.results_folder(), store.committed_folder())
    if path.suffix != ".json":
        found = {file.name: file for folder in folders for file in folder.glob("*.json")}
        near = sorted(file for file in found if file.startswith(name))
        near = [f"{name}.json"] if f"{name}.json" in near else near
        if len(near) != 1:
            where = " nor ".join(map(str, folders))
            said = f"there is no run {name!r} in {where}: name a record there"
            if near:
                such = ", ".join(file.removesuffix(".json") for file in near[:5])
                such += ", .." * (len(near) > 5)
                said = f"{len(near)} runs begin with {name!r} ({such}): name one"
            raise ValueError(f"{said}, or give the path of one")
        path = found[near[0]]
    record = store.read(path)
    if record is None:
        raise ValueError(f"there is no record {path}: give the name of a run, or its path")
    return dataclasses.replace(as_run(Config(**record["config"]), record), path=path)


def _of_run(run: Run) -> Classifier:
    config, network = run.config, run.model()
    try:
        known = config.data.load("test").class_names
    except StorageError:  # the photographs are elsewhere
        known = ()
    return Classifier(
        network,
        (*known, *_numbered(range(len(known), network.num_classes))),
        config.name,
        f"run {config.name}",
        config.image_size if config.data.is_drawn else config.eval_size,
        run.metrics.get("box_threshold"),
        config.multilabel == "sigmoid",
        "".join(config.code.values()),
    )


def _of_network(model, weights, classes: Sequence[str] | None) -> Classifier:
    title = model if isinstance(model, str) else names.label(model)
    own = names.is_own(model)  # a module is callable, too
    count = len(classes) if classes and (own or weights is not None) else _outputs(model)
    if own or weights is not None:
        network = models.build(model, count, weights=weights)
        label = "own" if weights is None else Path(weights).name
        if "head new" in network.weights_note:
            raise ValueError(
                f"{network.weights_note}: its answers would mean nothing; give weights with a "
                "classifier, and the names of its classes where they are not ImageNet's"
            )
    else:
        network, label = _published(model, count)
    if classes and len(classes) != network.num_classes:
        raise ValueError(
            f"{title} has {network.num_classes} classes, but {len(classes)} names are given"
        )
    known = getattr(getattr(network, "network", None), "pretrained_cfg", None) or {}
    return Classifier(
        network,
        tuple(
            classes or ([] if own else _imagenet(count)) or _numbered(range(network.num_classes))
        ),
        title,
        label,
        known["input_size"][-1] if known.get("fixed_input_size") else 224,
        code=names.digest(model) if own and not isinstance(model, nn.Module) else "",
    )


def _outputs(model) -> int:
    """Classes of the published weights of a network; of own code what it is asked for."""
    if isinstance(model, nn.Module):
        return 2  # it may have more
    if not (isinstance(model, str) and model.startswith("timm:")):
        return 1000
    name = model.removeprefix("timm:")
    known = timm.get_pretrained_cfg(name) if timm.is_model(name) else None
    if known and not known.num_classes:
        raise ValueError(f"{model} has features and no classes: take a network with a classifier")
    return known.num_classes if known else 1000


def _published(model: str, count: int) -> tuple[nn.Module, str]:
    """The network and where its weights are from: ImageNet, or from nowhere, with a warning."""
    try:
        return models.build(model, count, pretrained=True), "imagenet"
    except StorageError as error:
        warnings.warn(
            f"UNTRAINED: {error}; until then the weights are random, and neither classes nor maps "
            "mean anything",
            stacklevel=4,
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # the same call goes on with the same network
        return models.build(model, count), UNTRAINED


def _imagenet(count: int) -> list[str]:
    """Names of the classes of that part of ImageNet which has so many; [] for none."""
    subset = infer_imagenet_subset({"num_classes": count})
    known = ImageNetInfo(subset) if subset else None
    return [known.index_to_description(index) for index in range(count if known else 0)]


def _numbered(indices: range) -> tuple[str, ...]:
    return tuple(f"class {index}" for index in indices)
