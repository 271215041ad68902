"""ADL and RDAP: layers that hide the most discriminative place of a feature map in training."""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from entreg_utils.erasing.arguments import cpu_generator, number

if TYPE_CHECKING:
    from entreg_utils.erasing.methods import Erasing


class AttentionErasing(nn.Module):
    """What ADL and RDAP have in common, without weights; their ``_hidden`` says where to hide.

        A = mean over channels of x,  (N, 1, h, w)
        hide with probability ``rate``:  y = x * [not hidden(A)]
        otherwise:                       y = x * sigmoid(A), the importance map in 1/2..1

    As in the authors' code, ONE draw serves all images of a batch, the choice of the hidden place
    carries no gradient (dy/dx is 1 at kept places, 0 at hidden ones), and sigmoid(A) its own.
    ``rate`` in 0..1 is the authors' ``1 - keep_prob``; ``generator``, on the CPU, may be set anew
    or seeded at any time. In eval mode nothing happens. ValueError: a number out of its range;
    TypeError: another generator.

    ``x`` must be (N, C, h, w) after a ReLU: on negative values A < gamma max A hides nothing. The
    values are looked at in the first training pass only, since each look makes a GPU wait.
    """

    def __init__(self, rate: float, generator: torch.Generator):
        super().__init__()
        self.rate, self.generator = number("rate", rate), cpu_generator(generator)
        self._seen = False

    def forward(self, features: Tensor) -> Tensor:
        """The map with its strongest place hidden, or weighted by importance; same type."""
        if not self.training:
            return features
        if not self._seen and features.detach().amin().item() < 0:
            raise ValueError(
                f"{type(self).__name__} was put behind a map with negative values, where its "
                "threshold means nothing: put it after a ReLU"
            )
        self._seen = True
        attention = _attention(features)
        if torch.rand((), generator=self.generator).item() < self.rate:
            factor = ~self._hidden(attention)
        else:
            factor = attention.sigmoid()
        return features * factor.to(features.dtype)

    def hidden(self, features: Tensor) -> Tensor:
        """Which cells a hiding pass hides: bool (N, h, w), no draw, in either mode."""
        return self._hidden(_attention(features.detach()))[:, 0]


class ADL(AttentionErasing):
    """Attention-based dropout layer (Choe & Shim, CVPR 2019): hides where A >= gamma max A.

    The maximum is each image's own; gamma in 0..1, small values hide much. The authors'
    SE-ResNet-50 has gamma 0.9 and rate 0.75. Else as :class:`AttentionErasing`.
    """

    def __init__(self, gamma: float, rate: float, generator: torch.Generator):
        super().__init__(rate, generator)
        self.gamma = number("gamma", gamma)

    def _hidden(self, attention: Tensor) -> Tensor:
        return attention >= self.gamma * attention.amax(dim=(2, 3), keepdim=True)


class RDAP(AttentionErasing):
    """Region-based dropout with attention prior: hides one square around the peak of A.

    Choe et al., Pattern Recognition 116, 2021, in our reading. Their square has a fixed size; the
    further details are not public, so these are our choices. Place: the largest A, the first of
    equals. Size: ``round(square * min(h, w))`` cells, at least one, 0 < square < 1, a share of the
    map so that one setting serves every architecture, as the paper wants. Border: the square is
    moved inside, never cut; with an even side the peak is the lower right of the middle cells.
    Else as :class:`AttentionErasing`.
    """

    def __init__(self, square: float, rate: float, generator: torch.Generator):
        super().__init__(rate, generator)
        self.square = number("square", square)

    def _hidden(self, attention: Tensor) -> Tensor:
        height, width = attention.shape[2:]
        side = max(1, round(self.square * min(height, width)))
        if side >= max(height, width):
            raise ValueError(
                f"RDAP with square={self.square:g} hides the whole of a {height}x{width} map: "
                "choose a smaller square or an earlier point"
            )
        peak = attention.flatten(1).argmax(dim=1)  # (N,)
        hidden = []
        for start, length in ((peak // width, height), (peak % width, width)):
            start = (start - side // 2).clamp(0, length - side)[:, None]
            cells = torch.arange(length, device=attention.device)
            hidden.append((cells >= start) & (cells < start + side))  # (N, length)
        return (hidden[0][:, :, None] & hidden[1][:, None, :])[:, None]


def _attention(features: Tensor) -> Tensor:
    """Channel mean (N, 1, h, w); in float32 at least, where near-equal cells can be told apart."""
    if features.ndim != 4:
        raise ValueError(
            f"erasing needs a feature map (N, C, h, w), not one of shape {tuple(features.shape)}"
        )
    precise = torch.promote_types(features.dtype, torch.float32)
    return features.mean(dim=1, keepdim=True, dtype=precise)


@contextlib.contextmanager
def attach(
    model: nn.Module, erasing: "Erasing", generator: torch.Generator
) -> Iterator[dict[str, AttentionErasing]]:
    """Within it the layers of ADL or RDAP work behind the model's erasing points; by point.

    ``model.erasing_points()`` gives modules whose output is a non-negative map (N, C, h, w), by
    name. The layers work while ``model.training``; the mode of its parts does not count, as they
    may be frozen. Its ``state_dict``, parameters and modules stay what they were. All layers share
    the ``generator`` of the CPU: seed it anew at each epoch, and a run that goes on draws what it
    would have drawn. Other methods attach nothing. Attach before ``torch.compile``.

    Raises:
        ValueError: the model lacks a point, or one has a layer already; then nothing is attached.
        TypeError: the model has no ``erasing_points``, or no generator of the CPU was given.
    """
    cpu_generator(generator)
    chosen = points_of(model, erasing)
    for name, module in chosen.items():
        if any(isinstance(hook, _Hook) for hook in module._forward_hooks.values()):
            kind = type(model).__name__
            raise ValueError(f"{kind} has a layer at {name!r} already: leave its attach first")
    layers = {name: erasing.layer(generator) for name in chosen}
    with contextlib.ExitStack() as hooks:
        for name, layer in layers.items():
            hooks.enter_context(chosen[name].register_forward_hook(_Hook(layer, model)))
        yield layers


def points_of(model: nn.Module, erasing: "Erasing") -> dict[str, nn.Module]:
    """The modules behind which the method's layers belong, by point; empty without layers."""
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
            has = f"{type(model).__name__} has the points {', '.join(known)}"
            raise ValueError(f"{erasing.method} cannot go behind {name!r}: {has}")
    return {name: known[name] for name in erasing.points}


class _Hook:
    """A forward hook; no closure, so that a copied model gets one that watches the copy's mode."""

    def __init__(self, layer: AttentionErasing, model: nn.Module):
        self.layer, self.model = layer, model

    def __call__(self, module: nn.Module, inputs: tuple, output: Tensor) -> Tensor:
        return self.layer(output) if self.model.training else output
