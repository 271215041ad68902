"""Sweeps on a real Ray cluster of two nodes on this machine, one of which dies on the way."""

import contextlib
import importlib.util
import os
import sys
import time
from dataclasses import replace

import psutil
import pytest
from entreg_utils.experiments.board import Board
from entreg_utils.experiments.node import train_here

from entreg_utils.experiments import Config, SweepError, cluster, run, store, sweep
from entreg_utils.files import StorageError

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray is not installed: pip install ray"
)
SMALL = Config(
    regularizer="kl_uniform",
    strength=1.0,
    num_train=100,
    epochs=4,
    width=4,
    image_size=32,
    num_classes=4,
)
NODE = {"num_cpus": 1, "object_store_memory": 80_000_000}
SAME = ("config", "history", "metrics", "panel", "maps", "weights_sha256")


@pytest.fixture(scope="module")
def two_nodes():
    """A cluster whose second node a test may kill."""
    from ray.cluster_utils import Cluster

    impatient = {"health_check_period_ms": 500, "health_check_failure_threshold": 4}
    head = NODE | {"include_dashboard": False, "_system_config": impatient}
    nodes = Cluster(initialize_head=True, head_node_args=head)
    nodes.second = nodes.add_node(**NODE)
    yield nodes
    nodes.shutdown()


@pytest.fixture
def folders(tmp_path, monkeypatch, one_thread):
    """An empty project; gives the folder of the results."""
    for name in ("root", "results", "scratch"):
        monkeypatch.setenv(f"ENTREG_{name.upper()}", str(tmp_path / name))
    monkeypatch.delenv("ENTREG_FRESH", raising=False)
    return tmp_path / "results"


@needs_ray
def test_a_node_dies_and_every_record_is_as_if_trained_here(
    folders, two_nodes, monkeypatch, capsys
):
    """One sweep: a run that breaks, a node that dies under a run, and three runs that succeed."""
    good = [replace(SMALL, seed=seed) for seed in range(3)]
    bad = replace(SMALL, learning_rate=1e30, epochs=3)
    places, killed, attempts = _places_of_runs(monkeypatch), [], {}
    plain = Board.running

    def kill_once(board, where):
        begun = places()
        attempts.update({name: attempt for name, (_, _, attempt) in begun.items()})
        training = {config.name for config in where}
        on_second = [c for c in begun if begun[c][1] == two_nodes.second.node_id and c in training]
        if not killed and on_second:
            killed.append(on_second[0])
            _cut_power(two_nodes)
        plain(board, where)

    monkeypatch.setattr(cluster, "POLL", 0.1)  # see the first run of that node while it trains
    monkeypatch.setattr(Board, "running", kill_once)
    with _connected_to_head(two_nodes), pytest.raises(SweepError) as caught:
        sweep([*good, bad], cluster="auto")
    first, reason = str(caught.value).splitlines()
    assert first.startswith("1 of 4 runs failed, 3 are stored")
    assert reason.startswith(f"  {bad.name}: TrainingError: training stopped at step")
    assert f"[on {os.uname().nodename}]" in reason

    printed = capsys.readouterr().err
    assert {name for name, attempt in attempts.items() if attempt > 1} == set(killed) != set()
    assert f"started {killed[0]} on {os.uname().nodename}" in printed
    assert printed.count(" done ") >= 3 and f"failed {bad.name}: TrainingError" in printed
    assert "(3 done, 0 running, 1 failed, 0 left of 4)" in printed
    # the driver's files, and none but those that `run` leaves behind
    assert {path.suffix for path in folders.iterdir()} <= {".json", ".pt", ".lock", ".jsonl"}
    remote = {config: store.find(config) for config in good}
    models = [result.model() for result in sweep(good)]  # the checkpoints came along
    assert len(models) == 3

    monkeypatch.setenv("ENTREG_RESULTS", str(folders.parent / "here"))
    monkeypatch.setattr(Board, "running", plain)
    for config in good:
        run(config, progress=False)  # on one thread, as the tasks
        here = store.find(config)
        assert {name: here[name] for name in SAME} == {n: remote[config][n] for n in SAME}


@contextlib.contextmanager
def _connected_to_head(two_nodes):
    """Within it Ray is connected through the head; on one machine any of its nodes may be taken."""
    import ray

    for _ in range(50):
        ray.init(two_nodes.address, log_to_driver=False, logging_level="ERROR")
        if ray.get_runtime_context().get_node_id() == two_nodes.head_node.node_id:
            break
        ray.shutdown()
    else:
        raise AssertionError("Ray never took the head")
    try:
        yield
        assert ray.is_initialized()  # a connection that was there before stays
    finally:
        ray.shutdown()


def _cut_power(two_nodes):
    """End all processes of the second node at once: its workers, then itself."""
    raylet = two_nodes.second.all_processes["raylet"][0].process
    for process in psutil.Process(raylet.pid).children(recursive=True):
        process.kill()
    two_nodes.remove_node(two_nodes.second, allow_graceful=False)


