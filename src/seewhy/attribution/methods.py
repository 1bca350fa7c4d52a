"""Every attribution method, one line each: importing this fills the registry."""

from __future__ import annotations

from seewhy.attribution.attention_relevance import AttentionRelevance
from seewhy.attribution.base import METHODS, Method
from seewhy.attribution.eigencam import EigenCAM
from seewhy.attribution.gradcam import GradCAM
from seewhy.attribution.hirescam import HiResCAM
from seewhy.attribution.input_x_gradient import InputXGradient
from seewhy.attribution.integrated_gradients import IntegratedGradients
from seewhy.attribution.layercam import LayerCAM
from seewhy.attribution.legrad import LeGrad
from seewhy.attribution.occlusion import Occlusion
from seewhy.attribution.rise import RISE
from seewhy.attribution.saliency import Saliency
from seewhy.attribution.scorecam import ScoreCAM
from seewhy.attribution.smoothgrad import SmoothGrad

__all__ = [
    "METHODS",
    "AttentionRelevance",
    "EigenCAM",
    "GradCAM",
    "HiResCAM",
    "InputXGradient",
    "IntegratedGradients",
    "LayerCAM",
    "LeGrad",
    "Method",
    "Occlusion",
    "RISE",
    "Saliency",
    "ScoreCAM",
    "SmoothGrad",
]
