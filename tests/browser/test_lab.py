"""JupyterLab as a student meets it: notebooks run from top to bottom, widgets moved by keyboard."""

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = ROOT / "notebooks"
SECONDS = 240  # for one notebook, on a machine that does other things as well
IDLE = "jupyterapp.shell.currentWidget.sessionContext.session?.kernel?.status == 'idle'"
COUNTS = """() => jupyterapp.shell.currentWidget.content.widgets
    .filter(cell => cell.model.type == 'code')
    .map(cell => cell.model.executionCount)"""
CELLS = """() => jupyterapp.shell.currentWidget.content.widgets
    .filter(cell => cell.model.type == 'code')
    .map(cell => ({count: cell.model.executionCount, tags: cell.model.getMetadata('tags') || [],
                   outputs: cell.model.sharedModel.toJSON().outputs}))"""


def unexecuted(source: Path, target: Path, solution: Path | None = None) -> None:
    """A copy without outputs; with a ``solution``, its answers stand in the exercise cells."""
    notebook = nbformat.read(source, as_version=4)
    answers = [] if solution is None else nbformat.read(solution, as_version=4).cells
    answers = iter([c.source for c in answers if "solution" in c.metadata.get("tags", [])])
    for cell in notebook.cells:
        if "exercise" in cell.metadata.get("tags", []) and solution is not None:
            cell.source = next(answers)
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    notebook.metadata.pop("widgets", None)
    assert next(answers, None) is None
    target.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, target)


# What a server says that still speaks to a page as it closes.
CLOSED = {"tornado.websocket.WebSocketClosedError", "tornado.iostream.StreamClosedError"}


@pytest.fixture(scope="module")
def server(tmp_path_factory, chromium):
    """Address of a JupyterLab on copies of the notebooks; its log holds no error at the end."""
    home = tmp_path_factory.mktemp("lab")
    for number in ("00", "04", "06", "09"):
        source = next(NOTEBOOKS.glob(f"{number}_*.ipynb"))
        unexecuted(source, home / "course" / source.name)
    name = "02_entropy_and_regularisers.ipynb"
    student = NOTEBOOKS / "exercises" / name
    unexecuted(student, home / "course" / "exercises" / name, NOTEBOOKS / name)
    settings = home / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    quiet = {"fetchNews": "false", "checkForUpdates": False}
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(quiet))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = {"JUPYTERLAB_SETTINGS_DIR": "settings", "JUPYTERLAB_WORKSPACES_DIR": "workspaces"}
    own |= {"JUPYTER_CONFIG_DIR": "config", "JUPYTER_RUNTIME_DIR": "runtime"}
    own |= {"ENTREG_RESULTS": "results", "IPYTHONDIR": "ipython"}
    environment = os.environ | {name: str(home / place) for name, place in own.items()}
    environment |= {"PYTHONPATH": str(ROOT), "JUPYTER_PREFER_ENV_PATH": "1", "OMP_NUM_THREADS": "1"}
    words = ["--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1", f"--port={port}"]
    words += ["--IdentityProvider.token=", "--LabApp.expose_app_in_browser=True"]
    words += [f"--ServerApp.root_dir={home / 'course'}"]
    with open(home / "log", "w+") as log:
        lab = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *words], stdout=log, stderr=log, env=environment
        )
        address = f"http://127.0.0.1:{port}"
        try:
            for _ in range(120):
                try:
                    urllib.request.urlopen(f"{address}/api", timeout=5).close()
                    break
                except OSError:
                    assert lab.poll() is None, (home / "log").read_text()
                    time.sleep(0.5)
            yield address
        finally:
            lab.terminate()
            lab.wait(30)
    said = (home / "log").read_text()
    raised = set(re.findall(r"^[\w.]+(?:Error|Exception)\b", said, re.MULTILINE))
    assert raised <= CLOSED and "[E " not in said, said


@pytest.fixture
def opened(server, chromium):
    """Opens a notebook in Lab, runs all its cells, and gives the page and the cells."""
    page = chromium.new_page(viewport={"width": 1280, "height": 1000})
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)

    def run(path: str) -> tuple:
        page.goto(f"{server}/lab/tree/{path}?reset")
        page.wait_for_function("window.jupyterapp?.shell.currentWidget?.context?.isReady")
        page.wait_for_function(IDLE)
        page.evaluate("() => { jupyterapp.commands.execute('notebook:run-all-cells') }")
        for _ in range(SECONDS):
            page.wait_for_timeout(1000)
            idle = page.evaluate(IDLE)
            if idle and all(page.evaluate(COUNTS)):
                break
        cells = page.evaluate(CELLS)
        outputs = [output for cell in cells for output in cell["outputs"]]
        bad = [o for o in outputs if o["output_type"] == "error" or o.get("name") == "stderr"]
        assert not bad, bad
        assert [cell["count"] for cell in cells] == list(range(1, len(cells) + 1))
        return page, cells

    yield run
    page.close()
    assert not errors


def widgets_of(cells: list[dict]) -> list[int]:
    view = "application/vnd.jupyter.widget-view+json"
    return [
        index
        for index, cell in enumerate(cells)
        if any(view in output.get("data", {}) for output in cell["outputs"])
    ]


@pytest.mark.parametrize("number", ["00", "04", "06", "09"])
def test_notebooks_run_and_their_widgets_answer_the_keyboard(opened, shots, number):
    path = next(NOTEBOOKS.glob(f"{number}_*.ipynb"))
    page, cells = opened(path.name)
    moved = widgets_of(cells)
    assert bool(moved) == (number != "00")
    for index in moved:
        page.evaluate(
            """index => {
                const notebook = jupyterapp.shell.currentWidget.content;
                const cells = notebook.widgets.filter(cell => cell.model.type == 'code');
                return notebook.scrollToItem(notebook.widgets.indexOf(cells[index]), 'center');
            }""",
            index,
        )
        area = page.locator(".jp-OutputArea-output").filter(has=page.get_by_role("slider"))
        area = area.filter(has=page.locator("img")).last
        area.scroll_into_view_if_needed()
        for slider in area.get_by_role("slider").all():
            before = area.locator("img").first.get_attribute("src"), area.inner_text()
            slider.focus()
            page.keyboard.press("ArrowRight")
            page.wait_for_timeout(200)
            for _ in range(100):
                after = area.locator("img").first.get_attribute("src"), area.inner_text()
                if after[0] != before[0] and after[1] != before[1]:
                    break
                page.wait_for_timeout(100)
            assert after[0] != before[0] and after[1] != before[1]
        shots(page, f"lab_{number}_{index}")


def test_a_student_who_solves_the_exercises_is_told_so(opened):
    name = "02_entropy_and_regularisers.ipynb"
    _, cells = opened(f"exercises/{name}")

    def told(cells):
        checks = [cell for cell in cells if "check" in cell["tags"]]
        return ["".join(out["text"] for out in cell["outputs"]) for cell in checks]

    stored = nbformat.read(NOTEBOOKS / name, as_version=4).cells
    stored = [cell | {"tags": cell.metadata.get("tags", [])} for cell in stored]
    assert told(cells) == told(stored) and all("right" in text for text in told(cells))
