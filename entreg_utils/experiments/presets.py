"""How the papers' codes train, as settings of ``Config``: each with its source.

preset = presets.wsol_evaluation("cub", "resnet50")
config = preset.config(regularizer="kl_uniform", strength=0.1, seed=1)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from entreg_utils.data import PHOTOGRAPHS, SEVERAL_CLASSES
from entreg_utils.experiments.config import Config

BACKBONES = ("preresnet18", "resnet18", "resnet50", "seresnet50", "mobilenet_v2")


@dataclass(frozen=True)
class Preset:
    """How one trains a network on a data set.

    Attributes:
        settings: of ``Config``, ``dataset`` and ``model`` among them.
        status: ``published`` (for this very data set and network), ``carried over`` (published for
            others, or completed by us) or ``own choice``.
        source: where the values come from, and what of them is ours.
    """

    settings: dict
    status: str
    source: str

    def config(self, **changes) -> Config:
        """The config of this preset, with ``changes`` on top."""
        return Config(**(self.settings | changes))


def adl_code(dataset: str, model: str) -> Preset:
    """The public code of ADL (Choe & Shim, CVPR 2019), which entropy regularisation likely used.

    SGD with Nesterov momentum 0.9, weight decay 1e-4, batch 32; 105 "epochs" of 32,000 images, the
    rate times 0.1 after 30, 60, 90 and 100. The rate is 0.1 for the last stage and the head, and a
    tenth of it before (there written as gradients times 0.1). Images are resized to 256 and cropped
    to 224, at random in training, in the middle in evaluation. The ResNets' head has 1,000 outputs
    on every data set.

    Its squeeze-and-excitation has reduction 4, ours 16. It chooses the checkpoint on test; ours
    chooses on validation, and the scores of the last checkpoint stand beside.

    Raises:
        ValueError: no such data set or network.
    """
    _check(dataset, model)
    several = dataset in SEVERAL_CLASSES
    fields = _common(dataset, model) | {
        "learning_rate": 0.01,
        "head_factor": 10.0,
        "epochs": 105,
        "epoch_images": 32_000,
        "schedule": "step",
        "decay_epochs": (30, 60, 90, 100),
        "eval_view": "centre_crop",
        "head_outputs": 0 if several else 1000,
    }
    published = dataset == "cub" and model == "seresnet50"
    return Preset(
        fields,
        "published" if published else "carried over",
        "public TensorPack code of Choe & Shim, CVPR 2019"
        + ("" if published else "; stated there for CUB with SE-ResNet-50"),
    )


def wsol_evaluation(dataset: str, model: str) -> Preset:
    """The public evaluation code of Choe et al., CVPR 2020.

    SGD with Nesterov momentum 0.9, weight decay 1e-4, batch 32; 50 epochs on CUB with the rate
    times 0.1 after every 15, 10 epochs elsewhere with the same after every 3; last stage and head
    learn ten times faster. Training: resize to 256, random crop of 224, flip; evaluation: the whole
    image at 224. The lists of that code part CUB.

    Learning rates of a random search exist for ResNet-50 on CUB and OpenImages, in scripts of
    others; for the rest of the pairs the nearer one is taken.

    Raises:
        ValueError: no such data set or network.
    """
    _check(dataset, model)
    fine_grained = dataset == "cub"
    fields = _common(dataset, model) | {
        "learning_rate": 2.32e-4 if fine_grained else 1.07e-3,
        "head_factor": 10.0,
        "epochs": 50 if fine_grained else 10,
        "schedule": "step",
        "decay_epochs": (15, 30, 45) if fine_grained else (3, 6, 9),
    }
    if fine_grained:
        fields["lists"] = "evaluation"
    published = dataset in ("cub", "openimages") and model == "resnet50"
    return Preset(
        fields,
        "published" if published else "carried over",
        "public evaluation code of Choe et al., CVPR 2020; learning rate of a random search for "
        f"{'CUB' if fine_grained else 'OpenImages30k'} with ResNet-50, by training scripts of "
        "others",
    )


def modern(dataset: str, model: str) -> Preset:
    """One cycle, larger batches, bf16: for today's GPUs. Nobody published it.

    bf16 halves memory and needs no loss scaling. Crops and flips are made on the device from the
    decoded cache, and the network is laid out channels-last; that holds for every preset here.
    ``compile=True`` may be added; it pays off over many epochs.

    Raises:
        ValueError: no such data set or network.
    """
    _check(dataset, model)
    fields = _common(dataset, model) | {
        "batch_size": 64,
        "learning_rate": 2e-3,
        "head_factor": 10.0,
        "epochs": 20,
        "schedule": "one_cycle",
        "precision": "bf16",
        "grad_clip": 5.0,
    }
    return Preset(fields, "own choice", "nobody's: ours, for today's GPUs; tune the learning rate")


def two_cores(dataset: str, model: str) -> Preset:
    """Fine-tuning that a laptop's processor can repeat dozens of times. Nobody published it.

    160 pixels (a map of 10x10; of CUB the first 30 classes), one cycle of 10 epochs, from a file
    of ImageNet weights in ``data/weights`` whose batch-norm is folded into the convolutions: so
    frozen statistics, and pixels as x / 127.5 - 1. Training sees random crops of 160 from 182,
    evaluation the whole image at 160. On CUB about 3 minutes a run on one core.

    Raises:
        ValueError: no such data set or network.
    """
    _check(dataset, model)
    fields = _common(dataset, model) | {
        "pretrained": False,
        "weights": f"{model}_imagenet.npz",
        "statistics": "half",
        "freeze_bn": True,
        "classes": 30 if dataset == "cub" else 0,
        "resize": 182,
        "crop": 160,
        "eval_size": 160,
        "learning_rate": 1e-3,
        "head_factor": 10.0,
        "epochs": 10,
        "schedule": "one_cycle",
    }
    return Preset(fields, "own choice", "nobody's: ours, so that a CPU can repeat it over seeds")


PRESETS: dict[str, Callable[[str, str], Preset]] = {
    "adl_code": adl_code,
    "wsol_evaluation": wsol_evaluation,
    "modern": modern,
    "two_cores": two_cores,
}


def _common(dataset: str, model: str) -> dict:
    fields = {
        "dataset": dataset,
        "model": model,
        "pretrained": True,
        "batch_size": 32,
        "momentum": 0.9,
        "weight_decay": 1e-4,
        "resize": 256,
        "crop": 224,
        "flip": True,
    }
    return fields | ({"multilabel": "softmax"} if dataset in SEVERAL_CLASSES else {})


def _check(dataset: str, model: str) -> None:
    for what, name, known in (("data set", dataset, PHOTOGRAPHS), ("model", model, BACKBONES)):
        if name not in known:
            raise ValueError(f"no preset for the {what} {name!r}: known are {', '.join(known)}")
