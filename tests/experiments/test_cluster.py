"""Sweeps on a real Ray cluster of two nodes on this machine, one of which dies on the way."""

import contextlib
import importlib.util
import io
import sys
import time
from dataclasses import replace
from unittest.mock import MagicMock

import psutil
import pytest
import torch

from entreg_utils.experiments import SweepError, cluster, run, store, sweep, watch
from entreg_utils.experiments.cluster import train_here
from entreg_utils.experiments.watch import Board
from entreg_utils.files import StorageError
from entreg_utils.training import loop
from tests.conftest import alike

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray is not installed: pip install ray"
)
NODE = {"num_cpus": 1, "object_store_memory": 80_000_000}
OWN = "def probe(model, view, prediction):\n    return {'images': len(prediction.logits)}\n"


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
def scratch(tmp_path, monkeypatch):
    monkeypatch.setenv("ENTREG_SCRATCH", str(tmp_path / "scratch"))
    return tmp_path / "scratch"


@pytest.fixture
def whole(tmp_path, scratch, monkeypatch, one_thread):
    """An empty project, with splits of the usual size as the nodes have them; gives the results."""
    for name in ("root", "results"):
        monkeypatch.setenv(f"ENTREG_{name.upper()}", str(tmp_path / name))
    monkeypatch.delenv("ENTREG_FRESH", raising=False)
    return tmp_path / "results"


@pytest.fixture
def small(tiny):
    return replace(tiny, num_train=100, epochs=4, num_classes=4)


@pytest.fixture
def each_look(monkeypatch):
    """``each_look(action)``: what is done each time that the driver looks at the nodes."""
    plain = cluster._room
    monkeypatch.setattr(watch, "POLL", 0.1)  # see the first runs while they train
    return lambda action: monkeypatch.setattr(cluster, "_room", lambda *a: (action(), plain(*a))[1])


# ---- on two nodes


@needs_ray
def test_a_node_dies_and_every_record_is_as_if_trained_here(
    whole, scratch, two_nodes, small, own_code, each_look, monkeypatch, capsys
):
    """One sweep: a run that breaks, a node that dies under a run, and three runs that succeed."""
    own_code("mine", OWN)
    good = [replace(small, seed=seed, probes=["mine:probe"]) for seed in range(3)]
    bad = replace(small, learning_rate=1e30, epochs=3)
    killed = []

    def kill_once():
        if not killed and len(list(scratch.glob("*/*.lock"))) == 2:  # a run on each node
            killed.append(two_nodes.second)
            _cut_power(two_nodes)

    each_look(kill_once)
    with _connected_to_head(two_nodes), pytest.raises(SweepError) as caught:
        sweep([*good, bad], cluster="auto")
    first, reason = str(caught.value).splitlines()
    assert first.startswith("1 of 4 runs failed, 3 are stored")
    assert reason.startswith(f"  {bad.name}: TrainingError: training stopped at step")
    assert "[on " in reason and killed
    printed = capsys.readouterr().err
    assert printed.count(" done ") >= 3 and "failed kl_uniform 0.5 seed 0: TrainingErr" in printed
    assert "(3 done, 0 running, 1 failed, 0 left of 4)" in printed
    # the driver's files, and none but those that `run` leaves behind
    assert {path.suffix for path in whole.iterdir()} <= {".json", ".pt", ".lock", ".jsonl"}
    remote = {config: store.find(config) for config in good}
    models = [result.model() for result in sweep(good)]  # the checkpoints came along
    assert len(models) == 3 and "mine" not in sys.modules

    monkeypatch.setenv("ENTREG_RESULTS", str(whole.parent / "here"))
    for config in good:
        run(config, progress=False)  # on one thread, as the tasks
        assert alike(store.find(config), remote[config])


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


