"""``run(config)``: load the record, or train until there is one."""

from __future__ import annotations

import copy
import io
import json
import math
import sys
import time
import warnings
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from tqdm.auto import tqdm

from entreg_utils.experiments import store
from entreg_utils.experiments.config import DEFAULTS, PROTOCOL, Config
from entreg_utils.experiments.provenance import pick_device, provenance
from entreg_utils.experiments.watch import Watch, crop_of
from entreg_utils.files import (
    StorageError,
    atomic_write,
    read_bytes,
    read_checked,
    sha256,
    write_checked,
)
from entreg_utils.training import fit
from entreg_utils.training.batches import check_kind, steps_of
from entreg_utils.training.evaluate import BASELINES
from entreg_utils.training.recipe import loss_of_chance

SUFFIXES = {"last": ".pt", "best": ".best.pt"}  # of the files of a run's checkpoints
_TELLING = 20  # steps after which a loss above chance is no warming up
EVALUATION = ("eval_size", "eval_view", "sigma")  # settings that training does not depend on


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
        wanted = _digests(vars(self))
        if which not in wanted:
            raise ValueError(f"there is no {which!r} checkpoint: kept are {', '.join(wanted)}")
        records = [self.path] if self.path else []
        records += store.candidates(self.config)
        places = [path.with_suffix(SUFFIXES[which]) for path in records]
        content = next(filter(None, (_checkpoint(p, wanted[which]) for p in places)), None)
        if content is None:
            path = store.path_of(self.config)
            if _own_record(path) is None:
                print(f"{path.stem} has no checkpoint here: training it again", file=sys.stderr)
                Job(self.config).train()
            content = read_checked(path.with_suffix(SUFFIXES[which]))
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
    return Job(config).run(progress)


class Job:
    """A config on its way to its record: found in the store, or trained into it."""

    def __init__(self, config: Config):
        self.config = config

    def run(self, progress: bool = True) -> Run:
        """The run, as :func:`run` says."""
        record = store.find(self.config)
        return as_run(self.config, self.train(progress) if record is None else record)

    def train(self, progress: bool = True) -> dict:
        """Train unless the results hold both record and checkpoints, whole; write them there."""
        path = store.path_of(self.config)
        with store.only_one(path):
            record = _own_record(path)
            return self._train(path, progress) if record is None else record

    def _train(self, path: Path, progress: bool) -> dict:
        config, start, files = self.config, time.perf_counter(), store.files_of(self.config)
        train_data, val, test = splits(config)
        model = build(config, test.num_classes)
        model = model.to(pick_device(), memory_format=torch.channels_last)
        recipe, title = config.training, title_of(config)
        steps = recipe.epochs * steps_of(len(train_data), recipe)  # refused before all is decoded
        watch = Watch(config, train_data, val, test, progress)
        best, chance = watch.best(), loss_of_chance(recipe, test.num_classes)
        partial = path.with_suffix(".partial")
        try:
            with _Progress(
                title, recipe.epochs, steps, best.criterion, chance, progress, path
            ) as report:
                crop = crop_of(config, train_data)
                what = (model, train_data, recipe, config.erasing, crop)
                history = fit(*what, watch.after_epoch, partial, report, best, report.step)
                final, outcomes = watch.final(model)
                weights = {"last": _packed(model.state_dict()), "best": _packed(best.weights)}
                chosen = copy.deepcopy(model)
                chosen.load_state_dict(best.weights)
                scores, _ = watch.final(chosen)  # baselines have no checkpoint
                final |= {f"{n}_best": v for n, v in scores.items() if n not in BASELINES}
        except KeyboardInterrupt:
            kept = "keeps its last whole epoch" if partial.exists() else "had no whole epoch yet"
            print(f"\nstopped; {title} {kept}, the same call goes on from there", flush=True)
            raise
        maps = np.array([row.pop("maps") for row in history])
        seconds = time.perf_counter() - start
        columns = {name: [row[name] for row in history] for name in history[0]}
        measured = columns, final, watch.panel, maps, outcomes
        digests = {which: sha256(content) for which, content in weights.items()}
        chosen = {"criterion": best.criterion, "epoch": best.epoch}
        record = _record(config, files, measured, digests["last"]) | {
            "selection": chosen | {"weights_sha256": digests["best"]},
            "provenance": provenance(config, seconds, getattr(train_data, "source", "")),
        }
        _keep(record, weights, path)
        partial.unlink(missing_ok=True)
        return record


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


