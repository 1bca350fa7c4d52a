"""Make the gallery of the world: `python docs/gallery.py` writes docs/gallery.md and its pictures.

`--check` writes nothing and fails if the page's text is not what the code says now.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from seewhy.world.concepts import masks, present
from seewhy.world.drawing.renderer import render
from seewhy.world.edits.edits import OPERATIONS, Change, apply, changed_mask
from seewhy.world.language.captions import captions
from seewhy.world.language.negatives import hard_negatives
from seewhy.world.sampling import Grammar, sample_scene
from seewhy.world.scene import Creature, Decoy, Scene, Thing
from seewhy.world.tasks.tasks import TASKS, Task

HERE = Path(__file__).parent
PICTURES = HERE / "images" / "world"

N = 7
SIZE = 96
GAP = 4

WORDS_OF_LEVELS = (
    "L0, how many",
    "L1, one thing",
    "L2, a list without textures",
    "L3, all attributes and the background",
    "L4, relations, parts and counts",
)


def task_scenes(task: Task, n: int = N) -> list[Scene]:
    """Test scenes that show every class as often as there is room, in the order of the classes."""
    scenes = [task.scene("test", index) for index in range(60)]
    if task.kind != "class":
        return scenes[:n]
    by_class: dict[int, list[Scene]] = {}
    for scene in scenes:
        label = task.label(scene)
        assert isinstance(label, int)
        by_class.setdefault(label, []).append(scene)
    rounds = [found[at] for at in range(n) for _, found in sorted(by_class.items()) if at < len(found)]
    chosen = rounds[:n]
    return sorted(chosen, key=lambda scene: task.classes[int(task.label(scene))])  # type: ignore[arg-type]


def says(task: Task, scene: Scene) -> str:
    """The label in words."""
    label = task.label(scene)
    if task.kind == "regression":
        return f"{label:.2f}"
    if task.kind == "multilabel":
        assert isinstance(label, np.ndarray)
        return f"{int(label.sum())} concepts"
    words = task.classes[int(label)]  # type: ignore[arg-type]
    return f"{words} ({task.group(scene)[1]})" if task.cue else words


def strip(pictures: list[np.ndarray]) -> np.ndarray:
    """Pictures side by side on white."""
    gap = np.full((pictures[0].shape[0], GAP, 3), 255, np.uint8)
    parts = [part for picture in pictures for part in (picture, gap)]
    return np.concatenate(parts[:-1], axis=1)


def tinted(rgb: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The picture with everything but the mask faded."""
    faded = (0.25 * rgb + 0.75 * 255).astype(np.uint8)
    return np.where(mask[..., None], rgb, faded)


def edit_examples() -> Iterator[tuple[str, str, Scene, Change]]:
    """(operation, in words, scene, edit), one for every operation."""
    grammar = Grammar(counts=(3,), creatures=(1,), empty_slot=0.0, noise=0.0)
    scene = sample_scene(2026, 5, grammar).with_decoy(Decoy("bottom_left"))
    things = [item for item in scene.items if isinstance(item, Thing)]
    beast = next(item for item in scene.items if isinstance(item, Creature))
    one, other = things[0], things[1]
    extra = replace(one, id=90, x=0.5, y=0.5, radius=0.06, size="small")
    wanted = {
        "remove": {"item": one.id},
        "recolour": {"item": one.id, "colour": "white" if one.colour != "white" else "red"},
        "retexture": {"item": one.id, "texture": "dotted" if one.texture != "dotted" else "striped"},
        "reshape": {"item": one.id, "shape": "star" if one.shape != "star" else "ring"},
        "resize": {"item": one.id, "size": "small" if one.size != "small" else "medium"},
        "move": {"item": one.id, "x": 1 - one.x, "y": 1 - one.y},
        "swap_attribute": {"a": one.id, "b": other.id, "attribute": "colour"},
        "replace_part": {"item": beast.id, "slot": "beak", "variant": "hooked"},
        "add": {"new": extra},
        "reorder": {"item": scene.items[0].id, "at": len(scene.items) - 1},
        "set_background": {"kind": "water" if scene.background.kind != "water" else "bricks"},
        "set_lighting": {"direction": 0, "strength": 0.25},
    }
    for op in OPERATIONS:
        made = OPERATIONS[op](**wanted[op])
        yield op, str(made), scene, made


