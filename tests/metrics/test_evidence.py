"""Where the evidence lies."""

import math

import numpy as np
import pytest

from entreg_utils.metrics import energy_shares, evidence_shares, score_map

PART = np.array([[1, 0], [0, 0]])
BODY = np.array([[1, 1], [0, 0]])
CONTEXT = np.array([[0, 0], [1, 1]])


def test_values_and_masses_by_hand():
    # Scores: part 1, rest of the body 0.5, context 0.25 and 0: total 1.75.
    shares = evidence_shares([[[4.0, 2.0], [1.0, 0.0]]], [PART], [BODY], [CONTEXT])
    assert (shares.part, shares.body, shares.context) == (1.0, 0.5, 0.125)
    masses = (shares.part_mass, shares.body_mass, shares.context_mass)
    assert masses == pytest.approx((1 / 1.75, 0.5 / 1.75, 0.25 / 1.75))


def test_every_image_counts_the_same_and_a_hidden_part_does_not_count():
    maps = [[[4.0, 2.0], [1.0, 0.0]], [[0.0, 1.0], [0.0, 0.0]]]
    shares = evidence_shares(maps, [PART, 0 * PART], [BODY, BODY], [CONTEXT, CONTEXT])
    assert shares.part == 1.0  # from the first image alone
    # Second image: the body's two pixels (no part to take out) score 0 and 1.
    assert shares.body == (0.5 + 0.5) / 2
    assert shares.body_mass == pytest.approx((0.5 / 1.75 + 1) / 2)


def test_a_constant_map_has_no_mass_to_share():
    shares = evidence_shares(np.ones((1, 2, 2)), [PART], [BODY], [CONTEXT])
    assert (shares.part, shares.body, shares.context) == (0, 0, 0)
    assert math.isnan(shares.part_mass)


def test_maps_are_brought_to_the_size_of_the_masks():
    large = [np.kron(mask, np.ones((8, 8))) for mask in (PART, BODY, CONTEXT)]
    cams, regions = np.array([[[1.0, 0.0], [0.0, 0.0]]]), [[mask] for mask in large]
    resized = score_map(cams[0], 16).scores
    shares = evidence_shares(cams, *regions)
    assert shares.part == pytest.approx(resized[:8, :8].mean())
    assert shares.context_mass == pytest.approx(resized[8:].sum() / resized.sum())
    assert evidence_shares(cams, *regions, size=2).part == 1.0


def test_bad_input_is_one_clear_sentence():
    with pytest.warns(RuntimeWarning, match="1 of 1 maps hold NaN"):
        assert evidence_shares([[[np.nan, 1.0]] * 2], [PART], [BODY], [CONTEXT]).part == 0
    with pytest.raises(ValueError, match="cams has 1, parts has 2"):
        evidence_shares(np.ones((1, 2, 2)), [PART, PART], [BODY], [CONTEXT])


def test_energy_by_hand_with_cells_that_two_regions_share():
    # channel means 2, 1, 1, 0 on a 2x2 map over 4x4 pixels
    features = np.array([[[[3.0, 2], [1, 0]], [[1.0, 0], [1, 0]]]])
    part = np.zeros((1, 4, 4))
    part[0, 0, 0] = 1  # a quarter of the first cell
    rest = np.zeros((1, 4, 4))
    rest[0, :2] = 1  # the whole upper row of cells, part included
    shares = energy_shares(features, part, rest, 1 - rest)
    np.testing.assert_allclose(shares, [[2 / 4 / 4, 3 / 4, 1 / 4]])
    np.testing.assert_allclose(energy_shares(features.mean(axis=1), rest), [[3 / 4]])


def test_an_even_map_has_the_area_and_an_empty_one_has_no_share():
    region = np.zeros((2, 4, 4))
    region[:, 0] = 1
    features = np.stack([np.full((3, 2, 2), 5.0), np.zeros((3, 2, 2))])
    shares = energy_shares(features, region)
    assert shares[0] == pytest.approx(0.25)
    assert math.isnan(shares[1, 0])


def test_energy_refuses_what_is_none():
    with pytest.raises(ValueError, match="non-negative"):
        energy_shares(-np.ones((1, 1, 2, 2)), np.ones((1, 4, 4)))
    with pytest.raises(ValueError, match="multiples of the map's, 2 and 2"):
        energy_shares(np.ones((1, 1, 2, 2)), np.ones((1, 5, 4)))
