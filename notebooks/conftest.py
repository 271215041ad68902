"""Notebooks are compared without bars, which only a slow machine shows."""

import os

os.environ["TQDM_DISABLE"] = "1"
