"""A wire-compatible Authsignal for development and tests: `python -m django_authsignal.emulator`.

A Django project of its own that runs in its own process; nothing else in the package imports it, HTTP is the only way
in. It is for loopback: never give it real people's data, and never point a production project at it.
"""
