"""The course's networks: a small one for the drawn world, and bodies of timm and torchvision.

**The removed stride.** Those for photographs reduce 224 pixels to 7 cells. Here the first block of
the last stage keeps its input's side (stride 1 in its strided convolution and in its shortcut), as
in the code of ADL (Choe & Shim, CVPR 2019) and of Choe et al. (CVPR 2020): 14 cells.
``large_map=True`` does so in the stage before as well: 28. At every second cell the convolution's
and the shortcut's outputs are exactly those of the strided ones; where 1x1 convolutions follow,
those of the whole block (but for the gate of SE-ResNet-50, a mean over all cells). From the next
3x3 kernel on features differ: it reaches to neighbours half as far away as when the weights were
learnt. Dilation (timm's ``output_stride``) would keep the reach; the two codes do without, and
fine-tuning adapts the last stage.

**Where the map lies.** A padded 3x3 kernel of stride 2 centres output i on pixel 2i of its input,
but resizing the map puts cell i at 2i + 1/2. Each such layer moves the picture of the map right and
down by half a pixel of its input: 0.5 + 1 + 2 + 4 = 7.5 pixels of the image for stride 16, 3.5 for
stride 8 (:func:`map_offset`). Nothing here corrects it, as no published number does. It vanishes in
the middle of the map at sides of 16 m + 1 pixels (225 instead of 224).
"""

import contextlib

import torch
from torch import Tensor, nn

from entreg_utils.cam.activation import evaluating
from entreg_utils.fields import plain_numbers, whole
from entreg_utils.models.base import STATISTICS, Backbone


