"""Hyperparameters by method, data set and model, each with where it comes from."""

from dataclasses import dataclass

from entreg_utils.erasing.methods import METHODS, Erasing
from entreg_utils.fields import known, shown

PHOTOGRAPHS = ("cub", "openimages", "flowers", "pets", "voc", "imagenet")
BACKBONES = ("preresnet18", "resnet18", "resnet50", "seresnet50", "mobilenet_v2")


@dataclass(frozen=True)
class Preset:
    """One row of the table: for these data sets and models, with its source in one sentence.

    ``status`` is ``published`` (for this very data set and model), ``carried over`` (published for
    others) or ``own choice`` (nobody published any).
    """

    erasing: Erasing
    datasets: tuple[str, ...]
    models: tuple[str, ...]
    status: str
    source: str


_CAM = Erasing("cam")
_MIX = Erasing("cutmix", beta=1.0, probability=1.0)
_LATE = ("stage3.0", "stage4.0", "last")  # layer3[0], layer4[0] and before GAP
_ADL = Erasing("adl", gamma=0.9, rate=0.75, points=_LATE)

_CUB, _R50, _SE50 = ("cub",), ("resnet50",), ("seresnet50",)
_CHOE = (
    "tuned by random search for the evaluation of Choe et al., CVPR 2020 (CUB, ResNet-50, 224 px); "
    "values of public training scripts"
)
_SHIM = "Choe & Shim, CVPR 2019, SE-ResNet-50 (keep_prob 0.25, threshold 0.9 in their code)"
_SINGH = "Singh & Lee, ICCV 2017: ImageNet at about 224 px, other networks"
DRAWN = ("toy", "shoal")
_EVERYWHERE = (*PHOTOGRAPHS, *DRAWN), (*BACKBONES, "toy")
_CARRIED = PHOTOGRAPHS, BACKBONES, "carried over"
_OURS = PHOTOGRAPHS, BACKBONES, "own choice"
_DRAWN = DRAWN, (*BACKBONES, "toy"), "own choice"
_TOY = DRAWN, ("toy",), "own choice"
_SMALL = DRAWN, BACKBONES, "own choice"

# The first row that fits is taken, so published pairs stand before what is carried over.
# fmt: off
PRESETS: tuple[Preset, ...] = tuple(Preset(*row) for row in (
    (_CAM, *_EVERYWHERE, "published", "nothing is erased (Zhou et al., CVPR 2016)"),
    (Erasing("has", sides=(120,), rate=0.66), _CUB, _R50, "published", _CHOE),
    (Erasing("cutmix", beta=1.35, probability=0.24), _CUB, _R50, "published", _CHOE),
    (Erasing("adl", gamma=0.76, rate=0.24, points=_LATE), _CUB, _R50, "published", _CHOE),
    (_ADL, _CUB, _SE50, "published", _SHIM),
    (_MIX, ("imagenet",), _R50, "published", "Yun et al., ICCV 2019, ImageNet"),
    (Erasing("has", sides=(0, 16, 32, 44, 56), rate=0.5), *_CARRIED, _SINGH),
    (_MIX, *_CARRIED, "Yun et al., ICCV 2019: ImageNet, ResNet-50"),
    (_ADL, *_CARRIED, "Choe & Shim, CVPR 2019: CUB, SE-ResNet-50"),
    (Erasing("rdap", square=0.35, rate=0.5, points=_LATE), *_OURS,
     "one setting for every network, as the paper wants; 5x5 cells of a 14x14 map"),
    (Erasing("has", sides=(0, 3, 7, 9, 12), rate=0.5), *_DRAWN,
     "the sides of Singh & Lee, ICCV 2017, times 48/224 and rounded"),
    (Erasing("cutmix", beta=1.0, probability=0.5), *_DRAWN,
     "small images, so as Yun et al., ICCV 2019, on CIFAR"),
    (Erasing("adl", gamma=0.9, rate=0.5, points=("last",)), *_TOY,
     "two stages only, so one layer, before GAP, which hides in every other pass"),
    (Erasing("rdap", square=0.35, rate=0.5, points=("last",)), *_TOY,
     "as for photographs: 4x4 cells of the 12x12 map, one layer, before GAP"),
    (_ADL, *_SMALL, "as on photographs there"),
    (Erasing("rdap", square=0.35, rate=0.5, points=_LATE), *_SMALL, "as on photographs there"),
))
# fmt: on


def preset(method: str, dataset: str, model: str) -> Erasing:
    """Hyperparameters for a method on a data set with a model: published ones where there are.

    Names as in ``METHODS``, ``data.load`` (or ``imagenet``) and ``models.build``; ValueError, which
    lists the known rows, where the table has none.
    """
    known("erasing method", method, METHODS)
    rows = [row for row in PRESETS if row.erasing.method == method]
    for row in rows if isinstance(dataset, str) and isinstance(model, str) else ():
        if dataset in row.datasets and model in row.models:
            return row.erasing
    sets_and_nets = {(row.datasets, row.models): None for row in rows}  # each once, in order
    listed = "; ".join(f"{', '.join(sets)} with {', '.join(nets)}" for sets, nets in sets_and_nets)
    raise ValueError(
        f"no preset of {method} for {shown(dataset)} with {shown(model)}: there are those for "
        f"{listed}. Give the hyperparameters yourself: {', '.join(METHODS[method])}"
    )
