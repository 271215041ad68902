"""ADL and RDAP inside a model that knows nothing of them: forward hooks at its erasing points."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from entreg_utils.erasing.arguments import cpu_generator
from entreg_utils.erasing.layers import AttentionErasing
from entreg_utils.erasing.methods import Erasing


def attach(model: nn.Module, erasing: Erasing, generator: torch.Generator) -> Attached:
    """Put the layers of ADL or RDAP behind the model's erasing points, until they are removed.

    The layers work in ``model.train()`` and do nothing in ``model.eval()``; the mode of the model
    itself counts, as parts of it may stay in eval mode (frozen batch-norm). They have no weights,
    and the model's ``state_dict``, parameters and modules stay what they were. Under
    ``torch.compile`` attach first and compile then; each layer breaks the graph where it draws.

    Args:
        model: has ``erasing_points() -> dict[str, nn.Module]``, modules whose output is a
            non-negative feature map (N, C, h, w).
        erasing: methods without layers (``cam``, ``has``, ``cutmix``) attach nothing, so that a
            training loop need not tell them apart.
        generator: on the CPU, shared by all layers; seed it anew at each epoch, and a run that
            goes on from a checkpoint draws what it would have drawn.

    Returns:
        A handle: ``handle.remove()``, or ``with attach(...) as handle``; ``handle.layers`` by
        point.

    Raises:
        ValueError: the model lacks a point, or one has a layer already; then nothing is attached.
        TypeError: the model has no ``erasing_points``, or no generator of the CPU was given.
    """
    cpu_generator(generator)
    chosen = points_of(model, erasing)
    for name, module in chosen.items():
        if any(isinstance(hook, _Hook) for hook in module._forward_hooks.values()):
            raise ValueError(
                f"{type(model).__name__} has a layer at {name!r} already: remove() it first"
            )
    attached = Attached()
    for name, module in chosen.items():
        layer = erasing.layer(generator)
        attached.layers[name] = layer
        attached._handles.append(module.register_forward_hook(_Hook(layer, model)))
    return attached


def points_of(model: nn.Module, erasing: Erasing) -> dict[str, nn.Module]:
    """The modules behind which the method's layers belong, by point; empty without layers.

    Raises:
        ValueError: the model lacks a point.  TypeError: it has no ``erasing_points``.
    """
    if not erasing.has_layers:
        return {}
    if not callable(getattr(model, "erasing_points", None)):
        raise TypeError(
            f"{type(model).__name__} has no erasing_points(): {erasing.method} needs to know which "
            "of its modules give non-negative feature maps, as every model of models.build says"
        )
    known = model.erasing_points()
    for name in erasing.points:
        if name not in known:
            raise ValueError(
                f"{erasing.method} cannot go behind {name!r}: {type(model).__name__} has the "
                f"points {', '.join(known)}"
            )
    return {name: known[name] for name in erasing.points}


class Attached:
    """Handle of attached layers.

    Attributes:
        layers: the layers by point, in forward order as named; empty for methods without layers.
    """

    def __init__(self):
        self.layers: dict[str, AttentionErasing] = {}
        self._handles: list = []

    def remove(self) -> None:
        """Take the layers out of the model; a second time does nothing."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def __enter__(self) -> Attached:
        return self

    def __exit__(self, *_) -> None:
        self.remove()


class _Hook:
    """A forward hook that replaces a module's output while the model trains.

    An object rather than a closure: a copied model then gets copies that watch the copy's mode.
    """

    def __init__(self, layer: AttentionErasing, model: nn.Module):
        self.layer, self.model = layer, model

    def __call__(self, module: nn.Module, inputs: tuple, output: Tensor) -> Tensor:
        return self.layer(output) if self.model.training else output
