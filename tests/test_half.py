"""Every function that takes maps, logits or a model says the same of them in any number type.

Values that half precision holds exactly must give the very result of float32; what a network of
half precision makes must lie within its rounding.
"""

import copy
import functools
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from torch import nn

from entreg_utils import cam, losses, metrics, models
from entreg_utils.cam.scaling import rescale_boxes
from entreg_utils.erasing import ADL, RDAP, Erasing, cutmix, hidden, hide_and_seek
from entreg_utils.figures import overlays
from entreg_utils.metrics import torch as metrics_torch
from entreg_utils.training import Recipe, evaluate, fit, predict, regularised_loss
from entreg_utils.training.evaluate import mean_average_precision, multilabel_entropy

HALVES = torch.float16, torch.bfloat16


def seeded():
    return torch.Generator().manual_seed(0)


def other_way(values):
    """An array whose strides are negative."""
    return np.ascontiguousarray(values.numpy()[..., ::-1])[..., ::-1]


def made_in_inference(values):
    with torch.inference_mode():
        return values.clone()


FORMS = {
    "float16": lambda values: values.half(),
    "bfloat16": lambda values: values.bfloat16(),
    "float64": lambda values: values.double(),
    "int64": lambda values: values.long(),
    "array float16": lambda values: values.numpy().astype(np.float16),
    "array int16": lambda values: values.numpy().astype(np.int16),
    "array big-endian": lambda values: values.numpy().astype(">f4"),
    "array negative strides": other_way,
    "requires grad": lambda values: values.bfloat16().requires_grad_(),
    "not contiguous": lambda values: values.mT.contiguous().mT,
    "of inference mode": lambda values: made_in_inference(values.bfloat16()),
    "negated view": lambda values: torch.complex(values, -values).conj().imag,
}

# Whole numbers, which all of these forms hold.
MAPS = torch.randint(-60, 61, (4, 7, 7), generator=seeded()).float()
LOGITS = torch.randint(-9, 10, (4, 6), generator=seeded()).float()
LABELS, HOT = [0, 3, 5, 2], np.eye(6)[[0, 3, 5, 2]]
BOXES = torch.tensor([[2.0, 2, 20, 20], [0, 0, 9, 9], [4, 8, 30, 31], [1, 1, 31, 31]])
MASKS = (torch.rand(4, 28, 28, generator=seeded()) < 0.4).float()
SIZE = {"size": 32}


def overlaid(maps):
    unit = maps[0] / 128 + 0.5
    return cam.overlay(np.ones((3, 7, 7), np.uint8), unit)


def drawn(maps):
    """The numbers that a figure says of a map."""
    figure, sentence = overlays.triptych(np.ones((3, 7, 7)), maps[0])
    plt.close(figure)
    return [float(number) for number in re.findall(r"-?[\d.]*\d", sentence)]


def by_torchmetrics(maps):
    metric = metrics_torch.MaxBoxAccV2(**SIZE)
    metric.update(maps, BOXES)
    return metric.compute()


OF_MAPS = {
    **{rule: functools.partial(cam.normalize, method=rule) for rule in cam.NORMALIZATIONS},
    "upsample": lambda maps: cam.upsample(maps, 14),
    "is_blank": lambda maps: [cam.is_blank(one) for one in maps],
    "overlay": overlaid,
    "triptych": drawn,
    "score_map": lambda maps: metrics.score_map(maps[0]).scores,
    "box_accuracy": lambda maps: metrics.box_accuracy(maps, BOXES, **SIZE).counts,
    "iou_curves": lambda maps: metrics.iou_curves(maps, BOXES, "all", **SIZE),
    "by size": lambda maps: metrics.box_accuracy_by_size(maps, BOXES, **SIZE).overall.counts,
    "localisation": lambda maps: metrics.localisation(maps, BOXES, LOGITS, LABELS, **SIZE).located,
    "explain": lambda maps: metrics.explain(maps[0], BOXES[0], **SIZE).ious,
    "boxes_at": lambda maps: metrics.boxes_at(maps[0], 0.3),
    "pxap": lambda maps: metrics.pixel_average_precision(maps, MASKS, **SIZE),
    "mpxap": lambda maps: metrics.mean_pixel_average_precision(maps, MASKS, LABELS, **SIZE),
    "evidence": lambda maps: metrics.evidence_shares(maps, MASKS, MASKS, 1 - MASKS).part_mass,
    "energy": lambda maps: metrics.energy_shares(abs(maps), MASKS),
    "torchmetrics": by_torchmetrics,
}
OF_LOGITS = {
    "accuracy": lambda logits: metrics.accuracy(logits, LABELS),
    "correct_classes": lambda logits: metrics.correct_classes(logits, LABELS, 2),
    "mean_entropy": metrics.mean_entropy,
    "bootstrap": metrics.bootstrap_interval,
    "paired_bootstrap": lambda logits: metrics.paired_bootstrap(logits, logits + 1),
    "seed_interval": lambda logits: metrics.seed_interval(logits[:, 0]),
    "size_groups": lambda logits: metrics.size_groups(logits[:, 0] / 32 + 0.5) == "small",
    "mean_ap": lambda logits: mean_average_precision(logits, HOT, "sigmoid"),
    "several": lambda logits: multilabel_entropy(logits, "sigmoid"),
}
OF_BOXES = {
    "box_iou": lambda boxes: metrics.box_iou(boxes, BOXES),
    "box_shares": lambda boxes: metrics.box_shares(boxes, 32),
    "rescale_boxes": lambda boxes: rescale_boxes(boxes, (32, 32), 14),
    "true boxes": lambda boxes: metrics.box_accuracy(MAPS, boxes, **SIZE).counts,
    "centre_box": lambda boxes: metrics.centre_box_baseline(boxes, 32).counts,
}
OF_MASKS = {
    "masks": lambda masks: metrics.pixel_average_precision(MAPS, masks, **SIZE),
    "constant_map": lambda masks: metrics.constant_map_baseline(masks),
    "regions": lambda masks: metrics.energy_shares(abs(MAPS), masks),
}
READERS = [
    pytest.param(function, values, id=name)
    for values, functions in ((MAPS, OF_MAPS), (LOGITS, OF_LOGITS), (BOXES, OF_BOXES))
    + ((MASKS, OF_MASKS),)
    for name, function in functions.items()
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("function", "values"), READERS)
def test_what_half_precision_holds_is_read_exactly(function, values, form):
    given = FORMS[form](values)
    found, expected = (np.asarray(function(one), np.float64) for one in (given, values))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


