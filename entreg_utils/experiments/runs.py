"""``run(config)``: load the record, or train until there is one."""

from __future__ import annotations

import io
import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from filelock import FileLock, Timeout
from tqdm.auto import tqdm

from entreg_utils import data, models
from entreg_utils.experiments import store
from entreg_utils.experiments.config import Config
from entreg_utils.experiments.provenance import pick_device, provenance
from entreg_utils.files import StorageError, read_checked, sha256, write_checked
from entreg_utils.training import evaluate, fit, predict, summarise

TRAIN_PROBE = 100  # training images on which each epoch's train entropy and scores are measured
PANEL = 4  # test images whose maps are kept at each epoch: the first of each of the first classes


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        config: what was run.
        history: one row an epoch: ``epoch``, ``loss``, and ``train_*``, ``val_*``, ``test_*`` of
            the quantities of ``training.evaluate`` (train: on its first 100 images, without flips).
        metrics: final scores on test, last checkpoint; see ``training.summarise``.
        provenance: commit, device, threads, versions, wall time.
        panel: indices of test images whose maps were kept; ``maps`` float32 (E, n, h, w), raw.
    """

    config: Config
    history: pd.DataFrame
    metrics: dict
    provenance: dict
    panel: list[int]
    maps: np.ndarray
    weights_sha256: str

    def model(self) -> torch.nn.Module:
        """The trained model in eval mode, from its checkpoint; trained again when it is absent.

        Trained again on another machine, its last bits may differ from those behind ``metrics``.
        """
        paths = [folder / f"{self.config.name}.pt" for folder in store.folders()]
        content = next((c for c in map(_whole, paths) if _is(c, self.weights_sha256)), None)
        if content is None:
            record = _own_record(paths[0].with_suffix(".json"))
            if record is None:
                print(f"{paths[0].name} is not stored: training this run again", file=sys.stderr)
                record = train(self.config)
            content = read_checked(paths[0])
        if content is None:
            raise StorageError(f"{paths[0]} is gone again: something else empties that folder")
        model = build(self.config)
        model.load_state_dict(torch.load(io.BytesIO(content), "cpu", weights_only=True))
        # the layout of training, so that the maps are those of the record to the last bit
        return model.to(pick_device(), memory_format=torch.channels_last).eval()


def build(config: Config) -> torch.nn.Module:
    """The untrained model of a config; its weights depend on the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return models.build(config.model, config.num_classes, width=config.width)


def splits(config: Config) -> tuple:
    """Train, validation and test data of a config."""
    load = {"train": {"num_images": config.num_train}, "val": {}, "test": {}}
    return tuple(
        data.load(config.dataset, split, **config.knobs, **options)
        for split, options in load.items()
    )


def run(config: Config, progress: bool = True) -> Run:
    """The run of ``config``: from the store when it is there, else trained now and stored.

    A training that was interrupted (Ctrl-C, a kill, a full disk) goes on from its last whole epoch.
    A second process that wants the same run waits for the first and then loads its record.

    Raises:
        training.TrainingError: the loss is not finite.
        StorageError: checkpoint or record cannot be written.
    """
    record = store.find(config)
    return _as_run(record if record is not None else train(config, progress))


def train(config: Config, progress: bool = True) -> dict:
    """Train unless the results hold both record and checkpoint, whole; write both there."""
    path = store.results_folder() / f"{config.name}.json"
    with _only_one(path.with_suffix(".lock")):
        record = _own_record(path)
        return _train(config, path, progress) if record is None else record


def _train(config: Config, path: Path, progress: bool) -> dict:
    start = time.perf_counter()
    train_data, val, test = splits(config)
    model = build(config).to(pick_device(), memory_format=torch.channels_last)
    panel = [
        int(np.flatnonzero(test.labels.numpy() == c)[0]) for c in range(PANEL)[: test.num_classes]
    ]

    def after_epoch(epoch: int, model) -> dict:
        row = {}
        for name, dataset in (("train", train_data), ("val", val), ("test", test)):
            prediction = predict(model, dataset, TRAIN_PROBE if name == "train" else None)
            scores = evaluate(prediction, dataset)
            row |= {f"{name}_{key}": round(value, 5) for key, value in scores.items()}
        return row | {"maps": prediction.maps[panel].tolist()}

    title = f"{config.regularizer} {config.epsilon:g} seed {config.seed}"
    bar = tqdm(total=config.epochs, desc=title, unit="epoch", disable=not progress, leave=False)
    partial = path.with_suffix(".partial")

    def report(row: dict) -> None:
        bar.update(row["epoch"] - bar.n)
        bar.set_postfix(accuracy=row["val_accuracy"], PxAP=row["val_pxap"])

    try:
        history = fit(model, train_data, config.recipe, after_epoch, partial, report)
        final = summarise(model, val, test)
    except KeyboardInterrupt:
        kept = "keeps its last whole epoch" if partial.exists() else "had no whole epoch yet"
        print(f"\nstopped; {title} {kept}, the same call goes on from there", flush=True)
        raise
    finally:
        bar.close()
    maps = np.array([row.pop("maps") for row in history])
    weights = _weights(model)
    record = {
        "config": config.content,
        "history": {name: [row[name] for row in history] for name in history[0]},
        "metrics": {name: round(value, 5) for name, value in final.items()},
        "panel": panel,
        "maps": store.pack_maps(maps),
        "weights_sha256": sha256(weights),
        "provenance": provenance(config, time.perf_counter() - start),
    }
    write_checked(path.with_suffix(".pt"), weights)
    store.write(record, path.parent)
    partial.unlink(missing_ok=True)
    return record


def _weights(model) -> bytes:
    buffer = io.BytesIO()
    torch.save({name: value.cpu() for name, value in model.state_dict().items()}, buffer)
    return buffer.getvalue()


def _own_record(path: Path) -> dict | None:
    """The record at ``path`` if its checkpoint lies beside it, both whole."""
    try:
        record = store.read(path)
    except StorageError:  # damaged: it is trained again and replaced
        return None
    if record is None or not _is(_whole(path.with_suffix(".pt")), record["weights_sha256"]):
        return None
    return record


def _whole(path: Path) -> bytes | None:
    """Content of a checkpoint, or None when there is none; a damaged one is named in a warning."""
    try:
        return read_checked(path)
    except StorageError as error:
        warnings.warn(f"passed over: {error}", stacklevel=4)
        return None


def _is(content: bytes | None, digest: str) -> bool:
    return content is not None and sha256(content) == digest


class _only_one:
    """Lock of one run; the system frees it when its process ends, however it ends."""

    def __init__(self, path: Path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(
                f"cannot make {path.parent}: {error.strerror}; point ENTREG_RESULTS elsewhere"
            ) from error
        self.lock, self.name = FileLock(path), path.stem

    def __enter__(self):
        try:
            self.lock.acquire(timeout=0)
        except Timeout:
            print(f"another process trains {self.name}: waiting for its record", file=sys.stderr)
            self.lock.acquire()
        except OSError as error:
            raise StorageError(
                f"cannot write in {Path(self.lock.lock_file).parent}: {error.strerror}; make it "
                "writable, or point ENTREG_RESULTS elsewhere"
            ) from error

    def __exit__(self, *_):
        self.lock.release()


def _as_run(record: dict) -> Run:
    return Run(
        config=Config(**record["config"]),
        history=pd.DataFrame(record["history"]),
        metrics=record["metrics"],
        provenance=record["provenance"],
        panel=record["panel"],
        maps=store.unpack_maps(record["maps"]),
        weights_sha256=record["weights_sha256"],
    )
