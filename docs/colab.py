"""Make the course run where the platform brings its own Python, such as Colab. In a first cell:

    !git clone -q REPOSITORY entreg
    %run entreg/docs/colab.py

Only what is missing is installed. Whatever is there keeps its version, torch and numpy above all,
which fit the platform's GPU and each other: pip is held to every version that it finds.
"""

import importlib.metadata
import os
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from entreg_utils.doctor import installed_version, release, requirements  # noqa: E402

NOT_HERE = "jupyterlab", "nbval"  # the platform has its own page, and no tests run there


def wanted() -> dict[str, str]:
    """Package -> lower bound, of what the notebooks import."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    photo = (line.split(">=") for line in project["optional-dependencies"]["photo"])
    return {
        name: own for name, own in (requirements() | dict(photo)).items() if name not in NOT_HERE
    }


def install(run=subprocess.run) -> list[str]:
    """Install what is missing; ``run`` stands for :func:`subprocess.run`. Gives what it was.

    Raises:
        RuntimeError: pip could not install it beside what is there.
    """
    versions = {name: installed_version(name) for name in wanted()}
    missing = [f"{name}>={own}" for name, own in wanted().items() if versions[name] is None]
    for name, own in wanted().items():
        if versions[name] and release(versions[name]) < release(own):
            print(
                f"note: {name} {versions[name]} is here and stays; the course knows {own} or newer"
            )
    if missing:
        there = importlib.metadata.distributions()
        pins = sorted({f"{one.name}=={one.version}" for one in there if one.name})
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "there.txt").write_text("\n".join(pins), encoding="utf-8")
            pip = [sys.executable, "-m", "pip", "install", "-q", "-c", f"{folder}/there.txt"]
            if run([*pip, *missing]).returncode:
                raise RuntimeError(
                    f"pip could not add {', '.join(missing)} beside what this platform has: "
                    "see its message above"
                )
    return missing


if __name__ == "__main__":
    print("installed:", ", ".join(install()) or "nothing, all is here")
    os.chdir(ROOT / "notebooks")  # their working folder, as in JupyterLab
