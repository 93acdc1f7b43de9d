"""Sphinx."""

project = "django-authsignal"
author = "The django-authsignal authors"
extensions = ["myst_parser"]
html_theme = "furo"
exclude_patterns = ["_build", "_matrix.md"]
myst_heading_anchors = 3
