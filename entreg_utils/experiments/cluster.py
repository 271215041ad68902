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
from entreg_utils.experiments.sweep import Board
from entreg_utils.files import atomic_write, environment, sha256, variable

PASSED_ON = ("ENTREG_ROOT", "ENTREG_SCRATCH")  # environment of a task, where the driver sets them
RETRIES = 5  # of one run, when its node is lost or its process killed
POLL = 1.0  # seconds between looks at how many runs fit


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
    for config in configs:
        store.path_of(config)  # refuses weights and photographs that are not here
    with _connected(ray, address):
        gpus = _gpus_of_a_run(ray, gpus, cpus)
        pending = _submit(ray, configs, gpus, cpus)
        try:
            _collect(ray, pending, gpus, cpus, board)
        except BaseException:  # Ctrl-C, or no room for a record: end what runs, keep what is stored
            for ref in pending:
                with contextlib.suppress(ray.exceptions.RayError):
                    ray.cancel(ref, force=True)
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
        reason = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
        raise ClusterError(
            f"no Ray cluster at {address!r} ({reason}): start one with `ray start --head`, join "
            "other machines to it with the command that this prints, or use the cluster 'local', "
            "which is this machine alone"
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def _gpus_of_a_run(ray, gpus: float | None, cpus: int) -> float:
    """The share of a GPU, decided where it is open; a warning where no node can give it."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if gpus is None:
        gpus = 1 if any(node.get("GPU", 0) for node in nodes) else 0
    if not any(node.get("CPU", 0) >= cpus and node.get("GPU", 0) >= gpus for node in nodes):
        warnings.warn(  # not an error: clusters that grow on demand start with less
            f"no node of the cluster has {cpus} CPU cores and {gpus:g} GPUs for a run: waiting for "
            "one to join; ask for less with cpus and gpus",
            stacklevel=4,
        )
    return gpus


def _submit(ray, configs: list[Config], gpus: float, cpus: int) -> dict:
    """References of the tasks with their configs."""
    variables = {name: os.environ[name] for name in PASSED_ON if os.environ.get(name)}
    # where own code lies here it is looked for on the nodes as well
    variables["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    own = {"num_cpus": cpus, "num_gpus": gpus, "max_retries": RETRIES}
    task = ray.remote(train_here).options(**own, runtime_env={"env_vars": variables})
    return {task.remote(c.to_dict(places=True), c.name, cpus, gpus): c for c in configs}


def _collect(ray, pending: dict, gpus: float, cpus: int, board: Board) -> None:
    """Store what comes back until nothing is pending; a finished task leaves ``pending``."""
    while pending:
        there = ray.cluster_resources()
        fit = [there.get("CPU", 0) / cpus, *([there.get("GPU", 0) / gpus] if gpus else [])]
        # Ray hands tasks out in their order, so the first ones are those that train
        board.running(list(pending.values())[: int(min(fit))])
        finished, _ = ray.wait(list(pending), timeout=POLL, fetch_local=False)
        for ref in finished:
            try:
                _keep(pending[ref], ray.get(ref))
            except _RunFailed as error:
                reason = str(error)
            except ray.exceptions.RayError as error:  # its first sentence: they go on for a page
                lines = [line.strip() for line in str(error).splitlines() if line.strip()]
                reason = f"{type(error).__name__}: {lines[0] if lines else 'no reason given'}"
            else:
                reason = ""
            board.ended(pending.pop(ref), reason)


class _RunFailed(RuntimeError):
    """What a task says instead of a record."""


def _keep(config: Config, outcome: dict) -> None:
    """Write the files of a run, its record last, as ``run`` would have done here."""
    if "failure" in outcome:
        raise _RunFailed(outcome["failure"])
    record, files, name = outcome["record"], outcome["files"], outcome["name"]
    wanted = {record["weights_sha256"], (record.get("selection") or record)["weights_sha256"]}
    sent = {sha256(content[64:]) for content in files.values()}  # each behind its own SHA-256
    path = store.path_of(config)
    if not wanted <= sent or not name.startswith(config.name):
        raise _RunFailed("what the node sent is not this run, or not all of it: try again")
    if name != path.stem:
        raise _RunFailed(
            "the node trained from other weights or photographs than those that lie here: make "
            "them the same"
        )
    # Another process here may train the same run: then `sweep` waits for its record at the end.
    with contextlib.suppress(Timeout), store.only_one(path, wait=False):
        for file, content in files.items():
            atomic_write(path.parent / file, content)
        store.write(record, path)


def train_here(settings: dict, name: str, cpus: int, gpus: float) -> dict:
    """Ray's task: one run trained on this node; its record, name and files, or why it failed."""
    try:
        config = None
        with contextlib.suppress(TypeError, ValueError):
            config = Config(**settings)
        if config is None or config.name != name:
            raise RuntimeError(
                "this node has another version of entreg_utils, or of own code: install the same "
                "everywhere"
            )
        if gpus and pick_device().type == "cpu":
            raise RuntimeError("Ray gives this run a GPU that PyTorch there cannot use")
        torch.set_num_threads(cpus)
        folder = scratch_folder() / name
        with variable("ENTREG_RESULTS", str(folder)):
            record, name = train(config, progress=False), store.path_of(config).stem
        files = {path.name: path.read_bytes() for path in folder.glob("*.pt")}
    except Exception as error:  # as a sentence: the driver may not have the error's class
        return {"failure": f"{type(error).__name__}: {error} [on {socket.gethostname()}]"}
    shutil.rmtree(folder, ignore_errors=True)
    return {"record": record, "name": name, "files": files}


def scratch_folder() -> Path:
    """Where tasks of this user train on this node: found again by a later attempt."""
    user = os.getuid() if hasattr(os, "getuid") else "runs"
    return environment("ENTREG_SCRATCH") or Path(tempfile.gettempdir()) / f"entreg-{user}"
