"""A finished run under other conditions of evaluation, without training it again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from entreg_utils.experiments import store
from entreg_utils.experiments.lock import only_one
from entreg_utils.experiments.preparation import measures_of, splits
from entreg_utils.experiments.provenance import provenance
from entreg_utils.experiments.runs import SUFFIXES, Run, as_run, weights_of
from entreg_utils.files import sha256, write_checked

EVALUATION = ("eval_size", "eval_view", "sigma")  # fields that training does not depend on


def rescore(source: Run, **changes) -> Run:
    """The run of ``source`` with other values of fields of evaluation.

    What these fields change happens after a training step, never in one, so the last checkpoint is
    the one that training under the changed config would end with, and is scored instead of trained.
    The record lies in the store under the changed config, so that ``run`` and ``sweep`` find it;
    its provenance names the run whose weights it has (``rescored``), its history keeps what does
    not depend on evaluation, and no best checkpoint is chosen, as there is none to choose from.

    Args:
        source: a run on photographs.
        changes: of :data:`EVALUATION`, such as ``eval_size=288``.

    Raises:
        ValueError: a field that training depends on, or a run of the embedded world.
        StorageError: photographs or checkpoint that are not there, or no room for the record.
    """
    wrong = [name for name in changes if name not in EVALUATION]
    if wrong or not changes:
        named = f"{wrong[0]} decides what is trained" if wrong else "nothing is changed"
        raise ValueError(f"{named}: only {', '.join(EVALUATION)} can be changed without training")
    if source.config.dataset == "toy":
        raise ValueError("the embedded world is scored at its own size: rescore photographs")
    config = replace(source.config, **changes)
    path = store.results_folder() / f"{config.name}.json"
    with only_one(path.with_suffix(".lock")):
        record = store.find(config)
        if record is None:
            record = _scored(source, config, path)
    return as_run(config, record)


def _scored(source: Run, config, path) -> dict:
    model = source.model()
    data = splits(config)
    measures = measures_of(config, *data)
    metrics, outcomes = measures.final(model)
    kept = [c for c in source.history if not c.startswith(("train_", "val_", "test_"))]
    origin = provenance(config, source.provenance["seconds"], getattr(data[0], "source", ""))
    content = weights_of(model)
    record = {
        "config": config.content,
        "history": {name: source.history[name].tolist() for name in kept},
        "metrics": metrics,
        "panel": measures.panel,
        "maps": store.pack_maps(np.array([measures.panel_maps(model)])),
        "weights_sha256": sha256(content),
        "provenance": origin | {"rescored": source.config.name},
    }
    if outcomes:
        record["outcomes"] = store.pack_arrays(outcomes)
    write_checked(path.with_suffix(SUFFIXES["last"]), content)
    store.write(record, path.parent)
    return record
