"""QR codes as pictures that a strict policy lets in."""

from __future__ import annotations

import base64
import io


def qr(text: str, error: str = "m") -> str:
    """A data: URL of an SVG. `error`: how much of it may be dirty, l, m, q or h; a long text needs l to stay coarse."""
    import segno  # noqa: PLC0415  15 ms that a start need not pay

    out = io.BytesIO()
    # Dark on light in both colour schemes: many readers do not see an inverted code.
    segno.make(text, error=error, micro=False).save(
        out, kind="svg", scale=5, border=4, dark="#000", light="#fff", xmldecl=False, svgclass=None, lineclass=None
    )
    return f"data:image/svg+xml;base64,{base64.b64encode(out.getvalue()).decode()}"
