"""Every importance method, one line each: importing this fills the registry."""

from __future__ import annotations

from seewhy.importance.base import IMPORTANCES, ImportanceMethod
from seewhy.importance.gradient_x_input import GradientXInput
from seewhy.importance.hsic import HSIC
from seewhy.importance.integrated_gradients import IntegratedGradients
from seewhy.importance.occlusion import Occlusion
from seewhy.importance.rise import RISE
from seewhy.importance.shapley import Shapley
from seewhy.importance.sobol import Sobol

__all__ = [
    "HSIC",
    "IMPORTANCES",
    "GradientXInput",
    "ImportanceMethod",
    "IntegratedGradients",
    "Occlusion",
    "RISE",
    "Shapley",
    "Sobol",
]
