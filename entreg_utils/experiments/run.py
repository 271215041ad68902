"""``run(config)``: load the record, or train until there is one."""

import io
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from entreg_utils.experiments import packing, store
from entreg_utils.experiments.config import DEFAULTS, PROTOCOL, Config
from entreg_utils.experiments.provenance import pick_device, provenance
from entreg_utils.experiments.watch import Log, Watch, crop_of
from entreg_utils.fields import plain_numbers
from entreg_utils.files import StorageError, read_checked, sha256, write_checked
from entreg_utils.training import Best, fit
from entreg_utils.training.batches import check_kind, steps_of
from entreg_utils.training.recipe import loss_of_chance
from entreg_utils.training.summary import BASELINES


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        history: one row an epoch: ``epoch``, ``loss``, and ``train_*``, ``val_*``, ``test_*`` of
            the quantities of ``training.evaluate`` (train: class and entropy, on 100 images without
            flips; test of photographs only under ``watch_test``).
        metrics: final scores on test, last checkpoint; see ``training.summarise``. Those of the
            best checkpoint stand under the same names with ``_best``.
        provenance: commit, device, threads, versions, wall time.
        panel: indices of test images whose maps were kept; ``maps`` float32 (E, n, h, w), raw.
        selection: how the best checkpoint was chosen: ``criterion``, a column of the history,
            ``epoch``, and ``weights_sha256``; None for one that was scored and not trained.
        outcomes: what became of each test image at the last checkpoint: ``training.summarise``.
        files, protocol: what it was made from, and which version of measuring.
        path: of a record that was named by its file: its checkpoints lie beside it.
    """

    config: Config
    history: pd.DataFrame
    metrics: dict
    provenance: dict
    panel: list[int]
    maps: np.ndarray
    weights_sha256: str
    selection: dict | None = None
    outcomes: dict[str, np.ndarray] = field(default_factory=dict)
    files: store.Files = store.Files()
    protocol: int = PROTOCOL
    path: Path | None = None

    def model(self, which: str = "last") -> torch.nn.Module:
        """The ``last`` or ``best`` (on validation) model in eval mode, from its checkpoint.

        Trained again when it is absent: on another machine its last bits may then differ from
        those behind ``metrics``.

        Raises:
            ValueError: another checkpoint than those that are kept.
        """
        wanted = store.digests(vars(self))
        if which not in wanted:
            raise ValueError(f"there is no {which!r} checkpoint: kept are {', '.join(wanted)}")
        records = [self.path] if self.path else []
        records += store.candidates(self.config)
        places = [path.with_suffix(store.SUFFIXES[which]) for path in records]
        content = next(filter(None, (store.checkpoint(p, wanted[which]) for p in places)), None)
        if content is None:
            path = store.path_of(self.config)
            if store.own_record(path) is None:
                print(f"{path.stem} has no checkpoint here: training it again", file=sys.stderr)
                train(self.config)
            content = read_checked(path.with_suffix(store.SUFFIXES[which]))
            if content is None:
                raise StorageError(f"{path} is gone again: something else empties that folder")
        state = torch.load(io.BytesIO(content), "cpu", weights_only=True)
        classes = len(state["head.bias"]) if "head.bias" in state else None
        model = build(self.config, classes, with_weights=False)
        model.load_state_dict(state)
        # the layout of training, so that the maps are those of the record to the last bit
        return model.to(pick_device(), memory_format=torch.channels_last).eval()


def run(config: Config, progress: bool = True) -> Run:
    """The run of ``config``: from the store when it is there, else trained now and stored.

    A training that was interrupted (Ctrl-C, a kill, a full disk) goes on from its last whole epoch.
    A second process that wants the same run waits for the first and then loads its record.

    Raises:
        training.TrainingError: the loss is not finite.
        StorageError: photographs or weights are not there, or a file cannot be written.
    """
    record = store.find(config)
    return as_run(config, train(config, progress) if record is None else record)


def train(config: Config, progress: bool = True) -> dict:
    """Train unless the results hold both record and checkpoints, whole; write them there."""
    path = store.path_of(config)
    with store.only_one(path):
        return store.own_record(path) or _train(config, path, progress)


def _train(config: Config, path: Path, progress: bool) -> dict:
    start, files, recipe = time.perf_counter(), store.files_of(config), config.training
    train_data, val, test = splits(config)
    model = build(config, test.num_classes)
    model = model.to(pick_device(), memory_format=torch.channels_last)
    steps = recipe.epochs * steps_of(len(train_data), recipe)  # refused before all is decoded
    watch = Watch(config, train_data, val, test, progress)
    best, partial = Best(watch.criterion), path.with_suffix(".partial")
    chance = loss_of_chance(recipe, test.num_classes)
    log = Log(path, title_of(config), recipe.epochs, steps, watch.criterion, chance, progress)
    try:
        with log.bar:
            crop = crop_of(config, train_data)
            what = (model, train_data, recipe, config.erasing, crop)
            history = fit(*what, watch.after_epoch, partial, log.epoch, best, log.step)
            final, outcomes = watch.final(model)
            weights = {
                "last": packing.pack_state(model.state_dict()),
                "best": packing.pack_state(best.weights),
            }
            scores = final
            if best.epoch < recipe.epochs:
                model.load_state_dict(best.weights)
                scores, _ = watch.final(model)
            final |= {f"{n}_best": v for n, v in scores.items() if n not in BASELINES}
    except KeyboardInterrupt:
        kept = "keeps its last whole epoch" if partial.exists() else "had no whole epoch yet"
        said = f"stopped; {title_of(config)} {kept}, the same call goes on from there"
        print(f"\n{said}", flush=True)
        raise
    maps = np.array([row.pop("maps") for row in history])
    columns = {name: [row[name] for row in history] for name in history[0]}
    measured = columns, final, watch.panel, maps, outcomes
    chosen = {"criterion": best.criterion, "epoch": best.epoch}
    chosen["weights_sha256"] = sha256(weights["best"])
    seconds = time.perf_counter() - start
    origin = provenance(config, seconds, getattr(train_data, "source", ""))
    record = keep(config, files, path, measured, weights, selection=chosen, provenance=origin)
    partial.unlink(missing_ok=True)
    return record


@plain_numbers
def build(config: Config, num_classes: int | None = None, with_weights: bool = True):
    """The untrained model of a config; what is random in it depends on the seed alone.

    Without ``num_classes`` it looks at the data, which for photographs reads their lists; without
    ``with_weights``, ``pretrained`` and ``weights`` are left out: the whole state is loaded anyway.

    Raises:
        ValueError: fewer ``head_outputs`` than classes, or weights that do not fit.
        StorageError: weights or data that are not there.
    """
    if num_classes is None:
        drawn = config.data.is_drawn
        num_classes = config.num_classes if drawn else config.data.load("test").num_classes
    return config.network.build(num_classes, config.seed, with_weights)


def splits(config: Config) -> tuple:
    """Train, validation and test data of a config, at the sizes at which they are shown.

    Raises:
        ValueError: labels of several classes without ``multilabel``, or of one with it.
        StorageError: photographs that are not there, with how to get them.
    """
    size = config.data.resize if config.eval_view == "centre_crop" else config.eval_size
    data = config.data
    train = data.load("train")
    check_kind(train.labels, config.multilabel)  # of own photographs it is known only now
    return train, data.load("val", size), data.load("test", size)


def keep(
    config: Config,
    files: store.Files,
    path: Path,
    measured: tuple,
    weights: dict[str, bytes],
    **more,
) -> dict:
    """Write the checkpoints and then the record, which is returned.

    It holds what names it (config, own code, files), what was measured, and ``more``.
    """
    history, metrics, panel, maps, outcomes = measured
    named = {"code": config.code, "files": asdict(files) if files else {}}
    record = {
        "protocol": PROTOCOL,
        "config": config.to_dict(),
        **{name: value for name, value in named.items() if value},
        "history": history,
        "metrics": metrics,
        "panel": panel,
        "maps": packing.pack_maps(maps),
        "outcomes": packing.pack_arrays(outcomes),
        "weights_sha256": sha256(weights["last"]),
        **more,
    }
    for which, content in weights.items():
        write_checked(path.with_suffix(store.SUFFIXES[which]), content)
    store.write(record, path)
    return record


def title_of(config: Config) -> str:
    """A run in a few words: what is unusual about it, regulariser, strength and seed."""
    own = config.to_dict()
    words = [own[n] for n in ("dataset", "model", "method") if own[n] != DEFAULTS[n]]
    return " ".join([*words, f"{own['regularizer']} {config.epsilon:g} seed {config.seed}"])


def as_run(config: Config, record: dict) -> Run:
    """The run that a record holds."""
    plain = ("metrics", "provenance", "panel", "weights_sha256", "protocol")
    return Run(
        config,
        pd.DataFrame(record["history"]),
        maps=packing.unpack_maps(record["maps"]),
        selection=record.get("selection"),
        outcomes=packing.unpack_arrays(record.get("outcomes", {})),
        files=store.Files(**record.get("files", {})),
        **{name: record[name] for name in plain},
    )
