#!/usr/bin/env python
"""Django's command line for the example bank: `python example_project/manage.py <command>`."""

import os
import sys
from pathlib import Path

from django.core.management import execute_from_command_line


def main() -> None:
    """Run one command with the bank's settings."""
    here = Path(__file__).resolve().parent
    # Started as a script, Python puts this folder on the path; the project is imported from its parent.
    sys.path[:] = [str(here.parent), *(entry for entry in sys.path if entry != str(here))]
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example_project.settings")
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
