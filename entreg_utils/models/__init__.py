"""Backbones that give logits and feature map in one pass: GAP and a linear head on a body.

``model(images) == model.head(model.forward_features(images).mean((2, 3)))``, so a CAM costs no
second pass; adapted networks with another head say ``linear_head = False`` and have Grad-CAMs.
Images are floats in 0..1; a model normalises them by itself.
"""

from entreg_utils.models.adapt import Adapted, adapt
from entreg_utils.models.backbones import MODELS, PhotoNet, ToyNet, map_offset, remove_stride
from entreg_utils.models.base import STATISTICS, Backbone
from entreg_utils.models.factory import Network, build
from entreg_utils.models.tuning import freeze_batchnorm, freeze_stages, parameter_groups
from entreg_utils.models.weights import PUBLISHED
