"""Do the tests notice a changed line? A sample of cosmic-ray's mutants; ``make mutants``.

Each mutant is tried in a copy of the repository by the tests of its room, see ``mutation.toml``.
"""

import argparse
import ast
import contextlib
import os
import random
import shutil
import sys
import tempfile
from pathlib import Path

from cosmic_ray.commands.init import init
from cosmic_ray.config import load_config
from cosmic_ray.modules import find_modules
from cosmic_ray.mutating import mutate_and_test
from cosmic_ray.testing import run_tests
from cosmic_ray.work_db import WorkDB, use_db

ROOT = Path(__file__).resolve().parents[1]
LEFT_OUT = shutil.ignore_patterns(".venv", ".git", "__pycache__", "results")


def annotations(path: Path) -> list[tuple]:
    """Where type annotations begin and end: changed there, nothing else runs."""
    nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
    found = [getattr(node, kind, None) for node in nodes for kind in ("annotation", "returns")]
    return [((a.lineno, a.col_offset), (a.end_lineno, a.end_col_offset)) for a in found if a]


def within(position: tuple, spans: list[tuple]) -> bool:
    """Whether a (line, column) lies in one of them."""
    return any(low <= position < high for low, high in spans)


def main(argv: list[str] | None = None) -> int:
    """Print each sampled mutant's fate, and what survived; 1 where fewer than 90 % are killed."""
    parser = argparse.ArgumentParser(prog="mutants", description=__doc__)
    parser.add_argument("--count", type=int, default=100, help="mutants that are tried")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        shutil.copytree(ROOT, folder, ignore=LEFT_OUT, dirs_exist_ok=True)
        os.environ |= {"PYTHONPATH": folder, "NUMBA_CACHE_DIR": "numba", "OMP_NUM_THREADS": "1"}
        config = load_config("benchmarks/mutation.toml")
        modules = list(find_modules(map(Path, config["module-path"])))
        typed = {path: annotations(path) for path in modules}
        with use_db(Path("mutants.sqlite"), WorkDB.Mode.create) as db:
            init(modules, db, {})
            everything = sorted((item.mutations[0] for item in db.work_items), key=repr)
        mutants = [one for one in everything if not within(one.start_pos, typed[one.module_path])]
        chosen, survived = random.Random(args.seed).sample(mutants, args.count), 0
        rooms = [one.module_path.parts[1] for one in chosen]
        commands = {r: config.test_command.format(python=sys.executable, room=r) for r in rooms}
        for room, command in commands.items():
            if run_tests(command, config.timeout)[0] != "survived":
                raise SystemExit(f"the tests of {room} fail unchanged: mend them first")
        for one, room in zip(chosen, rooms, strict=True):
            shutil.rmtree("numba", ignore_errors=True)  # a caller may have the old code compiled in
            result = mutate_and_test([one], commands[room], config.timeout)
            line = f"{one.module_path}:{one.start_pos[0]} {one.operator_name.split('/')[-1]}"
            print(f"{result.test_outcome.value:12}{line}", flush=True)
            if result.test_outcome == "survived":
                survived += 1
                print(result.diff)
    print(f"{args.count - survived} of {args.count} mutants killed (of {len(mutants):,} there are)")
    return int(survived > 0.1 * args.count)


if __name__ == "__main__":
    sys.exit(main())