@needs_ray
def test_ctrl_c_ends_the_tasks_and_keeps_what_is_stored(
    whole, scratch, two_nodes, small, each_look
):
    import ray

    short, forever = replace(small, seed=8), replace(small, seed=9, epochs=10_000)
    assert sweep([short], cluster=two_nodes.address, gpus=0)[0].config == short
    assert not ray.is_initialized()

    def interrupt():
        if (scratch / forever.name).exists():
            raise KeyboardInterrupt

    each_look(interrupt)
    with _connected_to_head(two_nodes):
        with pytest.raises(KeyboardInterrupt):
            sweep([short, forever], cluster="auto")
        deadline = time.monotonic() + 60
        while ray.available_resources().get("CPU", 0) < ray.cluster_resources()["CPU"]:
            assert time.monotonic() < deadline, "a task outlived the interrupted sweep"
            time.sleep(0.2)
    assert [path.stem for path in whole.glob("*.json")] == [short.name]


# ---- no cluster, or not enough of it


@needs_ray
def test_no_cluster_is_one_sentence_that_says_how_to_start_one(project, small, monkeypatch):
    import ray

    def refuses(address, **_):
        raise ConnectionError("Could not find any running Ray instance. Please specify.\nMore.")

    monkeypatch.setattr(ray, "init", refuses)
    with pytest.raises(cluster.ClusterError) as caught:
        sweep([small], cluster="auto")
    sentence = str(caught.value)
    assert sentence.startswith("no Ray cluster at 'auto' (Could not find any running Ray instance")
    assert "`ray start --head`" in sentence and "\n" not in sentence and not project.exists()
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "entreg_utils\[ray\]"'):
        sweep([small], cluster="auto")


def test_shares_that_cannot_be_given_are_refused(project, small):
    for options in ({"gpus": 1.5}, {"gpus": float("nan")}, {"cpus": 0}, {"cpus": 1.5}):
        (name, value) = next(iter(options.items()))
        with pytest.raises(ValueError, match=f"{name}={value}: "):
            sweep([small], cluster="auto", **options)


def ray_of(*resources):
    """A Ray that is connected to such nodes, and to one that is gone."""
    nodes = [{"Alive": True, "Resources": own} for own in resources]
    nodes.append({"Alive": False, "Resources": {"CPU": 100.0, "GPU": 8.0}})
    total = {name: sum(own.get(name, 0) for own in resources) for name in ("CPU", "GPU")}
    return MagicMock(**{"nodes.return_value": nodes, "cluster_resources.return_value": total})


def test_as_many_runs_train_side_by_side_as_the_nodes_take():
    ray = ray_of({"CPU": 8.0}, {"CPU": 5.0, "GPU": 2.0})
    shares = {(1, 0): 13, (2, 0): 6, (9, 0): 0, (1, 1): 2, (2, 0.5): 2, (1, 0.25): 5}
    assert {share: cluster._room(ray, *share) for share in shares} == shares


def test_a_run_takes_a_gpu_where_there_are_some_and_what_no_node_has_is_a_warning(
    project, small, monkeypatch
):
    monkeypatch.setattr(Board, "follow", lambda *_: None)

    def share(ray, gpus, cpus):
        monkeypatch.setitem(sys.modules, "ray", ray)
        cluster.train_all([small], "auto", gpus, cpus, Board(1, io.StringIO()))
        own = ray.remote.return_value.options.call_args.kwargs
        return own["num_gpus"], own["num_cpus"]

    cpus, gpus = {"CPU": 8.0}, {"CPU": 4.0, "GPU": 2.0}
    assert share(ray_of(cpus), None, 1) == (0, 1)
    assert share(ray_of(cpus, gpus), None, 1) == (1, 1)
    assert share(ray_of(gpus), 0.25, 4) == (0.25, 4)
    with pytest.warns(UserWarning, match="has 1 CPU cores and 0.5 GPUs for a run: waiting"):
        assert share(ray_of(cpus), 0.5, 1) == (0.5, 1)
    with pytest.warns(UserWarning, match="has 9 CPU cores"):
        share(ray_of(cpus, gpus), 0, 9)


