"""Class activation maps: where in a picture a class score comes from, shown honestly.

A raw map in logit units (``class_activation_map``, ``grad_cam``), then the protocol's order:
``upsample``, ``normalize``, threshold.
"""

from entreg_utils.cam.activation import class_activation_map, grad_cam
from entreg_utils.cam.scaling import NORMALIZATIONS, is_blank, normalize, overlay, upsample

__all__ = [
    "NORMALIZATIONS",
    "class_activation_map",
    "grad_cam",
    "is_blank",
    "normalize",
    "overlay",
    "upsample",
]
