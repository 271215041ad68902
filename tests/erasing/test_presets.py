"""The table of hyperparameters: published values, what is carried over, and what it lacks."""

import pytest

from entreg_utils import data
from entreg_utils.erasing import METHODS, PRESETS, preset
from entreg_utils.erasing.presets import BACKBONES, DRAWN, PHOTOGRAPHS

LATE = ("stage3.0", "stage4.0", "last")


@pytest.mark.parametrize(
    ("method", "dataset", "model", "status", "values"),
    [
        ("has", "cub", "resnet50", "published", {"sides": (120,), "rate": 0.66}),
        ("cutmix", "cub", "resnet50", "published", {"beta": 1.35, "probability": 0.24}),
        ("adl", "cub", "resnet50", "published", {"gamma": 0.76, "rate": 0.24, "points": LATE}),
        ("adl", "cub", "seresnet50", "published", {"gamma": 0.9, "rate": 0.75, "points": LATE}),
        ("cutmix", "imagenet", "resnet50", "published", {"beta": 1.0, "probability": 1.0}),
        ("has", "pets", "preresnet18", "carried over", {"sides": (0, 16, 32, 44, 56), "rate": 0.5}),
        ("adl", "voc", "seresnet50", "carried over", {"gamma": 0.9, "rate": 0.75, "points": LATE}),
    ],
)
def test_values_of_the_papers(method, dataset, model, status, values):
    assert preset(method, dataset, model).to_dict() == {"method": method} | values
    rows = [row for row in PRESETS if row.erasing.method == method]
    first = next(row for row in rows if dataset in row.datasets and model in row.models)
    assert first.status == status


def test_every_system_of_the_course_has_one():
    for method in METHODS:
        for dataset in PHOTOGRAPHS:
            for model in BACKBONES:
                assert preset(method, dataset, model).method == method
        assert preset(method, "toy", "toy").method == method
        assert {preset(method, name, "toy") for name in data.DRAWN} == {
            preset(method, "toy", "toy")
        }
        for model in BACKBONES:  # squares in pixels as small as the images, points where they were
            small, large = preset(method, "toy", model), preset(method, "pets", model)
            assert small.sides == preset(method, "toy", "toy").sides
            assert small.points == large.points


def test_each_row_says_where_it_comes_from_and_is_reached():
    for row in PRESETS:
        assert row.status in ("published", "carried over", "own choice") and len(row.source) > 20
        if row.erasing.method == "rdap" or row.datasets == DRAWN:
            assert row.status == "own choice"
        reached = [
            preset(row.erasing.method, dataset, model)
            for dataset in row.datasets
            for model in row.models
        ]
        assert row.erasing in reached  # not hidden behind an earlier row
    sides = preset("has", "cub", "seresnet50").sides  # the drawn world's are these at its size
    assert preset("has", "toy", "toy").sides == tuple(round(side * 48 / 224) for side in sides)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("cutout", "cub", "resnet50"), "unknown erasing method 'cutout': known are cam, has"),
        (("adl", "toy", "vgg16"), "no preset of adl for 'toy' with 'vgg16'.*shoal with toy"),
        (("has", "cifar", "resnet50"), "no preset of has for 'cifar'.*cub with resnet50; cub, "),
        (("cam", "cub", "vgg16"), "no preset of cam for 'cub' with 'vgg16'"),
    ],
)
def test_an_unknown_combination_lists_the_known(names, message):
    with pytest.raises(ValueError, match=message):
        preset(*names)