def page(write: bool) -> str:
    """The page's text; with `write` its pictures too."""
    lines = [
        "# A gallery of the world",
        "",
        "Made by `python docs/gallery.py`. Everything here is drawn by [the world](world.md): no picture was taken,",
        "and each of them is the same, byte for byte, on every machine.",
        "",
        "## Tasks",
        "",
    ]
    for name, task in TASKS.items():
        scenes = task_scenes(task)
        _save(write, f"task-{name}.png", lambda scenes=scenes: strip([render(s, SIZE).rgb for s in scenes]))
        lines += [
            f"### {name}: {task.title}",
            "",
            f"For {task.purpose}. The rule: `{task.rule if task.kind != 'multilabel' else task.rules[0]}`"
            + (f" and so on for {len(task.classes)} concepts." if task.kind == "multilabel" else "."),
            "",
            f"![{name}](images/world/task-{name}.png)",
            "",
            "Left to right: " + ", ".join(says(task, scene) for scene in scenes) + ".",
            "",
        ]
    lines += [
        "## Captions",
        "",
        "Each level mentions what it says and nothing else; the facts come with the text.",
        "",
    ]
    for index in (3, 8):
        scene = sample_scene(77, index, Grammar(creatures=(1,), counts=(2, 3)))
        _save(write, f"caption-{index}.png", lambda scene=scene: render(scene, 2 * SIZE).rgb)
        lines += [
            f"![A scene](images/world/caption-{index}.png)",
            "",
            "| level | caption | facts |",
            "|---|---|---|",
        ]
        for words, one in zip(WORDS_OF_LEVELS, captions(scene), strict=True):
            lines.append(f"| {words} | {one.text} | {len(one.facts)} |")
        for negative in hard_negatives(scene):
            lines.append(f"| false: {negative.kind} | {negative.false.text} | |")
        lines.append("")
    lines += ["## Masks", "", "What each concept's pixels are; everything else is faded.", ""]
    scene = sample_scene(77, 8, Grammar(creatures=(1,), counts=(2, 3)))
    names = [name for name, there in zip(_atomic(), present(scene), strict=True) if there][:N]
    drawn = render(scene, SIZE)
    found = masks(scene, drawn, names)
    _save(write, "masks.png", lambda: strip([tinted(drawn.rgb, found[name]) for name in names]))
    lines += ["![Masks](images/world/masks.png)", "", f"Left to right: {', '.join(names)}.", ""]
    lines += [
        "## Edits",
        "",
        "Before, after, and the pixels whose bytes differ. Every edit has an inverse that gives the first picture",
        "back, byte for byte.",
        "",
    ]
    for op, words, scene, change in edit_examples():
        edited = apply(scene, change, force=True)
        before, after = render(scene, SIZE).rgb, render(edited, SIZE).rgb
        changed = changed_mask(scene, edited, SIZE)
        _save(write, f"edit-{op}.png", lambda b=before, a=after, c=changed: strip([b, a, tinted(a, c)]))
        lines += [f"**{op.replace('_', ' ')}**: {words}", "", f"![{op}](images/world/edit-{op}.png)", ""]
    lines += ["## Difficulties and decoys", ""]
    for level in range(3):
        grammar = Grammar.of(level)
        _save(
            write,
            f"difficulty-{level}.png",
            lambda g=grammar: strip([render(sample_scene(5, i, g), SIZE).rgb for i in range(N)]),
        )
        lines += [f"Difficulty {level}:", "", f"![{level}](images/world/difficulty-{level}.png)", ""]
    decoys = [
        Decoy(corner, kind=kind)
        for kind, corner in (("tag", "top_left"), ("border", "top_left"), ("watermark", "top_right"))
    ]
    scene = sample_scene(5, 2)
    _save(write, "decoys.png", lambda: strip([render(scene.with_decoy(d), SIZE).rgb for d in decoys]))
    lines += ["Decoys: tag, border, watermark.", "", "![decoys](images/world/decoys.png)", ""]
    return "\n".join(lines)


def _atomic() -> tuple[str, ...]:
    from seewhy.world.concepts import concept_names

    return concept_names("atomic")


def _save(write: bool, name: str, make: Callable[[], np.ndarray]) -> None:
    if write:
        PICTURES.mkdir(parents=True, exist_ok=True)
        Image.fromarray(make()).save(PICTURES / name, optimize=True)


def main() -> int:
    """Write the page, or check that it is fresh."""
    check = "--check" in sys.argv
    text = page(write=not check)
    target = HERE / "gallery.md"
    if check:
        stale = not target.exists() or target.read_text() != text
        missing = [
            line for line in text.split("](images/world/")[1:] if not (PICTURES / line.split(")")[0]).exists()
        ]
        if stale or missing:
            print(
                f"docs/gallery.md is {'stale' if stale else 'without some pictures'}: run python docs/gallery.py"
            )
        return int(stale or bool(missing))
    target.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
