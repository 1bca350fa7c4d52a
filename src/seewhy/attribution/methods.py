"""Every attribution method, one line each: importing this fills the registry."""

from __future__ import annotations

from seewhy.attribution.base import METHODS, Method
from seewhy.attribution.gradcam import GradCAM
from seewhy.attribution.occlusion import Occlusion

__all__ = ["METHODS", "GradCAM", "Method", "Occlusion"]
