"""Feedback on the exercises: ``checks.iou(answer)`` prints a sentence and never raises.

:mod:`~entreg_utils.checks.answers` has a function for each exercise, ``words.toml`` what is said,
:mod:`~entreg_utils.checks.check` the mechanism, :mod:`~entreg_utils.checks.critique` the checklist
for claims; :mod:`~entreg_utils.checks.marks` writes what was passed: ``checks.report()``.
"""

from entreg_utils.checks.answers import *  # noqa: F403
from entreg_utils.checks.answers import __all__ as __all__
from entreg_utils.checks.marks import report as report
