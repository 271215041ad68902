"""Any network as a backbone: its last map, its head and its images' statistics, found by a run."""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from entreg_utils.cam.activation import evaluating
from entreg_utils.models.base import STATISTICS, Backbone, outputs_of
from entreg_utils.models.places import find_places, published


def adapt(
    module: nn.Module,
    layer: nn.Module | str | None = None,
    head: nn.Module | str | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> Backbone:
    """Any network (N, 3, H, W) -> logits (N, C) with the contract of :class:`Backbone`.

    The network is run on random images of 224 pixels, or another side where that fails, and left as
    it was. ``linear_head`` says whether the head reads the mean of the map, as CAM needs it; any
    other head gives Grad-CAMs.

    Args:
        module: the network; a backbone is given back as it is.
        layer: module, or its name, whose output is the map; None takes the last one before the
            head that gives a map or tokens and has a gradient (behind the first norm of the last
            block of a transformer the class token alone has one).
        head: the last linear layer or 1x1 convolution, or its name; None finds it.
        mean, std: of the images in 0..1. None: a network with ``mean`` and ``std`` in it (as
            torchvision's ``Normalize``) does it itself, else timm's ``pretrained_cfg`` or ImageNet.

    Raises:
        TypeError: not a module, or it gives no logits.
        ValueError: it runs at no side, or no layer gives a map from which a gradient can be taken.
    """
    if isinstance(module, Backbone):
        if (layer, head, mean, std) != (None,) * 4:
            raise ValueError(f"{type(module).__name__} is a backbone already: give it alone")
        return module
    if not isinstance(module, nn.Module):
        raise TypeError(f"{type(module).__name__} is no network: give a torch.nn.Module")
    names = _name_of(module, layer, "layer"), _name_of(module, head, "head")
    half = any(one.is_floating_point() and one.element_size() < 4 for one in module.parameters())
    with torch.inference_mode(False), torch.enable_grad():
        shown = copy.deepcopy(module).float() if half else module  # half is too coarse to agree
        with evaluating(shown):
            model = Adapted(shown, *_statistics(module, mean, std))
            find_places(model, *names)
    model.network = module
    return model


class Adapted(Backbone):
    """A network as it is, with the contract of a backbone; made by :func:`adapt`.

    ``network`` is what was adapted; ``layer`` and ``classifier`` name the layer of the map and
    (None: unknown) the head in it. ``erasing_points`` has ``last``, the layer of the map, where
    that was not negative when it was looked at.
    """

    prefix = "network."
    num_classes = 0

    def __init__(self, network: nn.Module, mean, std, normalizes_itself: bool):
        super().__init__()
        self.network = network
        self.add_statistics(mean, std, next((p.device for p in network.parameters()), None))
        self.normalizes_itself = normalizes_itself

    @property
    def head(self) -> nn.Module | None:
        """The last linear layer; of a 1x1 convolution a linear layer that reads its weights."""
        module = None if self.classifier is None else self.network.get_submodule(self.classifier)
        if not isinstance(module, nn.Conv2d):
            return module
        linear = nn.Linear(module.in_channels, module.out_channels, device="meta")
        del linear.weight, linear.bias
        linear.weight, linear.bias = module.weight.flatten(1), module.bias
        return linear

    def normalized(self, images: Tensor) -> Tensor:
        """As of a :class:`Backbone`; the images themselves where the network does it."""
        normalized = super().normalized(images)
        return images if self.normalizes_itself else normalized

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, C), as the network gives them."""
        return self.network(self.normalized(images))

    def forward_features(self, images: Tensor) -> Tensor:
        """Feature map (N, K, h, w) of images float (N, 3, H, W) in 0..1, of any sign."""
        output = outputs_of(self.stage_outputs(), lambda: self(images))["last"]
        return self.layout.to_map(output, *images.shape[2:])

    def map_and_logits(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The map (N, K, h, w) as a leaf of the graph, and logits that depend on it.

        What comes before the layer is run without gradients.
        """
        maps = []

        def replace(module, inputs, output):
            torch.set_grad_enabled(True)  # from here to the end of the pass
            leaf = self.layout.to_map(output.detach(), *images.shape[2:]).clone().requires_grad_()
            maps.append(leaf)
            return self.layout.put_back(leaf, output)

        layer = self.network.get_submodule(self.layer)
        # no_grad sets the mode back at its end
        with layer.register_forward_hook(replace), torch.no_grad():
            logits = self(images)
        return maps[-1], logits

    def stage_features(self, images: Tensor) -> dict[str, Tensor]:
        return {"last": self.forward_features(images)}


def _statistics(module: nn.Module, *given) -> tuple[list[float], list[float], bool]:
    """Mean, deviation, and whether the network normalises its images itself."""
    if any(one is not None for one in given):
        mean, std = map(_three, given)
        if mean is None or std is None:
            raise ValueError("mean and std are three numbers each: give both, or none")
        return mean, std, False
    for part in module.modules():
        own = [_three(getattr(part, name, None)) for name in ("mean", "std")]
        if None not in own:
            return *own, True
    known = dict(zip(("mean", "std"), STATISTICS["imagenet"], strict=True)) | published(module)
    return _three(known["mean"]), _three(known["std"]), False


def _three(value) -> list[float] | None:
    """Three numbers of any kind as floats, None for what is none."""
    try:
        numbers = torch.as_tensor(value, dtype=torch.float32).flatten().tolist()
    except (TypeError, ValueError, RuntimeError):
        return None
    return numbers if len(numbers) == 3 else None


def _name_of(module: nn.Module, given: nn.Module | str | None, what: str) -> str | None:
    for name, part in module.named_modules():
        if name and (given is part or given == name):
            return name
    if given is not None:
        raise ValueError(f"{what}={given!r} is no part of {type(module).__name__}")