def test_photographs_that_are_not_here_are_said_before_a_cluster_is_asked(one, monkeypatch):
    def none(data, split, size=None):
        raise StorageError("no photographs here")

    monkeypatch.setitem(sys.modules, "ray", ray := ray_of())
    monkeypatch.setattr(type(one.data), "load", none)
    with pytest.raises(StorageError, match="no photographs here"):
        cluster.train_all([one], "auto", None, 1, Board(1, io.StringIO()))
    assert not ray.init.called


# ---- what a node does with a run, and what becomes of it here


def test_what_is_handed_over_is_what_run_stores_here(project, scratch, tiny, monkeypatch, tmp_path):
    threads = []
    with monkeypatch.context() as patch:
        patch.setattr(torch, "set_num_threads", threads.append)
        outcome = train_here(tiny.to_dict(places=True), tiny.name, 2, 0)
    assert threads == [2] and list(scratch.iterdir()) == [] and not project.exists()
    assert set(outcome) == {f"{tiny.name}{end}" for end in (".pt", ".best.pt", ".json")}
    run(tiny, progress=False)
    for end in (".pt", ".best.pt"):
        assert alike(outcome[tiny.name + end], (project / (tiny.name + end)).read_bytes())
    here = store.find(tiny)
    monkeypatch.setenv("ENTREG_RESULTS", str(tmp_path / "driver"))
    with store.only_one(store.path_of(tiny)):
        cluster._keep(tiny, outcome)
    assert store.find(tiny) is None  # another process has it in hand
    assert cluster._keep(tiny, outcome) is None and alike(store.find(tiny), here)
    assert cluster._keep(tiny, "no room") == "no room"
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ENTREG_RESULTS", str(tmp_path / "file" / "below"))
    with pytest.raises(StorageError, match="ENTREG_RESULTS for results"):
        cluster._keep(tiny, outcome)


def test_an_interrupted_run_goes_on_in_the_same_folder(
    project, scratch, trained, tiny, monkeypatch
):
    plain, steps = loop.regularised_loss, []

    def dies_in_the_second_epoch(*arguments):
        steps.append(1)
        if len(steps) == 5:
            raise RuntimeError("the power is off")
        return plain(*arguments)

    monkeypatch.setattr(loop, "regularised_loss", dies_in_the_second_epoch)
    outcome = train_here(tiny.to_dict(), tiny.name, 1, 0)
    assert outcome.startswith("RuntimeError: the power is off [on ")
    assert (scratch / tiny.name / f"{tiny.name}.partial").exists()
    again = train_here(tiny.to_dict(), tiny.name, 1, 0)
    assert len(steps) == 5 + 6  # the first epoch's three steps were not made again
    assert cluster._keep(tiny, again) is None
    assert alike(store.find(tiny), store.read(trained / f"{tiny.name}.json"))


def test_a_node_with_another_version_other_code_or_a_gpu_it_cannot_use_says_so(
    scratch, tiny, own_code, monkeypatch
):
    own_code("mine", OWN)
    config = replace(tiny, probes=["mine:probe"])
    before = config.name
    own_code("mine", OWN + "# changed\n")
    mine, changed = tiny.to_dict(), config.to_dict()
    cases = (mine, "toy-x"), ({"unheard": 1}, tiny.name), (changed, before)
    for settings, name in (*cases, (mine, f"{tiny.name}-01234567")):  # that of other photographs
        outcome = train_here(settings, name, 1, 0)
        assert "another version of entreg_utils, or other own code, weights or photog" in outcome
    monkeypatch.setattr(cluster, "pick_device", lambda: torch.device("cpu"))
    outcome = train_here(mine, tiny.name, 1, 0.5)  # no reason to train on the CPU
    assert "a GPU that PyTorch there cannot use" in outcome
    assert not scratch.exists()
