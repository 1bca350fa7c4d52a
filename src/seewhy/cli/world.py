"""`seewhy world`: look at a scene of the ground-truth world, write many of them for other programs, train on them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seewhy.cli import world_audit, world_train
from seewhy.cli.console import data, data_json, progress, table, talk, verb
from seewhy.cli.options import Debug, Json

if TYPE_CHECKING:
    from seewhy.world.export.records import Record

app = typer.Typer(
    help="The ground-truth world: scenes whose every pixel, label and concept is known.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

TaskName = Annotated[
    str, typer.Argument(metavar="TASK", help="T1, T2, T3a, T3b, T4 to T11.", show_default=False)
]
SplitName = Annotated[
    str, typer.Option("--split", help="train, val, test, cf, ood-compose, ood-style or ci.")
]
PictureSize = Annotated[int, typer.Option("--size", help="Side in pixels, 8 to 2048.")]
Difficulty = Annotated[int, typer.Option("--difficulty", help="0 (easy), 1 or 2 (hard).")]
Bias = Annotated[
    float | None,
    typer.Option(
        "--bias",
        help="Share of scenes whose cue goes with their label (T5, T6, T7, T10).",
        show_default=False,
    ),
]


app.command("audit")(world_audit.audit)
app.command("train")(world_train.train)


@app.command("show")
@verb
def show(
    task: TaskName,
    split: SplitName = "test",
    index: Annotated[int, typer.Option("--index", "-i", help="Which scene of the split, from 0.")] = 0,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="PNG to write; TASK-SPLIT-INDEX.png by itself.", show_default=False
        ),
    ] = None,
    size: PictureSize = 96,
    difficulty: Difficulty = 1,
    bias: Bias = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Draw one scene with its masks, and print its label, captions and concepts."""
    from seewhy.report.save import save_by
    from seewhy.world.drawing.sheet import PANELS, sheet
    from seewhy.world.export.records import Order, to_png

    order = Order.of(task, split, size=size, n=1, difficulty=difficulty, bias=bias)
    record = order.record(index)
    path = output or Path(f"{order.task.name}-{order.split.name}-{index}.png")
    save_by({".png": to_png}, sheet(record.rendered), path, {})
    talk(f"wrote {path}: {', '.join(PANELS)}")
    if as_json:
        data_json({**record.about, "picture": str(path)})
        return
    _tell(record)


@app.command("make")
@verb
def make(
    task: TaskName,
    split: SplitName = "test",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Folder to write; TASK-SPLIT-FORMAT by itself.", show_default=False
        ),
    ] = None,
    format: Annotated[
        str, typer.Option("--format", "-f", help="webdataset, parquet, coco, npz, folder or funnybirds.")
    ] = "webdataset",
    size: PictureSize = 96,
    n: Annotated[
        int | None,
        typer.Option(
            "--n", "-n", help="How many scenes; the split's own number by itself.", show_default=False
        ),
    ] = None,
    difficulty: Difficulty = 1,
    bias: Bias = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Write the scenes of a task's split with masks, labels, captions and concepts. Killed, it goes on next time."""
    from seewhy.world.export.export import export
    from seewhy.world.tasks.tasks import find_task

    task = find_task(task).name
    folder = output or Path(f"{task}-{split}-{format}")
    with progress(f"drawing {task} {split}") as tell:
        manifest = export(
            task,
            split,
            folder,
            format=format,
            size=size,
            n=n,
            difficulty=difficulty,
            bias=bias,
            progress=tell,
        )
    talk(f"wrote {folder}")
    if as_json:
        data_json({**manifest.to_dict(), "folder": str(folder)})
    else:
        data(manifest.to_text())


def _tell(record: Record) -> None:
    from seewhy.world.concepts import masks

    order, about = record.order, record.about
    data(f"{order.task.name} {order.split.name} {record.index}: {order.task.title}")
    data(f"label: {_label(record)}")
    if "group" in about:
        data(f"group: {', '.join(about['group'])}")
    for name, text in about["captions"].items():
        data(f"{name}: {text}")
    seen = masks(record.scene, record.rendered, record.presence)
    table(["concept", "pixels"], [[name, str(int(seen[name].sum()))] for name in seen], right=("pixels",))


def _label(record: Record) -> Any:
    names = record.label_names
    if record.order.task.kind == "regression":
        return f"{record.label:.4g}"
    return ", ".join(names) or "none"
