"""Which door of a project asks what: read from its URLs, its admin and its code. Nothing is called, nothing is sent.

What is not installed is not imported: views of frameworks are known by their shape.
"""

from .doors import Asked, Door
from .observed import observations
from .report import Gap, Report, read

__all__ = ["Asked", "Door", "Gap", "Report", "observations", "read"]
