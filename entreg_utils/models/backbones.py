"""The photographs' backbones: bodies of timm and torchvision with a map finer than they come with.

**The removed stride.** The networks reduce 224 pixels to 7 cells. Here the first block of the last
stage keeps its input's side (stride 1 in its strided convolution and in its shortcut), as in the
code of ADL (Choe & Shim, CVPR 2019) and of Choe et al. (CVPR 2020): 14 cells. ``large_map=True``
does so in the stage before as well: 28. At every second cell the convolution's and the shortcut's
outputs are exactly those of the strided ones; where 1x1 convolutions follow, those of the whole
block (but for the gate of SE-ResNet-50, a mean over all cells). From the next 3x3 kernel on
features differ: it reaches to neighbours half as far away as when the weights were learnt.
Dilation would keep the reach; the two codes do without, and fine-tuning adapts the last stage.

**Where the map lies.** A padded 3x3 kernel of stride 2 centres output i on pixel 2i of its input,
but resizing the map puts cell i at 2i + 1/2. Each such layer moves the picture of the map right and
down by half a pixel of its input: 0.5 + 1 + 2 + 4 = 7.5 pixels of the image for stride 16, 3.5 for
stride 8 (:func:`entreg_utils.models.map_offset`). Nothing here corrects it, as no published number
does. It vanishes in the middle of the map at sides of 16 m + 1 pixels (225 instead of 224).
"""

from torch import Tensor, nn

from entreg_utils.fields import plain_numbers
from entreg_utils.models.base import STATISTICS, Backbone


class PhotoNet(Backbone):
    """A body for photographs, its normalisation, GAP and a linear head.

    ``large_map`` removes two strides instead of one: 28x28 instead of 14x14 at 224 pixels, four
    times the memory and time in the last two stages. ``statistics``, of the images that the weights
    know, are ``imagenet`` or ``half`` (mean and deviation 0.5: x / 127.5 - 1 of 0..255).
    """

    architecture: str
    channels: int
    strided: tuple[str, str]  # names of the first blocks of the last two stages

    @plain_numbers
    def __init__(self, num_classes: int, large_map: bool = False, statistics: str = "imagenet"):
        super().__init__()
        self.body = self.make_body()
        self.add_head(self.channels, num_classes)
        self.add_statistics(*STATISTICS[statistics])
        for block in self.strided[-2 if large_map else -1 :]:
            remove_stride(self.get_submodule(block))
        self.stride = self.smallest = 8 if large_map else 16

    def make_body(self) -> nn.Module:
        """The published network, of timm if a subclass says no other, without its classifier."""
        import timm  # late: it takes a second or two, and the drawn world does without

        return timm.create_model(self.architecture, num_classes=0)

    def forward_features(self, images: Tensor) -> Tensor:
        """Feature map (N, K, h, w), non-negative: h = H / 16 rounded up, or H / 8 (large map).

        TypeError for images that are no floats in 0..1, ValueError for another shape than
        (N, 3, H, W) or sides of less than one cell.
        """
        return self.features(self.normalized(images))

    def features(self, normalized: Tensor) -> Tensor:
        """The body's map."""
        return self.body.forward_features(normalized)


class ResNet(PhotoNet):
    """ResNet-18, ResNet-50 (He et al., CVPR 2016) and SE-ResNet-50 (Hu et al., CVPR 2018) of timm.

    A block ends in ReLU(branch + shortcut), so its output is non-negative and all that flows on:
    ADL's own positions are ``stage3.0`` and ``stage4.0``, the first blocks of these stages, and
    ``last``, the map before GAP.
    """

    classifier = "fc"
    strided = "body.layer3.0", "body.layer4.0"
    points = {"stage3.0": "body.layer3.0", "stage4.0": "body.layer4.0", "last": "body.layer4"}
    ends = {f"stage{k}": f"body.layer{k}" for k in range(1, 5)}
    parts = ("body.conv1", "body.bn1", "body.layer1"), *((f"body.layer{k}",) for k in (2, 3, 4))


class ResNet18(ResNet):
    """Basic blocks, K = 512."""

    architecture, channels = "resnet18", 512


class ResNet50(ResNet):
    """Bottlenecks with the stride in the 3x3 convolution, K = 2048."""

    architecture, channels = "resnet50", 2048


class SEResNet50(ResNet):
    """A gate per channel in every block; reduction 16, as the paper's (ADL's code has 4)."""

    architecture, channels = "seresnet50", 2048


class PreResNet18(PhotoNet):
    """PreResNet-18 (He et al., ECCV 2016), timm's ``resnetv2_18``, K = 512.

    Between pre-activation blocks the state is a plain sum of any sign. Within a block BN-ReLU comes
    first, and where the width changes its output feeds the branch *and* the projection of the
    shortcut, so it is non-negative and all that flows on: ``stage3.0`` and ``stage4.0`` are that of
    the first blocks (the map that stage 2 or 3 hands on), ``last`` is the closing one. Elsewhere an
    identity shortcut would bring back what is hidden behind the BN-ReLU.
    """

    architecture, channels, classifier = "resnetv2_18", 512, "head.fc"
    strided = "body.stages.2.blocks.0", "body.stages.3.blocks.0"
    points = {"stage3.0": f"{strided[0]}.norm1", "stage4.0": f"{strided[1]}.norm1"}
    points |= {"last": "body.norm"}
    ends = {f"stage{k}": f"body.stages.{k}.blocks.0.norm1" for k in range(1, 4)}
    ends |= {"stage4": "body.norm"}
    parts = ("body.stem", "body.stages.0"), ("body.stages.1",), ("body.stages.2",)
    parts += (("body.stages.3", "body.norm"),)


class MobileNetV2(PhotoNet):
    """MobileNetV2 (Sandler et al., CVPR 2018) of torchvision, K = 1280.

    Stages by their side at 224 pixels: 56 (``features`` 0-3), 28 (4-6), 14 (7-13) and 7 (14-18),
    the last made 14. Blocks end linearly, in values of any sign; inside, the expansion and the
    depthwise convolution end in ReLU6, and where side or width change nothing passes these by. So
    ``stage3.0`` and ``stage4.0`` are the depthwise Conv-BN-ReLU6 of the first blocks, ``last`` the
    closing one; what a stage hands on is the expansion at the opening of the next.
    """

    channels, classifier = 1280, "classifier.1"
    strided = "body.features.7", "body.features.14"
    points = {"stage3.0": f"{strided[0]}.conv.1", "stage4.0": f"{strided[1]}.conv.1"}
    points |= {"last": "body.features.18"}
    ends = {f"stage{k}": f"body.features.{at}.conv.0" for k, at in ((1, 4), (2, 7), (3, 14))}
    ends |= {"stage4": "body.features.18"}
    parts = tuple(
        tuple(f"body.features.{k}" for k in range(*ends))
        for ends in ((0, 4), (4, 7), (7, 14), (14, 19))
    )

    def make_body(self) -> nn.Module:
        from torchvision.models import mobilenet_v2  # late, as timm

        body = mobilenet_v2(weights=None)
        body.classifier = nn.Identity()
        return body

    def features(self, normalized: Tensor) -> Tensor:
        return self.body.features(normalized)


def remove_stride(block: nn.Module) -> None:
    """Make every convolution of a block keep its input's side, in place; ValueError without one."""
    strided = [m for m in block.modules() if isinstance(m, nn.Conv2d) and max(m.stride) > 1]
    if not strided:
        raise ValueError(f"{type(block).__name__} has no strided convolution to change")
    for convolution in strided:
        convolution.stride = (1, 1)
