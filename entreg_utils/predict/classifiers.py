"""A trained network with what it takes to ask it about photographs: published, of a file, of a run.

``classifier("timm:NAME")`` has timm's weights and the 1,000 names of ImageNet, ``weights=FILE`` its
own, ``classifier(run)`` the last checkpoint of a run and the names of its data set.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import timm
import torch
from timm.data import ImageNetInfo, infer_imagenet_subset
from torch import nn

from entreg_utils import cam, models, names
from entreg_utils.experiments import Config, Run, store
from entreg_utils.experiments.provenance import pick_device
from entreg_utils.experiments.run import as_run
from entreg_utils.fields import plain_numbers
from entreg_utils.files import StorageError, path_from, results

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


@plain_numbers
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
        size: side in pixels of the square shown; default: that of the run's evaluation, else 224.

    Raises:
        ValueError: an unknown network, weights that do not fit, or a size at which it fails or its
            map has one value.
        StorageError: files that are missing or unreadable.
    """
    if isinstance(model, Run):
        if weights is not None or classes is not None:
            raise ValueError("a run has weights and classes of its own: leave both out")
        found = _of_run(model)
    else:
        found = _of_network(model, weights, classes)
    network = found.network.to(pick_device(), memory_format=torch.channels_last).eval()
    found = dataclasses.replace(found, network=network, size=found.size if size is None else size)
    try:
        with torch.no_grad():
            side = found.size
            zeros = torch.zeros(1, 3, side, side).to(next(network.parameters()))
            maps, _ = cam.class_activation_map(network, zeros, None)
    except (AssertionError, RuntimeError, ValueError) as error:
        raise ValueError(
            f"{found.title} does not run on {side}x{side} pixels ({error}): give another size"
        ) from error
    if maps[0].numel() == 1:
        raise ValueError(
            f"of {side}x{side} pixels {found.title} makes a map of one value, which tells no place "
            "from another: give a larger size"
        )
    return found


def find_run(name: str) -> Run:
    """The stored run whose record has this name, or begins with it, or is this file.

    Its own code is not run yet: ``config`` names it. ValueError: there is none, or several.
    StorageError: a record that cannot be read.
    """
    path = path_from(name, "run")
    if path.suffix != ".json":
        folders = store.committed_folder(), results()
        files = {file.stem: file for folder in folders for file in folder.glob("*.json")}
        near = [name] if name in files else [own for own in files if own.startswith(name)]
        if len(near) != 1:
            such = ", ".join(near[:5]) or f"looked in {folders[1]} and {folders[0]}"
            raise ValueError(
                f"{len(near) or 'no'} runs begin with {name!r} ({such}{', ..' * (len(near) > 5)}): "
                "give the name of one, or the path of its record"
            )
        path = files[near[0]]
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
        _named(known, network.num_classes),
        config.name,
        f"run {config.name}",
        config.image_size if config.data.is_drawn else config.eval_size,
        run.metrics.get("box_threshold"),
        config.multilabel == "sigmoid",
        "".join(config.code.values()),
    )


def _of_network(model, weights, classes: Sequence[str] | None) -> Classifier:
    title, own = names.label(model), names.is_own(model)  # a module is callable, too
    published = not own and weights is None
    count = len(classes) if classes and not published else _outputs(model)
    if published:
        network, label = _published(model, count)
    else:
        network = models.build(model, count, weights=weights)
        label = "own" if weights is None else Path(weights).name
        if "head new" in network.weights_note:
            raise ValueError(
                f"{network.weights_note}: its answers would mean nothing; give weights with a "
                "classifier, and the names of its classes where they are not ImageNet's"
            )
    count = network.num_classes
    if classes and len(classes) != count:
        raise ValueError(f"{title} has {count} classes, but {len(classes)} names are given")
    if not classes and not own and (subset := infer_imagenet_subset({"num_classes": count})):
        classes = map(ImageNetInfo(subset).index_to_description, range(count))
    code = names.digest(model) if own and not isinstance(model, nn.Module) else ""
    return Classifier(network, _named(classes or (), count), title, label, 224, code=code)


def _outputs(model) -> int:
    """Classes of the published weights of a network; of own code what it is asked for."""
    if isinstance(model, nn.Module):
        return 2  # it may have more
    count = 1000
    if isinstance(model, str) and model.startswith("timm:"):
        name = model.removeprefix("timm:")
        try:
            count = timm.get_pretrained_cfg(name, allow_unregistered=False).num_classes
        except RuntimeError as error:
            if timm.is_model(name):  # of others `build` says more
                raise ValueError(f"{model}: {error}") from error
    if not count:
        raise ValueError(f"{model} has features and no classes: take a network with a classifier")
    return count


def _published(model: str, count: int) -> tuple[nn.Module, str]:
    """The network and where its weights are from: ImageNet, or from nowhere, with a warning."""
    try:
        return models.build(model, count, pretrained=True), "imagenet"
    except StorageError as error:
        warnings.warn(
            f"UNTRAINED: {error}; until then the weights are random, and neither classes nor maps "
            "mean anything",
            stacklevel=5,
        )
    return models.Network(model).build(count, seed=0), UNTRAINED  # the same at each call


def _named(known: Iterable[str], count: int) -> tuple[str, ...]:
    known = tuple(known)
    return (*known, *(f"class {index}" for index in range(len(known), count)))
