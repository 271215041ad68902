"""ADL and RDAP: layers that hide the most discriminative place of a feature map in training."""

import torch
from torch import Tensor, nn

from entreg_utils.erasing.batches import cpu_generator, number


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
