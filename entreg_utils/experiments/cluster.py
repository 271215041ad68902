"""A sweep on a Ray cluster: one task a run, trained on some node, stored here.

A task trains into a folder of its own and sends back the files; this process, the driver, alone
writes to the store, so nodes need not share a disk with it, and a run that two nodes finished is
written once. When a node is lost, Ray starts its tasks on others.

A node needs this version of the package, own code under the same names, and the weights and
photographs that lie here: their digests name the records. ``ENTREG_ROOT``, where set here, must
mean the same on every node, and so must ``ENTREG_SCRATCH``, the folder in which tasks train
(default: the node's for temporary files); where a later attempt finds it again, it goes on from
the last whole epoch.
"""

import contextlib
import math
import os
import shutil
import socket
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch
from filelock import Timeout

from entreg_utils.experiments import store
from entreg_utils.experiments.config import Config
from entreg_utils.experiments.provenance import pick_device
from entreg_utils.experiments.run import train
from entreg_utils.experiments.watch import Board
from entreg_utils.files import atomic_write, environment, variable

PASSED_ON = ("ENTREG_ROOT", "ENTREG_SCRATCH")  # environment of a task, where the driver sets them
RETRIES = 5  # of one run, when its node is lost or its process killed


class ClusterError(RuntimeError):
    """No cluster to train on; the message says how to start one."""


def train_all(
    configs: list[Config], address: str, gpus: float | None, cpus: int, board: Board
) -> None:
    """Train every config, none of them stored, as a Ray task; options and errors of ``sweep``."""
    if cpus < 1:
        raise ValueError(f"cpus={cpus!r}: give a whole number of cores, at least 1")
    if gpus is not None and not 0 <= gpus <= 1:
        raise ValueError(f"gpus={gpus!r}: a run takes a share of one GPU, 0..1, such as 0.25")
    try:
        import ray
    except ImportError as error:
        raise ModuleNotFoundError(
            'a sweep on a cluster needs Ray: pip install "entreg_utils[ray]"'
        ) from error
    stems = {config: store.path_of(config).stem for config in configs}  # refuses what is not here
    with _connected(ray, address):
        if gpus is None:
            gpus = int(ray.cluster_resources().get("GPU", 0) > 0)
        if not _room(ray, cpus, gpus):  # not an error: clusters that grow on demand start with less
            warnings.warn(
                f"no node of the cluster has {cpus} CPU cores and {gpus:g} GPUs for a run: waiting "
                "for one to join; ask for less with cpus and gpus",
                stacklevel=3,
            )
        variables = {name: os.environ[name] for name in PASSED_ON if os.environ.get(name)}
        # where own code lies here it is looked for on the nodes as well
        variables["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        own = {"num_cpus": cpus, "num_gpus": gpus, "max_retries": RETRIES}
        task = ray.remote(train_here).options(**own, runtime_env={"env_vars": variables})
        futures = {}
        for config, stem in stems.items():
            ref = task.remote(config.to_dict(places=True), stem, cpus, gpus)
            futures[ref.future()] = config
        try:
            board.follow(futures, lambda: _room(ray, cpus, gpus), _keep)
        except BaseException:  # Ctrl-C, or no room for a record: end what runs, keep what is stored
            for future in futures:
                with contextlib.suppress(ray.exceptions.RayError):
                    ray.cancel(future.object_ref, force=True)
            raise


@contextlib.contextmanager
def _connected(ray, address: str) -> Iterator[None]:
    """Within it Ray is connected; a connection that was there before is used, and stays."""
    if ray.is_initialized():
        yield
        return
    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    quiet |= {"include_dashboard": False} if address == "local" else {}
    try:
        ray.init(address, **quiet)
    except (ConnectionError, RuntimeError, ValueError) as error:
        reason = str(error).partition("\n")[0].rstrip(".") or type(error).__name__
        raise ClusterError(
            f"no Ray cluster at {address!r} ({reason}): start one with `ray start --head`, join "
            "other machines to it with the command that this prints, or use the cluster 'local', "
            "which is this machine alone"
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def _room(ray, cpus: int, gpus: float) -> int:
    """How many runs the nodes take side by side."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    shares = ((n.get("CPU", 0) / cpus, n.get("GPU", 0) / gpus if gpus else math.inf) for n in nodes)
    return sum(int(min(share)) for share in shares)


def _keep(config: Config, outcome: dict[str, bytes] | str) -> str | None:
    """Write the files of a run, its record last, as ``run`` would have done here; or why not."""
    if isinstance(outcome, str):
        return outcome
    path = store.path_of(config)
    # Another process here may train the same run: then `sweep` waits for its record at the end.
    with contextlib.suppress(Timeout), store.only_one(path, wait=False):
        for name in sorted(outcome, key=lambda name: name == path.name):
            atomic_write(path.parent / name, outcome[name])


def train_here(settings: dict, stem: str, cpus: int, gpus: float) -> dict[str, bytes] | str:
    """Ray's task: one run trained on this node; its files, or why it failed, as a sentence, since
    the driver may not have the error's class.

    ``stem`` is the name of its record where the sweep was started.
    """
    folder, here = scratch_folder() / stem, None
    try:
        with variable("ENTREG_RESULTS", str(folder)):
            with contextlib.suppress(TypeError, ValueError):
                config = Config(**settings)
                here = store.path_of(config).stem
            if here != stem:
                raise RuntimeError(
                    "this node has another version of entreg_utils, or other own code, weights or "
                    "photographs than the machine that asks: make them the same everywhere"
                )
            if gpus and pick_device().type == "cpu":
                raise RuntimeError("Ray gives this run a GPU that PyTorch there cannot use")
            torch.set_num_threads(cpus)
            train(config, progress=False)
        files = [*folder.glob("*.pt"), folder / f"{stem}.json"]
        outcome = {path.name: path.read_bytes() for path in files}
    except Exception as error:
        return f"{type(error).__name__}: {error} [on {socket.gethostname()}]"
    shutil.rmtree(folder, ignore_errors=True)
    return outcome


def scratch_folder() -> Path:
    """Where tasks of this user train on this node: found again by a later attempt."""
    user = os.getuid() if hasattr(os, "getuid") else "runs"
    return environment("ENTREG_SCRATCH") or Path(tempfile.gettempdir()) / f"entreg-{user}"
