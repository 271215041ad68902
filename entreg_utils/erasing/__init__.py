"""Erasing methods: parts of the image, or of its feature map, are hidden while a network trains.

HaS and CutMix change the batch (:meth:`Erasing.apply_to_batch`); ADL and RDAP are layers that
:func:`attach` puts behind a model's erasing points. All draw from a CPU generator that the caller
gives, and none reads a value back from an accelerator in a training step.
"""

from entreg_utils.erasing.has import hide_and_seek
from entreg_utils.erasing.hooks import Attached, attach
from entreg_utils.erasing.layers import ADL, RDAP
from entreg_utils.erasing.methods import METHODS, Erasing
from entreg_utils.erasing.mixing import cutmix, soft_targets
from entreg_utils.erasing.pictures import Hidden, hidden
from entreg_utils.erasing.presets import PRESETS, Preset, find_preset, preset

__all__ = [
    "ADL",
    "METHODS",
    "PRESETS",
    "RDAP",
    "Attached",
    "Erasing",
    "Hidden",
    "Preset",
    "attach",
    "cutmix",
    "find_preset",
    "hidden",
    "hide_and_seek",
    "preset",
    "soft_targets",
]
