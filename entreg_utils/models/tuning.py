"""How a backbone is fine-tuned: which weights learn faster, and which stand still.

**Frozen batch-norm**, ``s * (x - mean) + bias`` with ``s = weight / sqrt(var + eps)``, is folded
into kernel and bias of the convolution before it, at every pass anew. Outputs and gradients are
those of the two layers up to rounding, ``weight`` and ``bias`` still learn, and one map less is
kept. ``python -m benchmarks --only folding`` measures it.
"""

import itertools

from torch import Tensor, nn
from torch.nn import functional

from entreg_utils.fields import plain_numbers
from entreg_utils.models.base import Backbone, check_backbone


@plain_numbers
def parameter_groups(module: Backbone, factor: float = 10.0) -> list[dict]:
    """Parameters in two groups: the last stage and the head learn ``factor`` times faster.

    Gives ``[{"params": [...], "factor": 1.0}, {"params": [...], "factor": factor}]``: every
    trainable parameter once, in order. Of an adapted network the last stage is the head alone. The
    codes of Choe et al. (CVPR 2020) and, put the other way round, of ADL (CVPR 2019) have 10.

    TypeError for no backbone, ValueError for a factor that is not positive or without a head.
    """
    check_backbone(module)
    if not 0 < factor < float("inf"):
        raise ValueError(f"factor={factor:g}: give a positive number, 1 for equal learning rates")
    if module.head is None:
        raise ValueError("no head is known that could learn faster: name it, adapt(..., head=...)")
    last = (*module.stage_modules()[-1:], (module.head,))
    fast = {id(p) for parts in last for part in parts for p in part.parameters()}
    trained = [p for p in module.parameters() if p.requires_grad]
    return [
        {"params": [p for p in trained if id(p) not in fast], "factor": 1.0},
        {"params": [p for p in trained if id(p) in fast], "factor": float(factor)},
    ]


def freeze_batchnorm(module: Backbone) -> Backbone:
    """Keep the batch-norm statistics as they are, in ``train()`` too; scale and shift still learn.

    Right for weights whose batch-norm was folded into the convolutions (running mean 0, variance
    1), where statistics of a batch would normalise once more, and usual for small batches. The
    module is changed in place and returned; the setting is not part of the state dict. TypeError
    for no backbone.
    """
    check_backbone(module)
    module.batchnorm_frozen = True
    for layer in module.batchnorms():
        layer.eval()
    fold(module)
    return module


@plain_numbers
def freeze_stages(module: Backbone, count: int) -> Backbone:
    """Keep the weights of the first stages as they are, batch-norm included; the rest learns.

    No gradient has to be taken through the maps that are largest. The stem goes with the first
    stage; ``count=0`` lets all learn. An adapted network has two stages, its body and its head. The
    module is changed in place and returned; the setting is not part of the state dict.

    TypeError for no backbone; ValueError for more stages than all but the last, which must learn.
    """
    check_backbone(module)
    stages = module.stage_modules()
    most = max(0, len(stages) - 1)
    if not 0 <= count <= most:
        raise ValueError(
            f"count={count}: this network has {len(stages)} stages, so give 0 to {most}"
        )
    module.frozen_stages = count
    for number, parts in enumerate(stages):
        for part in parts:
            part.requires_grad_(number >= count)
    return module.train(module.training)


class FoldedConv(nn.Conv2d):
    """An ``nn.Conv2d``, changed in place, that carries the batch-norm ``after[0]``."""

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


def fold(module: nn.Module) -> None:
    """Fold each batch-norm behind a convolution in an ``nn.Sequential``.

    Only there it is certain that nothing else reads the map between them.
    """
    for sequence in [own for own in module.modules() if isinstance(own, nn.Sequential)]:
        for one, other in itertools.pairwise(sequence.children()):
            # exactly these: a subclass may do more (timm's batch-norms hold an activation)
            plain = type(one) is nn.Conv2d and type(other) is nn.BatchNorm2d
            if plain and one.padding_mode == "zeros":
                one.__class__, other.__class__ = FoldedConv, PassedNorm
                one.after = (other,)
