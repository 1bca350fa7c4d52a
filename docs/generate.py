"""Write the pages that are made from the code: `python docs/generate.py`, or `--check` that they are fresh."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from seewhy.attribution.methods import METHODS
from seewhy.explanation import CAPABILITIES, AttributionMap, ConceptEvidence, Explanation, Prediction, Replay
from seewhy.images.geometry import Geometry
from seewhy.images.picture import Picture

HERE = Path(__file__).parent


def examples() -> dict[str, Explanation | AttributionMap]:
    """One answer of each form, as models make them."""
    picture = Picture(np.zeros((4, 4, 3), np.uint8))
    target = Prediction(0, "cat", 1.0, 0.5)
    common = {
        "image": picture,
        "geometry": Geometry.stretch((4, 4), (4, 4)),
        "prediction": (target,),
        "target": target,
        "replay": Replay((4, 4), lambda keep, fill, score: keep.mean((1, 2)), lambda factors: factors.sum(1)),
    }
    cells = np.full((2, 2), 0.25)
    concept = ConceptEvidence("stripes", 0, cells.astype(np.float32), 1.0, cells, "vocabulary")
    share = Explanation(**common, concepts=(concept,), kind="share", bias=0.0, remainder=0.0)
    share = replace(share, rerun=lambda _: share)
    plain = replace(
        share, kind="effect", concepts=(replace(concept, shares=None),), bias=None, remainder=None
    )
    return {
        "explanation, share": share,
        "explanation, effect": plain,
        "explanation, variance": replace(plain, kind="variance"),
        "explanation loaded from a file": replace(share, rerun=None, replay=None),
        "attribution map": AttributionMap(**common, map=cells),
    }


def capabilities() -> str:
    answers = examples()
    lines = [
        "# What an answer can do",
        "",
        "Made from the code by `python docs/generate.py`. What is not supported raises `NotSupported`.",
        "",
        "| operation | gives | " + " | ".join(answers) + " |",
        "|---|---|" + "---|" * len(answers),
    ]
    reasons: list[str] = []
    for operation, (gives, _) in CAPABILITIES.items():
        cells = []
        for answer in answers.values():
            reason = answer.can(operation)
            if reason is None:
                cells.append("yes")
            else:
                if reason not in reasons:
                    reasons.append(reason)
                cells.append(f"no ({reasons.index(reason) + 1})")
        lines.append(f"| `{operation}` | {gives} | " + " | ".join(cells) + " |")
    lines += ["", *(f"{i}. {reason[0].upper()}{reason[1:]}" for i, reason in enumerate(reasons, 1)), ""]
    return "\n".join(lines)


def methods() -> str:
    lines = [
        "# Attribution methods",
        "",
        "Made from the registry by `python docs/generate.py`. Every method is called in the same way,",
        '`method(model, images, target, at=layer)`, or by name: `model.attribute(photo, "gradcam")`.',
        "Maps are raw and signed unless the method's own definition cuts them off.",
        "",
        "| method | needs | contribution | sees the class | source |",
        "|---|---|---|---|---|",
    ]
    for name in METHODS:
        method = METHODS[name]
        needs = ", ".join(sorted(method.needs)) or "forward passes only"
        sees = "yes" if method.class_sensitive else "no"
        lines.append(f"| [{name}]({name}.md) | {needs} | {method.kind or '-'} | {sees} | {method.paper} |")
    return "\n".join([*lines, ""])


PAGES = {HERE / "capabilities.md": capabilities, HERE / "methods" / "index.md": methods}


def main(arguments: list[str]) -> int:
    stale = []
    for path, make in PAGES.items():
        text = make()
        if "--check" in arguments:
            if not path.exists() or path.read_text() != text:
                stale.append(path.name)
        else:
            path.write_text(text)
    if stale:
        print(f"out of date: {', '.join(stale)}; run python docs/generate.py", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
