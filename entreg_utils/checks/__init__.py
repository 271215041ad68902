"""Feedback on the exercises: ``checks.iou(answer)`` prints a sentence and never raises.

:mod:`~entreg_utils.checks.numbers` and :mod:`~entreg_utils.checks.functions` have a function for
each exercise, ``words.toml`` what is asked and what is said, :mod:`~entreg_utils.checks.check` the
mechanism, :mod:`~entreg_utils.checks.critique` the checklist for claims;
:mod:`~entreg_utils.checks.marks` writes what was passed: ``checks.report()``.
"""

from entreg_utils.checks import critique, functions, numbers
from entreg_utils.checks.marks import report as report

_CHECKS = numbers.CHECKS | functions.CHECKS | critique.CHECKS
globals().update(_CHECKS)
__all__ = [*_CHECKS]