# ---- losses

OF_A_ROW = {
    name: getattr(losses, name)
    for name in ("entropy", "kl_uniform", "kl_to_uniform", "jeffreys", "jsd")
}
OF_A_ROW["alpha"] = lambda logits: losses.alpha_divergence(logits, 0.3)
OF_A_ROW["own code"] = lambda logits: losses.objective(
    logits, torch.tensor(LABELS), lambda own: own.square().sum(1), 0.3
)
for name in losses.REGULARIZERS:
    target = torch.tensor(LABELS)
    OF_A_ROW[f"objective {name}"] = functools.partial(
        losses.objective, target=target, regularizer=name, strength=0.3
    )
    for kind in ("softmax", "sigmoid"):
        recipe = Recipe(name, 0.0 if name == "none" else 0.3, multilabel=kind)
        mixed = torch.tensor(HOT) * 0.7 + torch.tensor(HOT).roll(1, 0) * 0.3  # as of CutMix
        OF_A_ROW[f"{kind} {name}"] = functools.partial(
            regularised_loss, target=mixed.float(), recipe=recipe
        )


@pytest.mark.parametrize("dtype", [*HALVES, torch.float64])
@pytest.mark.parametrize("name", OF_A_ROW)
def test_losses_of_half_precision_are_those_of_float32(name, dtype):
    """The same value, whatever autocast is on; a gradient that is float32's, rounded once."""
    logits = (40 * LOGITS).requires_grad_()  # exp(360) and 360**2 are too large for float16
    value = OF_A_ROW[name](logits)
    (expected,) = torch.autograd.grad(value.sum(), logits)
    given = logits.detach().to(dtype).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        found = OF_A_ROW[name](given)
        (slope,) = torch.autograd.grad(found.sum(), given)
    assert found.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    torch.testing.assert_close(found.float(), value, rtol=1e-6, atol=1e-6)
    assert slope.dtype == dtype
    torch.testing.assert_close(slope, expected.to(dtype), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", HALVES)
def test_soft_targets_of_half_precision_are_distributions(dtype):
    soft = torch.rand(500, 7, generator=seeded()).softmax(1)
    target, logits = soft.to(dtype), torch.zeros(500, 7)
    assert (target.float().sum(1) - 1).abs().max() > (1e-3 if dtype == torch.bfloat16 else 1e-4)
    expected = losses.cross_entropy(logits, soft)
    torch.testing.assert_close(losses.cross_entropy(logits, target), expected, rtol=1e-6, atol=0)
    with pytest.raises(ValueError, match="row 0 .* normalise it"):
        losses.cross_entropy(logits, 0.98 * target)


# ---- networks


class Plain(nn.Module):
    """A network that knows nothing of this package."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU())
        self.head = nn.Linear(8, 4)

    def forward(self, images):
        return self.head(self.body(images).mean((2, 3)))


class Skipping(Plain):
    """Its images are read once more behind the map, so that only Grad-CAM is left."""

    def forward(self, images):
        return self.head((self.body(images) * images[:, :1, ::2, ::2]).mean((2, 3)))


class Images:
    """Eight images of noise and what is scored on them."""

    frame = 32

    def __init__(self):
        self.images = torch.randint(256, (8, 3, 32, 32), dtype=torch.uint8, generator=seeded())
        self.labels = torch.arange(8) % 4

    def __len__(self):
        return 8

    def boxes_at(self, size):
        return [np.array([[4, 4, 20, 20]])] * 8

    def masks_at(self, size):
        return None


NETWORKS = {
    "toy": lambda: models.build("toy", 4, width=8),
    "frozen batch-norm": lambda: models.freeze_batchnorm(models.adapt(Plain())),
    "linear": Plain,
    "Grad-CAM": Skipping,
}


def network(name):
    torch.manual_seed(0)
    made = NETWORKS[name]().eval()
    for layer in made.modules():  # statistics of another batch, as after a training
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.uniform_(-0.1, 0.1)
            layer.running_var.uniform_(0.5, 2)
    return made


MODELS = {
    "class_activation_map": lambda model, images: cam.class_activation_map(model, images, LABELS_4),
    "grad_cam": lambda model, images: cam.grad_cam(model, images, LABELS_4),
    "predict": lambda model, images: predict(model, Images()),
    "evaluate": lambda model, images: evaluate(model, Images()),
}
LABELS_4 = [0, 1, 2, 3, 0, 1, 2, 3]


def numbers(answer):
    """What a function says, as float64 arrays."""
    parts = vars(answer).values() if hasattr(answer, "maps") else answer
    parts = [list(answer.values())] if isinstance(answer, dict) else parts
    return [np.asarray(part, np.float64) for part in parts]


@pytest.mark.parametrize("context", ["none", "autocast", "inference", "no_grad"])
@pytest.mark.parametrize("dtype", [*HALVES, torch.float64])
@pytest.mark.parametrize("name", NETWORKS)
def test_networks_of_half_precision_show_the_map_of_float32(name, dtype, context):
    within = {
        "none": lambda: torch.enable_grad(),
        "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
        "inference": torch.inference_mode,
        "no_grad": torch.no_grad,
    }[context]
    whole = models.adapt(network(name))
    module = copy.deepcopy(network(name)).to(dtype)
    with within():
        half = models.adapt(module)
    assert half.linear_head == whole.linear_head
    assert next(half.parameters()) is next(module.parameters())  # itself, and not a copy
    images = Images().images.float() / 255
    rounding = 12 * max(torch.finfo(dtype).eps, torch.finfo(torch.float32).eps)
    for function in MODELS.values():
        expected = numbers(function(whole, images))
        for shown in (images, images.to(dtype, memory_format=torch.channels_last)):
            with within():
                found = numbers(function(half, shown))
            for one, other in zip(found, expected, strict=True):
                assert np.abs(one - other).max() <= rounding * np.abs(other).max()


def test_training_wants_float32_and_says_so():
    half = models.build("toy", 4).bfloat16()
    with pytest.raises(ValueError, match=r"weights are torch.bfloat16.*give model.float\(\)"):
        fit(half, Images(), Recipe(batch_size=4))


# ---- erasing


@pytest.mark.parametrize("dtype", [*HALVES, torch.float64])
@pytest.mark.parametrize("kind", ["adl", "rdap", "has", "cutmix"])
@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_erasing_keeps_type_and_layout_and_hides_the_same_places(kind, dtype, rate):
    """Values that every type holds; 0 and 1 stay what they are where they are kept."""
    images = torch.randint(2, (4, 3, 8, 8), generator=seeded()).float()
    methods = {
        "adl": lambda x: ADL(0.9, rate, seeded())(x),
        "rdap": lambda x: RDAP(0.4, rate, seeded())(x),
        "has": lambda x: hide_and_seek(x, 2, rate, 0.5, seeded()),
        "cutmix": lambda x: cutmix(x, torch.arange(4), 1.0, rate, seeded(), 4)[0],
    }
    expected = methods[kind](images)
    given = images.to(dtype).to(memory_format=torch.channels_last)
    for one in (given, given.clone().requires_grad_()):
        found = methods[kind](one)
        assert found.dtype == dtype and found.is_contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(found.detach(), expected.to(dtype), rtol=1e-6, atol=0)


@pytest.mark.parametrize("dtype", HALVES)
def test_half_targets_are_mixed_in_float32(dtype):
    hot = torch.ones(2, 301, dtype=dtype)
    soft = cutmix(torch.zeros(2, 3, 8, 8), hot, 1.0, 1.0, seeded())[1]
    torch.testing.assert_close(soft, torch.full((2, 301), 1 / 301))


@pytest.mark.parametrize("form", [torch.uint8, *HALVES])
def test_hidden_places_are_shown_of_images_of_any_kind(form):
    model = models.build("toy", 4, width=4)
    adl = Erasing("adl", gamma=0.7, rate=0.5, points=("last",))
    whole = torch.randint(2, (2, 3, 16, 16), generator=seeded()).float()
    given = (255 * whole).byte() if form == torch.uint8 else whole.to(form)
    expected = hidden(whole, adl, seeded(), model=model)
    found = hidden(given, adl, seeded(), model=model)
    assert found.images is given and torch.equal(found.masks["last"], expected.masks["last"])
