"""Step-up authentication for Django with Authsignal."""

__version__ = "0.1.0"
