"""How the papers' codes train, as settings of ``Config``: each with its source.

preset = presets.wsol_evaluation("cub", "resnet50")
config = preset.config(regularizer="kl_uniform", strength=0.1, seed=1)
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from entreg_utils import names
from entreg_utils.data import DRAWN, SEVERAL_CLASSES
from entreg_utils.experiments.config import Config
from entreg_utils.files import StorageError

# Shared by all: SGD with Nesterov momentum; last stage and head learn ten times faster.
_COMMON = {"pretrained": True, "batch_size": 32, "momentum": 0.9, "weight_decay": 1e-4}
_COMMON |= {"head_factor": 10.0, "resize": 256, "crop": 224, "flip": True}
_OF_WEIGHTS = ("pretrained", "statistics", "freeze_bn")
_SETTINGS = {
    # Public code of ADL, which entropy regularisation likely used. Its rate is 0.1 for the last
    # stage and the head, and a tenth of it before (there: gradients times 0.1); an "epoch" is
    # 32,000 images; the middle is evaluated. Its squeeze-and-excitation has reduction 4, ours 16.
    # It chooses the checkpoint on test; ours on validation, the last one's scores beside.
    "adl_code": {"learning_rate": 0.01, "epochs": 105, "epoch_images": 32_000, "schedule": "step"}
    | {"decay_epochs": (30, 60, 90, 100), "eval_view": "centre_crop"},
    # Public evaluation code; the whole image is evaluated. Learning rates of a random search exist
    # for ResNet-50 on CUB and OpenImages, in scripts of others; the other pairs take the nearer.
    "wsol_evaluation": {"learning_rate": 1.07e-3, "epochs": 10, "schedule": "step"}
    | {"decay_epochs": (3, 6, 9)},
    # For today's GPUs: bf16 halves memory and needs no loss scaling. ``compile=True`` may be added;
    # it pays off over many epochs.
    "modern": {"batch_size": 64, "learning_rate": 2e-3, "epochs": 20, "schedule": "one_cycle"}
    | {"precision": "bf16", "grad_clip": 5.0},
    # Fine-tuning that a laptop's processor can repeat dozens of times; on CUB about 3 minutes a run
    # on one core. Maps of 10x10. The weights' batch-norm is folded into the convolutions: so frozen
    # statistics, and pixels as x / 127.5 - 1.
    "two_cores": {"pretrained": False, "statistics": "half", "freeze_bn": True, "resize": 182}
    | {"crop": 160, "eval_size": 160, "learning_rate": 1e-3, "epochs": 10, "schedule": "one_cycle"},
    # Some hundred to some thousand photographs of one's own, on a CPU or a GPU. It trains on crops
    # of 160 pixels and is shown 224: half the time, and better maps (14x14) than those of 160.
    "photographs": {"head_factor": 1.0, "resize": 182, "crop": 160, "learning_rate": 2.5e-2}
    | {"epochs": 10, "schedule": "one_cycle"},
}
# On CUB instead.
_CUB = {
    "wsol_evaluation": {"learning_rate": 2.32e-4, "epochs": 50, "lists": "evaluation"}
    | {"decay_epochs": (15, 30, 45)},
    "two_cores": {"classes": 30},
}
DEFAULT = "photographs"  # of photographs that name none
# The network of each where none is named.
_MODELS = {"adl_code": "seresnet50", "wsol_evaluation": "resnet50", "modern": "resnet50"}
_MODELS |= {"two_cores": "mobilenet_v2", "photographs": "timm:tf_efficientnet_lite0"}
# The pairs of data set and network that others have published.
_PUBLISHED = {
    "adl_code": [("cub", "seresnet50")],
    "wsol_evaluation": [("cub", "resnet50"), ("openimages", "resnet50")],
}
_SOURCES = {
    "adl_code": "public TensorPack code of Choe & Shim, CVPR 2019",
    "wsol_evaluation": "public evaluation code of Choe et al., CVPR 2020; learning rate of a random"
    " search for {search} with ResNet-50, by training scripts of others",
    "modern": "nobody's: ours, for today's GPUs; tune the learning rate",
    "two_cores": "nobody's: ours, so that a CPU can repeat it over seeds",
    "photographs": "nobody's: ours, for some hundred photographs and more",
}


class Preset(NamedTuple):
    """How one trains a network on a data set.

    ``status`` is ``published`` (for this very pair), ``carried over`` (published for others, or
    completed by us) or ``own choice``; ``source`` says where the values come from.
    """

    settings: dict
    status: str
    source: str

    def config(self, **changes) -> Config:
        """The config of this preset, with ``changes`` on top."""
        return Config(**(self.settings | changes))


def preset(name: str, dataset, model=None) -> Preset:
    """The preset ``name`` for a data set of photographs and a network, both as ``Config`` has them.

    ``model`` None: the network that the preset is meant for. Own code and the toy network bring
    weights of their own or none: nothing is fetched or read for them.

    Raises:
        ValueError: a drawn world, whose recipe is the default of ``Config``.
    """
    if dataset in DRAWN:
        raise ValueError(
            f"no preset for the data set {dataset!r}: {name} trains photographs, give dataset=NAME "
            "(--dataset NAME)"
        )
    model = _MODELS[name] if model is None else model
    settings = {"dataset": dataset, "model": model} | _COMMON | _SETTINGS[name]
    settings |= _CUB.get(name, {}) if dataset == "cub" else {}
    several = dataset in SEVERAL_CLASSES
    if several:
        settings["multilabel"] = "softmax"
    if name == "adl_code" and not several:
        settings["head_outputs"] = 1000
    if model == "toy" or names.is_own(model):
        settings = {key: own for key, own in settings.items() if key not in _OF_WEIGHTS}
    elif name == "two_cores":
        settings["weights"] = f"{model.removeprefix('timm:')}_imagenet.npz"
    source = _SOURCES[name].format(search="CUB" if dataset == "cub" else "OpenImages30k")
    if name not in _PUBLISHED:
        return Preset(settings, "own choice", source)
    if (dataset, model) in _PUBLISHED[name]:
        return Preset(settings, "published", source)
    source += "; stated there for CUB with SE-ResNet-50" * (name == "adl_code")
    return Preset(settings, "carried over", source)


def named(config: Config) -> str:
    """The nearest preset, with status, source and up to three other settings; empty for none."""
    if config.data.is_drawn:
        return ""
    found = {}
    for name, of in PRESETS.items():
        one = of(config.dataset, config.model)
        own = {key: getattr(config, key) for key in one.settings}
        changed = [f"{key} {value}" for key, value in own.items() if value != one.settings[key]]
        found[f"{name} ({one.status}; {one.source})"] = changed
    nearest, but = min(found.items(), key=lambda pair: len(pair[1]))
    return "" if len(but) > 3 else nearest + f", but {', '.join(but)}" * bool(but)


def filled(configs: Sequence[Config]) -> list[Config]:
    """The configs, whose epochs of less than three batches become three batches.

    A small folder is passed over as often as that takes; a warning says so. Where photographs are
    not there a config stays as it is.
    """
    counts, result = {}, []
    for config in configs:
        data, least = config.data, 3 * config.batch_size
        if data not in counts and not data.is_drawn:
            with contextlib.suppress(StorageError):
                counts[data] = len(data.load("train"))
        if counts.get(data, least) < least and not config.epoch_images:
            warnings.warn(
                f"{names.label(data.dataset)} has {counts[data]} photographs to train on: an epoch "
                f"passes over them until it has drawn {least} (--epoch-images)",
                stacklevel=2,
            )
            config = replace(config, epoch_images=least)
        result.append(config)
    return result


PRESETS = {name: partial(preset, name) for name in _SETTINGS}  # each (dataset, model) -> Preset
adl_code, wsol_evaluation, modern, two_cores, photographs = PRESETS.values()
