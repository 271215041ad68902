"""Notebooks are compared without bars, which only a slow machine shows, as they were built."""

import os

os.environ["TQDM_DISABLE"] = "1"
os.environ["ENTREG_CONTRAST"] = "1"