def _record(config: Config, files: store.Files, measured: tuple, digest: str) -> dict:
    """What names a record (config, own code, files), and what was measured."""
    history, metrics, panel, maps, outcomes = measured
    named = {"code": config.code, "files": asdict(files) if files else {}}
    return {
        "protocol": PROTOCOL,
        "config": config.to_dict(),
        **{name: value for name, value in named.items() if value},
        "history": history,
        "metrics": metrics,
        "panel": panel,
        "maps": store.pack_maps(maps),
        "outcomes": store.pack_arrays(outcomes),
        "weights_sha256": digest,
    }


def _keep(record: dict, weights: dict[str, bytes], path: Path) -> None:
    for which, content in weights.items():
        write_checked(path.with_suffix(SUFFIXES[which]), content)
    store.write(record, path)


def title_of(config: Config) -> str:
    """A run in a few words: what is unusual about it, regulariser, strength and seed."""
    own = config.to_dict()
    words = [own[n] for n in ("dataset", "model", "method") if own[n] != DEFAULTS[n]]
    return " ".join([*words, f"{own['regularizer']} {config.epsilon:g} seed {config.seed}"])


def rescore(source: Run, **changes) -> Run:
    """The run of ``source`` with other values of settings of evaluation.

    Training does not depend on them, so the last checkpoint of ``source``, a run on photographs, is
    scored instead of trained. The record lies in the store under the changed config; its provenance
    names the run whose weights it has (``rescored``), its history keeps what does not depend on
    evaluation, and no best checkpoint is chosen.

    Args:
        changes: of :data:`EVALUATION`, such as ``eval_size=288``.

    Raises:
        ValueError: a setting that training depends on, or a run of the drawn world.
        StorageError: photographs or checkpoint that are not there, or no room for the record.
    """
    wrong = [name for name in changes if name not in EVALUATION]
    if wrong or not changes:
        named = f"{wrong[0]} decides what is trained" if wrong else "nothing is changed"
        raise ValueError(f"{named}: only {', '.join(EVALUATION)} can be changed without training")
    if source.config.data.is_drawn:
        raise ValueError("the drawn world is scored at its own size: rescore photographs")
    config = replace(source.config, **changes)
    record = store.find(config)
    if record is None:
        path = store.path_of(config)
        with store.only_one(path):
            record = store.find(config) or _scored(source, config, path)
    return as_run(config, record)


def _scored(source: Run, config: Config, path: Path) -> dict:
    model = source.model()
    watch = Watch(config, *splits(config))
    metrics, outcomes = watch.final(model)
    kept = [c for c in source.history if not c.startswith(("train_", "val_", "test_"))]
    history = {name: source.history[name].tolist() for name in kept}
    measured = history, metrics, watch.panel, np.array([watch.panel_maps(model)]), outcomes
    content = _packed(model.state_dict())
    origin = provenance(config, source.provenance["seconds"], source.provenance.get("source", ""))
    record = _record(config, store.files_of(config), measured, sha256(content)) | {
        "provenance": origin | {"rescored": source.config.name}
    }
    _keep(record, {"last": content}, path)
    return record


def as_run(config: Config, record: dict) -> Run:
    """The run that a record holds."""
    plain = ("metrics", "provenance", "panel", "weights_sha256", "protocol")
    return Run(
        config,
        pd.DataFrame(record["history"]),
        maps=store.unpack_maps(record["maps"]),
        selection=record.get("selection"),
        outcomes=store.unpack_arrays(record.get("outcomes", {})),
        files=store.Files(**record.get("files", {})),
        **{name: record[name] for name in plain},
    )


