"""The concept bottlenecks by what they call themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seewhy.models.labelfree_cbm import LabelFreeCBM
from seewhy.models.labelled_cbm import LabelledCBM
from seewhy.models.posthoc_cbm import PostHocCBM
from seewhy.models.salf_cbm import SALFCBM

BOTTLENECKS: Mapping[str, type[Any]] = {
    made.kind: made for made in (SALFCBM, LabelFreeCBM, PostHocCBM, LabelledCBM)
}
