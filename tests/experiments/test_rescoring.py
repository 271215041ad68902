"""A finished run at another size: what training with that size would have given."""

from dataclasses import replace

import numpy as np
import pytest

from entreg_utils.experiments import rescore, run, store


def test_it_is_what_training_with_that_size_gives(birds, monkeypatch, tmp_path):
    source = run(birds, progress=False)
    found = rescore(source, eval_size=96)
    monkeypatch.setenv("ENTREG_RESULTS", str(tmp_path / "again"))
    trained = run(replace(birds, eval_size=96), progress=False)
    last = {n: v for n, v in trained.metrics.items() if not n.endswith("_best")}
    assert found.metrics == last and found.metrics != source.metrics
    assert found.weights_sha256 == trained.weights_sha256 == source.weights_sha256
    assert np.array_equal(found.outcomes["hits"], trained.outcomes["hits"])
    assert found.maps.shape == (1, 3, 6, 6) and np.array_equal(found.maps[-1], trained.maps[-1])
    assert found.provenance["rescored"] == birds.name
    assert list(found.history) == ["epoch", "loss"] and found.selection is None


def test_the_record_is_found_and_not_made_twice(birds, monkeypatch):
    source = run(birds, progress=False)
    first = rescore(source, eval_size=96)
    monkeypatch.setattr("entreg_utils.experiments.runs.train", lambda *_: pytest.fail("trained"))
    assert run(replace(birds, eval_size=96)).metrics == first.metrics
    assert store.find(replace(birds, eval_size=96))["provenance"]["rescored"] == birds.name
    first.model()  # its checkpoint lies beside it
    monkeypatch.setattr("entreg_utils.experiments.rescoring._scored", lambda *_: pytest.fail())
    assert rescore(source, eval_size=96).metrics == first.metrics


def test_what_decides_the_training_is_refused(project, stored, tiny):
    source = run(tiny)
    with pytest.raises(ValueError, match="epochs decides what is trained: only eval_size, eval_"):
        rescore(source, epochs=3)
    with pytest.raises(ValueError, match="nothing is changed"):
        rescore(source)
    with pytest.raises(ValueError, match="rescore photographs"):
        rescore(source, sigma=0.2)
