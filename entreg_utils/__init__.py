"""Weakly supervised object localisation, and what entropy regularisation does to it."""

__version__ = "0.1.0"