class PreActBlock(nn.Module):
    """BN-ReLU-conv-BN-ReLU-conv plus a shortcut (He et al., ECCV 2016).

    Where it halves the side, the kernel is 4x4 instead of 3x3 (and 2x2 in the shortcut): output i
    is then centred on pixel 2i + 1/2 of the input, where resizing the map puts it back. A padded
    3x3 with stride 2 centres it on 2i, and every map comes out shifted to the right and down.
    """

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 2 + stride, stride, 1, bias=False)
        self.relu = nn.ReLU()  # a module, so that its output can be seen and erased
        self.bn2 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.shortcut = None
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Conv2d(inputs, outputs, stride, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        pre = self.relu(self.bn1(x))
        skip = x if self.shortcut is None else self.shortcut(pre)
        return skip + self.conv2(torch.relu(self.bn2(self.conv1(pre))))


class ToyNet(Backbone):
    """Stem of width w, two stages of widths 2w and 3w, then BN-ReLU, GAP and a linear head.

    The stem and the first stage halve the side: a 48x48 image gives a 12x12 map.

    Between blocks the state is a plain sum of any sign. The first block of a stage projects its
    shortcut, so its opening BN-ReLU feeds both paths and is all that flows on: that of stage 2 is
    the erasing point ``stage1`` (what stage 1 hands on), and the closing BN-ReLU, which is what
    stage 2 hands on, is ``last``.

    ``num_classes``: C; ``width``: w. ValueError for others than whole numbers.
    """

    points = {"stage1": "stages.1.0.relu", "last": "relu"}
    ends = {"stage1": "stages.1.0.relu", "stage2": "relu"}
    parts = ("stem", "stages.0"), ("stages.1", "norm")

    @plain_numbers
    def __init__(self, num_classes: int, width: int = 16):
        super().__init__()
        width = whole("width", width, 1, 10**4)
        self.stem = nn.Conv2d(3, width, 4, 2, 1, bias=False)
        self.stages = nn.ModuleList(
            nn.Sequential(PreActBlock(inputs, outputs, stride))
            for inputs, outputs, stride in ((width, 2 * width, 2), (2 * width, 3 * width, 1))
        )
        self.norm = nn.BatchNorm2d(3 * width)
        self.relu = nn.ReLU()
        self.add_head(3 * width, num_classes)
        self.add_statistics((0.5,) * 3, (0.25,) * 3)
        self.stride = self.smallest = 4

    def forward_features(self, images: Tensor) -> Tensor:
        """Feature map (N, 3w, H/4, W/4), non-negative, of images float32 (N, 3, H, W) in 0..1."""
        self.check_images(images)
        x = self.stem((images - 0.5) / 0.25)
        for stage in self.stages:
            x = stage(x)
        return self.relu(self.norm(x))


class PhotoNet(Backbone):
    """A body for photographs, its normalisation, GAP and a linear head.

    ``large_map`` removes two strides instead of one: 28x28 instead of 14x14 at 224 pixels, four
    times the memory and time in the last two stages. ``statistics``, of the images that the weights
    know, are ``imagenet`` or ``half`` (mean and deviation 0.5: x / 127.5 - 1 of 0..255); None:
    those of the published weights.
    """

    architecture: str
    channels: int
    strided: tuple[str, str]  # names of the first blocks of the last two stages
    published = "imagenet"  # statistics of the images that the published weights know
    features = "forward_features"  # what of the body gives its map

    @plain_numbers
    def __init__(self, num_classes: int, large_map: bool = False, statistics: str | None = None):
        super().__init__()
        self.body = self.make_body()
        self.add_head(self.channels, num_classes)
        self.add_statistics(*STATISTICS[statistics or self.published])
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
        return getattr(self.body, self.features)(self.normalized(images))


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
    published = "half"
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

    channels, classifier, features = 1280, "classifier.1", "features"
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


def remove_stride(block: nn.Module) -> None:
    """Make every convolution of a block keep its input's side, in place; ValueError without one."""
    strided = [m for m in block.modules() if isinstance(m, nn.Conv2d) and max(m.stride) > 1]
    if not strided:
        raise ValueError(f"{type(block).__name__} has no strided convolution to change")
    for convolution in strided:
        convolution.stride = (1, 1)


@plain_numbers
def map_offset(module: Backbone, size: int = 224) -> tuple[float, float]:
    """How far a resized map lies beside what its cells saw, in pixels: (right, down).

    A layer with kernel k, stride s and padding p centres its output i on cell s i + (k - 1)/2 - p
    of its input; followed through one pass, this places the cells of the map on the image. Resizing
    a map of w cells puts cell i at (i + 1/2) size / w - 1/2 (pixel areas aligned, as OpenCV does).
    The offset is this place less that of the cell, in the middle of the map: 7.5 at stride 16, 3.5
    at 8, 0 for the toy network. TypeError for other networks than the course's own, ValueError for
    no size that they take.
    """
    size = whole("size", size, 1, 4096)
    if not isinstance(module, (ToyNet, PhotoNet)):  # other layers may do anything to a map
        kind = type(module).__name__
        raise TypeError(f"cells can be placed in the course's own networks only, not in {kind}")
    grids = {size: (0.0, 1)}  # side of a map: centre of its first cell, and its step, in pixels

    def follow(layer, inputs, output):
        before, after = inputs[0].shape[-1], output.shape[-1]
        if after != before:
            start, step = grids[before]
            sizes = layer.kernel_size, layer.stride, layer.padding
            k, s, p = (one if isinstance(one, int) else one[0] for one in sizes)
            grids[after] = start + step * ((k - 1) / 2 - p), step * s

    with contextlib.ExitStack() as stack, torch.no_grad(), evaluating(module):
        for layer in module.modules():
            if isinstance(layer, (nn.Conv2d, nn.MaxPool2d)):
                stack.enter_context(layer.register_forward_hook(follow))
        images = torch.zeros(1, 3, size, size).to(next(module.parameters()))
        width = module.forward_features(images).shape[-1]
    start, step = grids[width]
    offset = (size - 1) / 2 - (start + step * (width - 1) / 2)
    return offset, offset  # kernels and images are square


MODELS: dict[str, type[Backbone]] = {
    "toy": ToyNet,
    "preresnet18": PreResNet18,
    "resnet18": ResNet18,
    "resnet50": ResNet50,
    "seresnet50": SEResNet50,
    "mobilenet_v2": MobileNetV2,
}
