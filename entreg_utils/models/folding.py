"""Frozen batch-norm folded into the convolution before it, at every pass anew.

With fixed statistics a batch-norm is ``s * (x - mean) + shift`` with ``s = weight / sqrt(var +
eps)``: a convolution in front of it may as well carry ``s`` in its kernel and the rest in its bias.
Outputs and gradients are those of the two layers up to rounding, ``weight`` and ``bias`` of the
batch-norm still learn through the kernel, and one map less is written, kept and gone through on the
way back. ``python -m benchmarks --only folding`` measures what that saves in a step.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn
from torch.nn import functional


class FoldedConv(nn.Conv2d):
    """A convolution that carries the batch-norm ``after[0]``, which then passes its input on.

    Made of an ``nn.Conv2d`` in place: the same parameters under the same names.
    """

    after: tuple[nn.BatchNorm2d]  # in a tuple: no submodule of this one

    def forward(self, x: Tensor) -> Tensor:
        norm = self.after[0]
        scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
        shift = norm.bias - norm.running_mean * scale
        if self.bias is not None:
            shift = shift + self.bias * scale
        kernel = self.weight * scale[:, None, None, None]
        return functional.conv2d(
            x, kernel, shift, self.stride, self.padding, self.dilation, self.groups
        )


class PassedNorm(nn.BatchNorm2d):
    """A batch-norm that the convolution before it carries."""

    def forward(self, x: Tensor) -> Tensor:
        return x


def fold(module: nn.Module) -> int:
    """Fold each batch-norm that follows a convolution in an ``nn.Sequential``; how many.

    Only there the order of the layers says that nothing else reads the map between them.
    """
    count = 0
    for convolution, norm in _pairs(module, nn.Conv2d, nn.BatchNorm2d):
        convolution.__class__, norm.__class__ = FoldedConv, PassedNorm
        convolution.after = (norm,)
        count += 1
    return count


def unfold(module: nn.Module) -> None:
    """Undo :func:`fold`."""
    for convolution, norm in _pairs(module, FoldedConv, PassedNorm):
        convolution.__class__, norm.__class__ = nn.Conv2d, nn.BatchNorm2d
        del convolution.after


def _pairs(module: nn.Module, first: type, second: type) -> Iterator[tuple]:
    for sequence in [own for own in module.modules() if isinstance(own, nn.Sequential)]:
        layers = list(sequence.children())
        for one, other in zip(layers, layers[1:], strict=False):
            # exactly these: a subclass may do more (timm's batch-norms hold an activation)
            if type(one) is first and type(other) is second and one.padding_mode == "zeros":
                yield one, other
