"""What the audit's page says in words: its verdict, what was audited, and numbers as parts of a hundred."""

from __future__ import annotations

import os
from pathlib import Path

from seewhy.audit.audit import Audit, Shortcuts
from seewhy.audit.shortcuts import MIN_PICTURES

SPACE = "\u00a0"
"""Does not break, so that a number stays with its unit."""


def verdict(audit: Audit, shortcuts: Shortcuts) -> str:
    """The heading: how many concepts look like shortcuts, or why none can be said to."""
    n = len(shortcuts.accused)
    if n == 0 and all(len(audit.craft.pictures_of(row)) < MIN_PICTURES for row in audit.rows):
        return f"Nothing can be accused: no class has {MIN_PICTURES} pictures"
    if n == 0:
        return "No concept looks like a shortcut"
    # With all that are shown accused there may be more below.
    least = "At least " if n == len(shortcuts) >= 10 else ""
    return f"{least}{n} concepts look like shortcuts" if n > 1 else "1 concept looks like a shortcut"


def data_name(audit: Audit) -> str:
    """Name of the folder that holds all pictures; nothing if they come from several or from memory."""
    paths = [seen.path for seen in audit.craft.survey.seen]
    if not all(isinstance(path, (str, os.PathLike)) for path in paths):
        return ""
    # Pictures lie in the folder or in its folders, one for each class.
    parents = [Path(path).absolute().parent for path in paths]
    try:
        return Path(os.path.commonpath(parents)).name
    except ValueError:
        return ""


def accuracy(audit: Audit) -> float | None:
    """Share of the labelled pictures that are given their class; None without labels."""
    data = audit.craft.survey
    if data.labels is None:
        return None
    known = data.labels >= 0
    return float((data.predicted[known] == data.labels[known]).mean())


def notes(audit: Audit) -> list[str]:
    """What a reader should know before the numbers."""
    craft, data, said = audit.craft, audit.craft.survey, []
    if craft.warnings:
        few = list(craft.warnings.values())
        more = f"; and {len(few) - 3} more" if len(few) > 3 else ""
        said.append(
            f"Few pictures for {counted(len(few), 'group')} of concepts, which then describe these pictures, not "
            f"the class: {'; '.join(few[:3])}{more}."
        )
    if craft.skipped:
        name, why = next(iter(craft.skipped.items()))
        said.append(f"No concepts for {counted(len(craft.skipped), 'group')}, such as {name}: {why}")
    if data.failed:
        name, why = next(iter(data.failed.items()))
        said.append(
            f"{counted(len(data.failed), 'file')} could not be read, such as {name}: {first_line(why)}"
        )
    return said


def percent(value: float) -> str:
    """'53 %', '−12 %', and 'under 1 %' for a trace; its spaces do not break.

    >>> [percent(value).replace("\\xa0", " ") for value in (0.53, -0.12, 0.002, 0.0)]
    ['53 %', '−12 %', 'under 1 %', '0 %']
    """
    if 0 < value < 0.005:
        return f"under{SPACE}1{SPACE}%"
    rounded = round(100 * value)
    return f"{'−' if rounded < 0 else ''}{abs(rounded)}{SPACE}%"


def counted(n: int, one: str) -> str:
    """'1 picture', '1,200 pictures', '2 classes'."""
    return f"{n:,} {one}{'' if n == 1 else 'es' if one.endswith('s') else 's'}"


def first_line(words: object) -> str:
    """An error's first line."""
    return str(words).partition("\n")[0]
