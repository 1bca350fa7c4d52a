"""The documentation page of the shortcut audit: the table, how it is measured, and what deviates from its plan."""

from __future__ import annotations

from seewhy.world.concepts import CONCEPTS
from seewhy.world.shortcuts.audit import Audit
from seewhy.world.shortcuts.presence import overall


def page(found: Audit) -> str:
    """The documentation page of an audit, with the reasons for what deviates from its plan."""
    n = found.sizes
    return "\n".join(
        [
            "# Can the world's tasks be cheated?",
            "",
            f"Made by `python docs/generate.py` from the full audit of world version {found.world_version}: "
            f"`seewhy world audit`, stored by `python -m benchmarks accuracy.world_audit --write`.",
            "",
            _summary(found),
            "",
            found.to_markdown(),
            "",
            "## How it is measured",
            "",
            f"- Cheap predictors learn from {n.train:,} scenes of `train`, the strength of their penalty is chosen "
            f"on {n.val:,} of `val`, and accuracy is measured on {n.test:,} of `test`, at 96 pixels. One number "
            "(area, file size) is given as 32 steps, so that any function of it can be learned, beside the number of "
            "objects.",
            f"- Information and prevalence are measured on {n.scenes:,} scenes as data. Information is conditional "
            "on the number of objects, and what labels shuffled within each number of objects give is taken off. "
            "Only the factor that says most is listed, or each that says too much.",
            "- The rule: a bar is missed only if the whole 95 % interval lies beyond it. *Within chance* says that "
            "the bar lies in the interval, so that these scenes do not decide. Where a row is the worst of many, "
            "its interval is widened so that all of them hold together (Bonferroni).",
            "- *Background alone* is the scene drawn again without its items. A mask would keep their outlines.",
            "",
            "## Where it deviates from the first plan, and why",
            "",
            "- Prevalence: the plan asked for each concept in 10 to 50 % of the images. With one background of "
            "eight, and with objects of three sizes, no fair grammar can do that; the bar is the grammar's own "
            "expectation, in closed form, for each number of objects (table below).",
            "- Co-occurrence is tested given the numbers of objects and creatures: more objects bring more of every "
            "concept, which is no bias. Concepts that exclude each other by what they are (two backgrounds, two "
            "colours of one object) and the six held-out pairs of colour and shape are exempt.",
            "- Held-out pairs make the colour of T1's striped object depend on its shape on purpose, and either the "
            "radius or the area of an object must tell its shape. So neither is among T1's nuisances. What can be "
            "made of them is in the rows of the colour histogram and the total area; the size as a word is one.",
            "- Bag of patches: a function that is linear in the pixels of patches sees no more than mean colours. "
            "A bag of visual words does see red stars: colour and outline meet within 8 x 8 pixels. So T2 needs "
            "binding, but only in place; its row is told without a bar.",
            "",
            "## How often each concept should occur",
            "",
            "| group | least | most |",
            "|---|---|---|",
            *_prevalences(),
            "",
        ]
    )


def _summary(found: Audit) -> str:
    if found.problems:
        return (
            f"{len(found.problems)} of {len(found.rows)} rows missed their bar: {'; '.join(found.problems)}."
        )
    more = f"; in {len(found.unsure)} the bar lies within chance" if found.unsure else ""
    return f"All {len(found.rows)} rows passed{more}."


def _prevalences() -> list[str]:
    """Expected share of the scenes, least and most of each group of atomic concepts."""
    lines = []
    for group in ("shape", "colour", "texture", "size", "background", "part", "creature"):
        shares = {c.name: overall(c.name) for c in CONCEPTS if c.group == group}
        ends = (min(shares, key=lambda name: shares[name]), max(shares, key=lambda name: shares[name]))
        lines.append(f"| {group} | " + " | ".join(f"{shares[name]:.1%} ({name})" for name in ends) + " |")
    return lines
