"""The checklist: every item sound, weak and missing; feedback on the exercises."""

import numpy as np
import pytest

from entreg_utils.checks import critique

SOUND = {
    "metric": "MaxBoxAcc",
    "threshold": "carried",
    "checkpoint": "last",
    "choices": "validation",
    "normalisation": "min-max",
    "cam_class": "true",
    "seeds": 3,
    "interval": (0.5, 4.0),
    "baselines": ["centred box"],
    "gain": 2.0,
}


def verdict(item, **changes):
    return critique.review(SOUND | changes).verdict[item]


def test_a_whole_claim_is_sound():
    table = critique.review(SOUND)
    assert list(table.index) == list(critique.ITEMS)
    assert set(table.verdict) == {"sound"} and set(table.why) == {""}
    assert table.claimed["interval"] == "0.5, 4"


def test_silence_is_missing():
    table = critique.review({})
    assert set(table.verdict) == {"missing"}
    assert all(table.why) and set(table.claimed) == {"-"}


@pytest.mark.parametrize(
    ("item", "value", "expected"),
    [
        ("metric", "localisation", "missing"),
        ("metric", ["MaxBoxAcc"], "missing"),
        ("threshold", "oracle", "weak"),
        ("threshold", "per image", "weak"),
        ("threshold", "fixed", "sound"),
        ("threshold", 0.15, "missing"),
        ("checkpoint", "test", "weak"),
        ("checkpoint", "validation", "sound"),
        ("choices", "test", "weak"),
        ("normalisation", "IVR", "sound"),
        ("normalisation", ["min-max"], "missing"),
        ("cam_class", "predicted", "sound"),
        ("seeds", 1, "weak"),
        ("seeds", 2, "weak"),
        ("seeds", True, "missing"),
        ("seeds", "three", "missing"),
        ("interval", (4.0, 0.5), "missing"),
        ("interval", 2.0, "missing"),
        ("baselines", "centred box", "sound"),
        ("baselines", ["CAM"], "weak"),
        ("baselines", [], "missing"),
        ("gain", "large", "missing"),
    ],
)
def test_each_item(item, value, expected):
    assert verdict(item, **{item: value}) == expected


def test_a_gain_is_held_against_its_interval():
    assert verdict("gain", interval=(-0.5, 4.0)) == "weak"
    assert verdict("gain", interval=None) == "weak"
    assert verdict("gain", gain=-2.0, interval=(-3.0, -1.0)) == "sound"


def test_pixel_scores_need_a_constant_map_and_no_threshold():
    claims = SOUND | {"metric": "PxAP", "threshold": None}
    table = critique.review(claims)
    assert table.verdict["threshold"] == "sound"
    assert table.verdict["baselines"] == "weak"
    assert "constant map" in table.why["baselines"]


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (2 / 3, "right, 0.667"),
        (8 / 3, "above the mean"),
        (1.0, "Take every pair"),
        (0.9, "larger score over all pairs"),
        (None, "no answer yet"),
        ("x", "expected one number"),
    ],
)
def test_best_of_two(answer, says, capsys):
    critique.best_of_two(answer, [1, 2, 3])  # mean 2; the larger of each pair 2, 3, 3
    assert says in capsys.readouterr().out


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (lambda w: w - w.mean(axis=0), "right"),
        (lambda w: w - w.mean(axis=1, keepdims=True), "different vectors"),
        (lambda w: w + 1, "still depends"),
        (lambda w: w - w[0], "mean of the weights is not zero"),
        (lambda w: w.mean(axis=0), "came back as (7,)"),
        (lambda w: 1 / 0, "ZeroDivisionError"),
        (None, "no answer yet"),
    ],
)
def test_centred(function, says, capsys):
    critique.centred(function)
    assert says in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, "All of it is sound"),
        ({"threshold": "oracle"}, "Said openly, and weak: threshold"),
        ({"seeds": None, "cam_class": None}, "still missing: cam_class, seeds"),
        ({"gain": 20.0}, "not the numbers that were measured"),
        ({"interval": np.array([0.5, 9.0])}, "not the numbers that were measured"),
    ],
)
def test_honest_claim(changes, says, capsys):
    critique.honest_claim(SOUND | changes, 2.0, (0.5, 4.0))
    assert says in capsys.readouterr().out


@pytest.mark.parametrize("answer", [None, 3, "a claim"])
def test_no_claim(answer, capsys):
    critique.honest_claim(answer, 2.0, (0.5, 4.0))
    assert "no answer yet" in capsys.readouterr().out


def test_errata_have_one_check_each():
    table = critique.errata({number: f"checked {number}" for number in critique.ERRATA})
    assert list(table.index) == list(range(1, 15))
    assert table.check[14] == "checked 14"
    assert table.holds[6] == "that is Jeffreys' divergence"


@pytest.mark.parametrize("numbers", [range(1, 14), range(1, 16)])
def test_an_erratum_without_a_check_is_refused(numbers):
    with pytest.raises(ValueError, match="14|15"):
        critique.errata(dict.fromkeys(numbers, ""))