def _places_of_runs(monkeypatch):
    """Spy on the actor: a function that gives host, node and attempt of each run begun so far."""
    handles, plain = [], cluster._submit
    monkeypatch.setattr(cluster, "_submit", lambda *a: (handles.append(plain(*a)), handles[-1])[1])

    def places():
        import ray

        return ray.get(handles[-1][1].places.remote())

    return places


@needs_ray
def test_ctrl_c_ends_the_tasks_and_keeps_what_is_stored(folders, two_nodes, monkeypatch):
    import ray

    short, forever = replace(SMALL, seed=8), replace(SMALL, seed=9, epochs=10_000)
    assert sweep([short], cluster=two_nodes.address, gpus=0)[0].config == short
    assert not ray.is_initialized()

    def interrupt(board, where):
        if forever in where:
            raise KeyboardInterrupt

    monkeypatch.setattr(Board, "running", interrupt)
    with _connected_to_head(two_nodes):
        with pytest.raises(KeyboardInterrupt):
            sweep([short, forever], cluster="auto")
        deadline = time.monotonic() + 60
        while ray.available_resources().get("CPU", 0) < ray.cluster_resources()["CPU"]:
            assert time.monotonic() < deadline, "a task outlived the interrupted sweep"
            time.sleep(0.2)
    assert [path.stem for path in folders.glob("*.json")] == [short.name]


@needs_ray
def test_no_cluster_is_one_sentence_that_says_how_to_start_one(folders, monkeypatch):
    import ray

    def refuses(address, **_):
        raise ConnectionError("Could not find any running Ray instance. Please specify.\nMore.")

    monkeypatch.setattr(ray, "init", refuses)
    with pytest.raises(cluster.ClusterError) as caught:
        sweep([SMALL], cluster="auto")
    sentence = str(caught.value)
    assert sentence.startswith("no Ray cluster at 'auto' (Could not find any running Ray instance")
    assert "`ray start --head`" in sentence and "\n" not in sentence
    assert not folders.exists()


def test_ray_that_is_not_installed_is_one_sentence(folders, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "entreg_utils\[ray\]"'):
        sweep([SMALL], cluster="auto")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"gpus": 1.5}, "gpus=1.5: a run takes a share"),
        ({"gpus": float("nan")}, "gpus=nan"),
        ({"cpus": 0}, "cpus=0"),
    ],
)
def test_shares_that_cannot_be_given_are_refused(folders, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        sweep([SMALL], cluster="auto", **options)


class FakeRay:
    def __init__(self, *nodes, dead=()):
        self.all = [{"Resources": n, "Alive": True} for n in nodes]
        self.all += [{"Resources": n, "Alive": False} for n in dead]

    def nodes(self):
        return self.all


def test_a_run_takes_one_gpu_where_there_are_any(recwarn):
    cpus, gpus = {"CPU": 8.0}, {"CPU": 8.0, "GPU": 2.0}
    assert cluster._gpus_of_a_run(FakeRay(cpus, dead=[gpus]), None, 1) == 0
    assert cluster._gpus_of_a_run(FakeRay(cpus, gpus), None, 8) == 1
    assert cluster._gpus_of_a_run(FakeRay(cpus, gpus), 0.25, 1) == 0.25
    assert not recwarn.list
    with pytest.warns(UserWarning, match="has 1 CPU cores and 0.5 GPUs for a run: waiting"):
        assert cluster._gpus_of_a_run(FakeRay(cpus), 0.5, 1) == 0.5
    with pytest.warns(UserWarning, match="has 9 CPU cores"):
        cluster._gpus_of_a_run(FakeRay(cpus, gpus), None, 9)


def test_what_arrives_damaged_or_late_is_not_stored(folders, monkeypatch):
    outcome = train_here(SMALL.to_dict(), SMALL.name, 1, 0)  # what a task would send
    assert not folders.exists()
    weights = outcome["files"][f"{SMALL.name}.pt"]
    cut = outcome | {"files": {f"{SMALL.name}.pt": weights[:-1]}}
    for damaged in (cut, outcome | {"files": {}}):
        with pytest.raises(RuntimeError, match="is not this run, or not all of it"):
            cluster._keep(SMALL, damaged)
    with pytest.raises(RuntimeError, match="is not this run"):
        cluster._keep(replace(SMALL, seed=1), outcome)
    with cluster.FileLock(folders / f"{SMALL.name}.lock"):
        cluster._keep(SMALL, outcome)
    assert store.find(SMALL) is None  # another process has it in hand
    cluster._keep(SMALL, outcome)
    assert store.find(SMALL)["weights_sha256"] == outcome["record"]["weights_sha256"]
    (folders.parent / "file").write_text("")
    monkeypatch.setenv("ENTREG_RESULTS", str(folders.parent / "file" / "below"))
    with pytest.raises(StorageError, match="ENTREG_RESULTS elsewhere"):
        cluster._keep(SMALL, outcome)
