"""The audit as one of the things that `plant` asks: what the concepts that it accuses add, place by place."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

from seewhy.audit.audit import audit
from seewhy.audit.plant_report import MarkedPictures
from seewhy.explanation.answers import Answers
from seewhy.images.picture import Picture
from seewhy.models.classifier import Classifier
from seewhy.models.groups import FewPictures


def audit_finder(
    pictures: Sequence[Picture], *, n_concepts: int = 10, seed: int = 0, batch_size: int | None = None
) -> Callable[[Classifier, MarkedPictures], Float[np.ndarray, "n h w"]]:
    """A finder that audits `pictures` and maps what the accused concepts add to the target; zero if none is."""

    def find(model: Classifier, marked: MarkedPictures) -> Float[np.ndarray, "n h w"]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FewPictures)  # a class of few pictures is never accused
            found = audit(model, pictures, n_concepts=n_concepts, seed=seed, batch_size=batch_size)
        accused = [s.concept.index for s in found.shortcuts(None).accused if s.class_name == marked.target]
        height, width = found.craft.survey.features.shape[2:]
        maps = np.zeros((len(marked), height, width))
        if accused:
            explained = found.craft.explain(list(marked), marked.target, batch_size=batch_size)
            assert isinstance(explained, Answers)
            for i, answer in enumerate(explained):
                for k in accused:
                    shares = answer.concept(k).shares
                    assert shares is not None
                    maps[i] += shares
        return maps

    return find
