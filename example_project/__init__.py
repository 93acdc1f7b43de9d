"""A small bank that shows what django-authsignal does. `make demo` runs it."""
