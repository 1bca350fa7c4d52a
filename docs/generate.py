"""Write the pages that are made from the code: `python docs/generate.py`, or `--check` that they are fresh."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from model_cards import page as models

from seewhy.attribution.methods import METHODS
from seewhy.evaluate.metrics import METRICS as SCORES
from seewhy.explanation import CAPABILITIES, AttributionMap, ConceptEvidence, Explanation, Prediction, Replay
from seewhy.images.geometry import Geometry
from seewhy.images.picture import Picture
from seewhy.world.shortcuts.audit import Audit
from seewhy.world.shortcuts.page import page as shortcut_page

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


def metrics() -> str:
    lines = [
        "# Metrics",
        "",
        "Made from the registry by `python docs/generate.py`. What they share is on [measuring](measuring.md). An",
        "arrow says which way is better; *truth* whose: of the scene (masks, presence) or of the model.",
        "",
        "| metric | better | range | truth | a random explainer reaches | source |",
        "|---|---|---|---|---|---|",
    ]
    for name in SCORES:
        metric = SCORES[name]
        low, high = (f"{end:g}".replace("inf", "∞") for end in metric.range)
        way = "↑" if metric.direction > 0 else "↓"
        cells = [f"`{metric().label}`", way, f"{low} to {high}", metric.truth, metric.chance, metric.paper]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join([*lines, ""])


def bench_tables() -> str:
    """The tables of benchmarks/results/accuracy.bench.json."""
    found = json.loads((HERE.parent / "benchmarks" / "results" / "accuracy.bench.json").read_text())
    lines = [
        "# Tables: which method can be trusted",
        "",
        f"Made by `python -m benchmarks accuracy.bench --write` ({found['n']} scenes a network, seed "
        f"{found['seed']}, torch {found['versions']['torch']}, {found['cpu_seconds']:.0f} CPU seconds) and "
        "`python docs/generate.py`. What they teach is on [which method to trust](bench.md).",
        "",
        "Mean [95 % interval over scenes]; * differs from the random row (paired sign-flip test, Holm over the "
        "column, p < 0.05); passes: forward and backward passes of the network a picture.",
        "",
    ]
    for table in found["tables"]:
        columns = list(table["metrics"])
        arrows = [name if table["metrics"][name]["direction"] > 0 else f"{name} ↓" for name in columns]
        lines += [f"## {table['title']}", "", f"Truth: {table['truth']}.", ""]
        lines += [f"| explainer | {' | '.join(arrows)} | passes |", "|---" * (len(columns) + 2) + "|"]
        for row in table["rows"]:
            cells = [_bench_cell(row["cells"][name]) for name in columns]
            passes = "" if row["passes"] is None else f"{row['passes']:.0f}"
            lines.append(f"| {row['name']} | {' | '.join(cells)} | {passes} |")
        lines.append("")
        for name in columns:
            lines.append(f"- Best in {name}, not told apart: {', '.join(table['leaders'][name]) or 'none'}.")
        lines += [f"- Left out: {name}: {why.rstrip('.')}." for name, why in table["left_out"].items()]
        lines += [f"- The table fails its own test: {why}." for why in table["problems"]]
        if table["by_size"]:
            lines += [
                "",
                f"{columns[0]} by the size of the evidence:",
                "",
                "| explainer | small | medium | large |",
            ]
            lines.append("|---|---|---|---|")
            for name, thirds in table["by_size"].items():
                values = [_interval(*thirds[third]) for third in ("small", "medium", "large")]
                lines.append(f"| {name} | {' | '.join(values)} |")
        lines.append("")
    return "\n".join(lines)


def world_audit() -> str:
    """The page of benchmarks/results/accuracy.world_audit.json."""
    found = json.loads((HERE.parent / "benchmarks" / "results" / "accuracy.world_audit.json").read_text())
    return shortcut_page(Audit.from_dict(found["details"]))


def _bench_cell(cell: dict[str, Any]) -> str:
    told = cell["p_holm"] is not None and cell["p_holm"] < 0.05
    missing = f" ({cell['undefined']} undefined)" if cell["undefined"] else ""
    return _interval(cell["mean"], cell["low"], cell["high"], "*" if told else "") + missing


def _interval(mean: float | None, low: float | None, high: float | None, mark: str = "") -> str:
    if mean is None:
        return "-"
    return f"{mean:.2f}{mark}" + ("" if low is None else f" [{low:.2f}, {high:.2f}]")


PAGES = {
    HERE / "capabilities.md": capabilities,
    HERE / "methods" / "index.md": methods,
    HERE / "metrics.md": metrics,
    HERE / "bench-tables.md": bench_tables,
    HERE / "world-audit.md": world_audit,
    HERE / "models.md": models,
}


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
