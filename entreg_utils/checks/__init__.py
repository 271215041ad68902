"""Feedback on the exercises, one module a notebook: every check prints a sentence, none raises."""
