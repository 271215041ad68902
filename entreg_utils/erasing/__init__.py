"""Erasing methods: parts of the image, or of its feature map, are hidden while a network trains.

HaS, CutMix and own code change the batch (:meth:`Erasing.apply_to_batch`); ADL and RDAP are layers
that :func:`attach` puts behind a model's erasing points. All draw from a CPU generator that the
caller gives, and none of ours reads a value back from an accelerator in a training step.
"""

from entreg_utils.erasing.attention import ADL, RDAP
from entreg_utils.erasing.batches import cutmix, hide_and_seek
from entreg_utils.erasing.methods import METHODS, TITLES, Erasing, Hidden, attach, hidden
from entreg_utils.erasing.presets import PRESETS, Preset, preset
