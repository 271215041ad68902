"""The checklist: every item sound, weak and missing, and errata."""

import math

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
        ("metric", "BoxAcc", "sound"),
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
        ("seeds", 3.0, "sound"),
        ("seeds", 2.5, "missing"),
        ("seeds", math.nan, "missing"),
        ("seeds", math.inf, "missing"),
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


def test_errata_have_one_check_each():
    table = critique.errata({number: f"checked {number}" for number in range(1, 15)})
    assert list(table.index) == list(range(1, 15))
    assert table.check[14] == "checked 14"
    assert table.holds[6] == "that is Jeffreys' divergence"


@pytest.mark.parametrize("numbers", [range(1, 14), range(1, 16)])
def test_an_erratum_without_a_check_is_refused(numbers):
    with pytest.raises(ValueError, match="14|15"):
        critique.errata(dict.fromkeys(numbers, ""))
