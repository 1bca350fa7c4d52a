"""Shape aliases and small enumerations shared by all floors; importing it loads no array library."""

from __future__ import annotations

from typing import Literal

Kind = Literal["share", "effect", "variance"]
"""What a contribution means: a part of the logit (adds up), a change when edited, or unsigned importance."""

Size = tuple[int, int]
"""(height, width) in pixels or cells."""

Box = tuple[float, float, float, float]
"""(x0, y0, x1, y1) in pixels of the original picture, half-open."""

Point = tuple[float, float]
"""(x, y) in pixels of the original picture."""