def _packed(state: dict) -> bytes:
    buffer = io.BytesIO()
    torch.save({name: value.cpu() for name, value in state.items()}, buffer)
    return buffer.getvalue()


def _own_record(path: Path) -> dict | None:
    """The record at ``path`` if its checkpoints lie beside it, all of them whole."""
    try:
        record = store.read(path)
    except StorageError:  # damaged: it is trained again and replaced
        return None
    if record is None:
        return None
    digests = _digests(record).items()
    return (
        record if all(_checkpoint(path.with_suffix(SUFFIXES[w]), d) for w, d in digests) else None
    )


def _digests(run: dict) -> dict[str, str]:
    """SHA-256 of the checkpoints of a run or record by their names."""
    best = run.get("selection")
    return {"last": run["weights_sha256"]} | ({"best": best["weights_sha256"]} if best else {})


def _checkpoint(path: Path, digest: str) -> bytes | None:
    """Content of the checkpoint if it is that one; a damaged one is named in a warning."""
    try:
        content = read_checked(path)
    except StorageError as error:
        warnings.warn(f"passed over: {error}", stacklevel=4)
        return None
    return content if content is not None and sha256(content) == digest else None


class _Progress:
    """The bar of a run, and its log beside the record: a JSON line of numbers for each epoch.

    The log is a file, so that each process of a sweep has one. It is replaced as a whole: a reader
    never meets half a line, and an epoch that is trained again after a kill stands there once.
    After a third of the epochs and after the last one a warning says if no epoch's loss was below
    ``chance``, once there were steps enough to tell.
    """

    def __init__(
        self,
        title: str,
        epochs: int,
        steps: int,
        criterion: str,
        chance: float,
        shown: bool,
        record: Path,
    ):
        self.title, self.epochs, self.steps, self.chance = title, epochs, steps, chance
        self.criterion, self.log = criterion, record.with_suffix(".jsonl")
        self.before, self.said = time.perf_counter(), {"epoch": f"1/{epochs}"}
        self.bar = tqdm(total=steps, desc=title, unit="step", disable=not shown, leave=False)

    def step(self, done: int, steps: int, loss: float) -> None:
        if self.bar.n == 0 and not self.bar.disable:  # what was done before took this call no time
            self.bar.initial = self.bar.n = self.bar.last_print_n = done - 1
        epoch = (done - 1) * self.epochs // steps + 1
        self.said |= {"epoch": f"{epoch}/{self.epochs}"}
        self.said |= {"loss": f"{loss:.3g}"} if math.isfinite(loss) else {}
        self.bar.set_postfix(self.said, refresh=False)
        self.bar.update(done - self.bar.n)

    def __call__(self, row: dict) -> None:
        self.said |= {name: f"{row[name]:.3g}" for name in ("loss", self.criterion)}
        self.bar.set_postfix(self.said)
        seconds, self.before = time.perf_counter() - self.before, time.perf_counter()
        numbers = {name: value for name, value in row.items() if isinstance(value, (int, float))}
        lines = (read_bytes(self.log) or b"").decode().splitlines()[: row["epoch"] - 1]
        lines.append(json.dumps(numbers | {"seconds": round(seconds, 1)}))
        atomic_write(self.log, "\n".join(lines) + "\n")
        enough = row["epoch"] * self.steps >= _TELLING * self.epochs
        if row["epoch"] in (self.epochs // 3, self.epochs) and enough:
            self._compare(min(json.loads(line)["loss"] for line in lines), row["epoch"])

    def _compare(self, least: float, epoch: int) -> None:
        # a thousandth of noise is nothing learned; an own regulariser may have NaN as its chance
        if not least >= self.chance - abs(self.chance) / 1000:
            return
        self.bar.clear()
        warnings.warn(
            f"{self.title}: after {epoch} epochs the training loss stays above {self.chance:.3g}, "
            "what equal probabilities for all classes give (log C, over 1 + lambda with a "
            "regularizer): nothing is learned; try another --learning-rate, and see whether the "
            "labels fit the images and --statistics the weights",
            stacklevel=4,
        )

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *_) -> None:
        self.bar.close()
