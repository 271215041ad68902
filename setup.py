"""Put what the package reads beside its code into it, so that an installed copy has it as well.

Everything else is in pyproject.toml. In a checkout, installed as editable or not at all, these
files are read where they lie (``entreg_utils.files.shipped``), and nothing is copied.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

SHIPPED = (
    *("data/README.md", "data/*.json", "data/runs/*.json", "data/runs/*.pt"),
    *("notebooks/[0-9][0-9]_*.ipynb", "notebooks/maxsup.py", "notebooks/stage_energy.py"),
    *("requirements.txt", "constraints.txt", "docs/glossary.md"),
)


class Build(build_py):
    """The usual one, and then the copies."""

    def run(self):
        super().run()
        # What an earlier build left there may be gone from the project.
        shutil.rmtree(Path(self.build_lib, "entreg_utils", "_project"), ignore_errors=True)
        for file in () if self.editable_mode else self.shipped():
            target = Path(self.build_lib, "entreg_utils", "_project", file)
            target.parent.mkdir(parents=True, exist_ok=True)
            self.copy_file(str(file), str(target))

    def shipped(self):
        return [file for pattern in SHIPPED for file in sorted(Path().glob(pattern))]


setup(cmdclass={"build_py": Build})
