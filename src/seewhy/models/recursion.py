"""What a concept is made of: the pieces in which it is strong, factorised again at an earlier layer.

The parent's code takes the place of the logit: how much each part counts is asked of the function from the
earlier features to the parent's code.

Fel et al., CVPR 2023 (arXiv 2211.10154), section 3.2. Neither the rule by which crops are chosen nor a depth is
stated with the code; the 90th percentile, the number of parts and the refusal below are ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from seewhy.errors import InputError, message
from seewhy.images.picture import Picture
from seewhy.importance.base import Importance
from seewhy.models.craft import CRAFT
from seewhy.models.crops import CROP, box_around

PERCENTILE = 90
MIN_CROPS, MAX_CROPS = 50, 1000
POOR = 0.6
"""A relative error above this says that the parts do not describe the crops."""


@dataclass(frozen=True, eq=False)
class Recursion:
    """The parts of a concept.

    Attributes
    ----------
    parent
        Name of the concept.
    craft
        The parts, as a CRAFT whose classes are the parent's siblings, so that it can be asked and recursed again.
    importance
        How much each part counts for the parent's code in each crop.
    crops
        The crops as pictures.
    notes
        What to be careful about, in words.
    """

    parent: str
    craft: CRAFT
    importance: Importance
    crops: tuple[Picture, ...]
    notes: tuple[str, ...]

    def to_text(self) -> str:
        """The parts for a terminal, strongest first."""
        values = np.asarray(self.importance.values).mean(0)
        names = next(iter(self.craft.groups.values())).dictionary.names
        order = np.argsort(-np.abs(values))
        rows = [f"  {names[k]:<12} {values[k]:+.3g}" for k in order]
        return "\n".join(
            [f"{self.parent}, from {len(self.crops)} crops ({self.importance.method}):", *rows, *self.notes]
        )


def recurse(
    craft: CRAFT,
    target: int | str,
    concept: int | str,
    *,
    at: str,
    n_concepts: int | None = None,
    method: str = "occlusion",
    side: float = CROP,
    **parameters: Any,
) -> Recursion:
    """Find the parts of a concept at an earlier layer.

    Parameters
    ----------
    craft, target, concept
        A fitted CRAFT, a class and one of its concepts.
    at
        A layer before the concept's own.
    n_concepts
        Parts; default 10, or one for 20 crops if that is less.
    method, parameters
        How much each part counts, as in `CRAFT.importance`; "sobol" is the paper's. The function runs the whole
        network, so methods with few evaluations are the cheap ones.
    side
        Of the crops, as a share of the input's shorter side.

    Raises
    ------
    InputError
        If the concept is active in fewer pictures than two for each part, or the layer is not an earlier one.
    LayerNotFound
        If there is no such layer.
    """
    data, row = craft.survey, craft.row_of(target)
    group, at = craft.group_of(row), _earlier(craft, at)
    k, pictures = group.dictionary.index(concept), craft.pictures_of(row)
    maps = group.dictionary.maps(data.features[torch.from_numpy(pictures)])[:, k].cpu().numpy()
    peaks = maps.reshape(len(maps), -1).max(1)
    order = [int(i) for i in np.argsort(-peaks, kind="stable") if peaks[i] > 0]
    above = int((peaks >= np.percentile(peaks, PERCENTILE)).sum())
    chosen = order[: min(max(above, MIN_CROPS), MAX_CROPS)]
    n_parts = n_concepts or max(1, min(10, len(chosen) // 20))
    if len(chosen) < 2 * n_parts:
        raise InputError(
            message(
                f"{group.dictionary.names[k]} is active in {len(chosen)} pictures.",
                f"{n_parts} parts need at least {2 * n_parts} crops.",
                "Fit on more pictures, or ask for fewer parts.",
            )
        )
    crops = []
    for i in chosen:
        seen = data.seen[int(pictures[i])]
        y, x = np.unravel_index(int(maps[i].argmax()), maps.shape[1:])
        x0, y0, x1, y1 = box_around(seen, (int(y), int(x)), (maps.shape[1], maps.shape[2]), side)
        pixels = seen.picture().pixels[
            int(y0) : max(int(y0) + 1, round(y1)), int(x0) : max(int(x0) + 1, round(x1))
        ]
        crops.append(Picture(np.ascontiguousarray(pixels), f"{seen.name} [{i}]"))
    parts = CRAFT(
        craft.concept_backbone(row),
        n_concepts=n_parts,
        dictionary=craft.dictionary,
        at=f"module.{at}",
        groups="all",
        seed=craft.seed,
        **craft.options,
    ).fit(crops)
    importance = parts.importance(k, method, pictures=range(len(crops)), **parameters)
    report, notes = parts.groups["all"].dictionary.report, []
    if len(crops) < MIN_CROPS:
        notes.append(f"only {len(crops)} crops: parts found in fewer than {MIN_CROPS} describe these crops")
    if report.rel_l2 > POOR:
        notes.append(f"the parts miss {report.rel_l2:.0%} of the crops' features: do not read them")
    return Recursion(group.dictionary.names[k], parts, importance, tuple(crops), tuple(notes))


def _earlier(craft: CRAFT, at: str) -> str:
    """The name of a layer, if it comes before that of the concepts."""
    backbone = craft.backbone
    order = [(candidate.layer.name, candidate.layer.call) for candidate in backbone.layers()]
    asked, own = backbone.layer(at).layer, craft.survey.split.layer
    if order.index((asked.name, asked.call)) >= order.index((own.name, own.call)):
        raise InputError(
            message(
                f"{asked.name!r} does not come before {own.name!r}, where the concept was found.",
                "A concept is made of what an earlier layer computes.",
                f"The first layers are {', '.join(dict.fromkeys(name for name, _ in order[:5]))}.",
            )
        )
    return asked.name
