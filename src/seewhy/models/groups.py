"""Groups of classes that share concepts: which classes are asked for together, and what is kept of each group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from seewhy.backbones.base import Backbone
from seewhy.concepts.base import Dictionary
from seewhy.errors import InputError, UnknownName, did_you_mean, message
from seewhy.models.stored import StoredFeatures
from seewhy.models.survey import class_index

Grouping = str | Mapping[str | int, str]
"""Either "class", "all", or from classes to names of groups."""

MAX_STRENGTHS = 1000
"""Of more members than this only so many quantiles are kept to rank a strength by."""


class FewPictures(UserWarning):
    """A dictionary was fitted on fewer pictures than its number of concepts needs."""


@dataclass(frozen=True, eq=False)
class Group:
    """Concepts that some classes share.

    Attributes
    ----------
    name
        The class, or what the user called the group.
    classes
        Indices of its classes.
    members
        Indices of the survey's pictures that are given one of them; what the dictionary was fitted on.
    strengths
        Mean codes of the members, each column sorted, or 1,000 quantiles of more: what a strength is ranked by.
    """

    name: str
    classes: tuple[int, ...]
    dictionary: Dictionary
    members: Int64[np.ndarray, " n"]
    strengths: Float[np.ndarray, "n k"]


def check_grouping(grouping: Grouping) -> None:
    """Refuse what is no grouping, before any picture is read."""
    if isinstance(grouping, str) and grouping not in ("class", "all"):
        raise UnknownName(
            message(
                f"groups is {grouping!r}.",
                "It is 'class', 'all' or a mapping from classes to names of groups.",
                did_you_mean(grouping, ["class", "all"]),
            )
        )
    if not isinstance(grouping, str):
        wrong = (
            next((pair for pair in grouping.items() if not _names_group(*pair)), None)
            if isinstance(grouping, Mapping)
            else grouping
        )
        if wrong is not None:
            raise InputError(
                message(
                    f"groups holds {wrong!r:.100}.",
                    "It is a mapping from each class, by name or index, to the name of its group.",
                    'For example {k: "animals" if k < 398 else "things" for k in range(1000)}.',
                )
            )


def asked_groups(backbone: Backbone, grouping: Grouping, n_classes: int) -> dict[str, list[int]] | None:
    """Classes of each group; None where each class that occurs is one."""
    if grouping == "class":
        return None
    if grouping == "all":
        return {"all": list(range(n_classes))}
    assert not isinstance(grouping, str)
    found: dict[str, list[int]] = {}
    taken: dict[int, str] = {}
    for name, group in grouping.items():
        row = class_index(backbone, name, n_classes)
        if taken.setdefault(row, group) != group:
            raise InputError(
                message(
                    f"{backbone.class_name(row)!r} is in the groups {taken[row]!r} and {group!r}.",
                    "A class is in one group.",
                    "Take it out of the other; names and indices mean the same classes.",
                )
            )
        if row not in found.setdefault(group, []):
            found[group].append(row)
    return found


def unique_name(backbone: Backbone, row: int, n_classes: int) -> str:
    """Name of a class, with its index where another class has the same."""
    name = backbone.class_name(row)
    alike = sum(backbone.class_name(k) == name for k in range(n_classes))
    return name if alike == 1 else f"{name} ({row})"


def too_few(warnings: Mapping[str, str], n_groups: int, least: int) -> str:
    """What the `FewPictures` warning says of the groups in `warnings`, of `n_groups` in all."""
    shown = "; ".join(list(warnings.values())[:3])
    more = f"; and {len(warnings) - 3} groups more" if len(warnings) > 3 else ""
    return (
        f"{len(warnings)} of {n_groups} groups have fewer than {least} pictures "
        f"per concept ({shown}{more}). Concepts found in so few describe these pictures, not the class: pass "
        f"more pictures, fewer concepts, or join classes with groups=."
    )


def strengths_of(
    dictionary: Dictionary, features: Tensor | StoredFeatures, members: Int64[np.ndarray, " n"]
) -> Float[np.ndarray, "m k"]:
    """`Group.strengths` of pictures."""
    return _quantiles(_mean_codes(dictionary, features, members))


def _names_group(key: object, group: object) -> bool:
    return isinstance(key, (str, int, np.integer)) and isinstance(group, str) and bool(group)


def _quantiles(codes: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "m k"]:
    """Each column sorted; quantiles where there are many."""
    if len(codes) <= MAX_STRENGTHS:
        return np.sort(codes, 0)
    quantiles: np.ndarray = np.quantile(codes, np.linspace(0, 1, MAX_STRENGTHS), axis=0)
    return quantiles


def _mean_codes(
    dictionary: Dictionary,
    features: Tensor | StoredFeatures,
    members: Int64[np.ndarray, " n"],
    step: int = 256,
) -> Float[np.ndarray, "n k"]:
    """Mean code of each member, in chunks."""
    found = [
        dictionary.maps(features[torch.from_numpy(members[start : start + step])]).mean((2, 3))
        for start in range(0, len(members), step)
    ]
    codes: np.ndarray = torch.cat(found).double().cpu().numpy()
    return codes
