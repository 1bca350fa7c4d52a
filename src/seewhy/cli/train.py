"""`seewhy train`: make a network speak in words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seewhy.cli.console import data_json, progress, table, talk, verb
from seewhy.cli.found import Folder, Layer, ModelOption, Seed, checked_folder, warnings_as_talk
from seewhy.cli.options import Debug, Json
from seewhy.errors import InputError, did_you_mean, message

if TYPE_CHECKING:
    from seewhy.models.taught import TaughtBottleneck
    from seewhy.vocabulary.vocabulary import Vocabulary

app = typer.Typer(
    name="train",
    help="Train a concept bottleneck on a network, which is never changed.",
    no_args_is_help=True,
)

Words = Annotated[
    str,
    typer.Option(
        "--words",
        "-w",
        help="A file with a concept a line (.txt, .csv, .json), shipped:NAME, or words with commas between.",
        show_default=False,
    ),
]
Output = Annotated[
    Path, typer.Option("--output", "-o", help="Folder for the bottleneck.", show_default=False)
]
Work = Annotated[
    Path | None,
    typer.Option(
        "--work",
        help="Folder that keeps features and embeddings: killed, the training goes on; other words need no pass.",
        show_default=False,
    ),
]
Vlm = Annotated[str, typer.Option("--vlm", help="The teacher: seewhy/clip, open_clip/ARCH/TAG, hf/ORG/NAME.")]
Labels = Annotated[
    str,
    typer.Option(
        "--labels", help="'folders': subfolders name the classes; 'network': what the network predicts."
    ),
]
Head = Annotated[str, typer.Option("--head", help="'sparse', 'dense', or a number: concepts per class.")]
Prompter = Annotated[
    str, typer.Option("--prompter", help="red-circle, reattend, dense, crop or blur-outside.")
]


@app.command("salf")
@verb
def salf(
    pictures: Folder,
    model: ModelOption,
    words: Words,
    output: Output,
    vlm: Vlm = "seewhy/clip",
    prompter: Prompter = "red-circle",
    grid: Annotated[int, typer.Option("--grid", min=1, help="Cells along each side.")] = 7,
    labels: Labels = "folders",
    head: Head = "sparse",
    layer: Layer = None,
    work: Work = None,
    seed: Seed = 0,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """SALF-CBM: what the network sees, where, and how much each thing counts."""
    from seewhy.models.salf_cbm import SALFCBM

    checked_folder(output)
    pointing = _prompter(prompter, grid)
    made = SALFCBM(model, vlm, prompter=pointing, head=_head(head, seed), at=layer, seed=seed)
    _train(made, pictures, words, output, labels, work, as_json)


@app.command("lfcbm")
@verb
def lfcbm(
    pictures: Folder,
    model: ModelOption,
    words: Words,
    output: Output,
    vlm: Vlm = "seewhy/clip",
    labels: Labels = "folders",
    head: Head = "sparse",
    layer: Layer = None,
    work: Work = None,
    seed: Seed = 0,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Label-Free CBM: the same from whole pictures, without places."""
    from seewhy.models.labelfree_cbm import LabelFreeCBM

    checked_folder(output)
    made = LabelFreeCBM(model, vlm, head=_head(head, seed), at=layer, seed=seed)
    _train(made, pictures, words, output, labels, work, as_json)


def _train(
    made: TaughtBottleneck,
    pictures: str,
    words: str,
    output: Path,
    labels: str,
    work: Path | None,
    as_json: bool,
) -> None:
    if labels not in ("folders", "network"):
        raise InputError(
            message(
                f"--labels is {labels!r}.",
                did_you_mean(labels, ("folders", "network")) or "It is 'folders' or 'network'.",
                "Pass --labels network where subfolders do not name the classes.",
            )
        )
    vocabulary = _vocabulary(words)
    with warnings_as_talk(), progress(f"training {made.kind}") as tell:
        made.fit(
            pictures,
            "network" if labels == "network" else None,
            vocabulary,
            folder=work,
            stage=None
            if tell is None
            else lambda what, done, total: tell(done, total, f"{made.kind}: {what}"),
        )
    folder, record = made.save_pretrained(output), made.fitted.record
    if as_json:
        data_json({"folder": str(folder), "kind": made.kind, "concepts": list(made.names),
                   "classes": list(made.classes), "head": _head_told(made), "record": record})  # fmt: skip
    else:
        rows = [("concepts", f"{len(made.names)} ({len(record['dropped'])} dropped)"),
                ("their similarity to the teacher", f"{record['projection']['similarity']:.3f}")]  # fmt: skip
        if made.fitted.head is not None:
            told = _head_told(made)
            assert told is not None
            rows += [("classes", str(len(made.classes))), ("concepts per class", f"{told['nec']:.1f}"),
                     ("certified", f"relative gap {told['relative_gap']:.1e}"),
                     ("accuracy on held-out pictures", f"{told['accuracy']:.3f}")]  # fmt: skip
        table(("", made.kind), rows)
    talk(f"wrote {folder}")


def _head_told(made: TaughtBottleneck) -> dict[str, Any] | None:
    head = made.fitted.head
    if head is None or head.certificate is None:
        return None
    return {
        "nec": head.nec,
        "converged": head.converged,
        "relative_gap": head.certificate.relative_gap,
        "accuracy": made.fitted.record["accuracy on held-out training pictures"],
    }


def _vocabulary(words: str) -> Vocabulary:
    from seewhy.vocabulary.lists import shipped
    from seewhy.vocabulary.vocabulary import Vocabulary

    if words.startswith("shipped:"):
        return shipped(words.removeprefix("shipped:"))
    if "," in words or not Path(words).suffix:
        return Vocabulary.from_list([word.strip() for word in words.split(",")])
    return Vocabulary.load(words)


def _prompter(name: str, grid: int) -> Any:
    from seewhy.grounding.prompters import PROMPTERS

    known = [one for one in PROMPTERS if one != "whole"]
    if name not in known:
        raise InputError(
            message(
                f"There is no prompter {name!r}.",
                did_you_mean(name, known),
                f"Known: {', '.join(known)}.",
            )
        )
    return PROMPTERS[name](grid=(grid, grid))


def _head(head: str, seed: int) -> Any:
    from seewhy.heads.dense import DenseLinear
    from seewhy.heads.sparse import SparseLinear

    if head == "dense":
        return DenseLinear(seed=seed)
    if head == "sparse":
        return SparseLinear(seed=seed)
    try:
        return SparseLinear(nec=float(head), seed=seed)
    except ValueError:
        raise InputError(
            message(
                f"--head is {head!r}.",
                "It is 'sparse', 'dense', or a number of concepts per class.",
                "Pass --head 10, say.",
            )
        ) from None
