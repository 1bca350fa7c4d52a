"""`seewhy models`: which names there are, what is known about them, and their files to carry elsewhere."""

from __future__ import annotations

import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seewhy.cli.console import data, data_json, progress, table, talk, verb
from seewhy.cli.options import Debug, Json
from seewhy.errors import BadArtefact, UnknownName, did_you_mean, message

if TYPE_CHECKING:
    from seewhy.backbones.loaded import Info

app = typer.Typer(
    help="List models and methods, look a name up, fetch and verify weights.",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME", help="Such as seewhy/resnet-t4 or timm/resnet50.a1_in1k.", show_default=False
    ),
]


@app.callback(invoke_without_command=True)
@verb
def models(
    context: typer.Context,
    methods: Annotated[
        bool, typer.Option("--methods", help="List attribution methods and what each needs.")
    ] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """List models; with --methods attribution methods."""
    if context.invoked_subcommand is not None:
        return
    if methods:
        _list_methods(as_json)
    else:
        _list(None, as_json)


@app.command("list")
@verb
def list_models(
    pattern: Annotated[
        str | None,
        typer.Argument(metavar="PATTERN", help="With wildcards, such as 'timm/resnet*'.", show_default=False),
    ] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Print every name, one a line. Names of the Hugging Face hub (hf/...) are not listed."""
    _list(pattern, as_json)


@app.command("info")
@verb
def info(name: Name, as_json: Json = False, debug: Debug = False) -> None:
    """Tell what is known about a name: weights, preprocessing, classes, licence, where its files are."""
    from seewhy.backbones.load import info as look_up
    from seewhy.hub.locate import cached

    found = look_up(name)
    path = found.here or cached(found.id, found.origins)
    row: dict[str, Any] = {
        "id": found.id,
        "title": found.title,
        "task": found.task,
        "weights": list(found.weights),
        "preprocess": found.preprocess,
        "classes": found.n_classes,
        "words": list(found.words),
        "licence": found.licence,
        "source": found.paper,
        "megabytes": found.megabytes,
        "from": _origins(found),
        "on_this_machine": None if path is None else str(path),
    }
    if as_json:
        data_json(row)
        return
    for key, value in row.items():
        shown = ", ".join(value) if isinstance(value, list) else value
        if shown not in (None, ""):
            data(f"{key.replace('_', ' ')}: {shown}")
    if path is None:
        data("on this machine: no")


@app.command("fetch")
@verb
def fetch(
    name: Name,
    to: Annotated[Path, typer.Option("--to", help="Folder to write into.")] = Path("models"),
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Write a model's files with their hashes into a folder that can be carried to a machine without a network.

    There, ./models and $SEEWHY_HOME/models are looked into before anything else. Models that come with Seewhy
    (seewhy/...) are there wherever it is installed: nothing is written.
    """
    from seewhy.backbones.load import info as look_up
    from seewhy.hub.store import problems_in, write_folder

    found = look_up(name)
    if found.here is not None:
        talk(f"{found.id} comes with Seewhy and is whole: there is nothing to fetch")
        _wrote(found.id, found.here.parent, [found.here.name], as_json)
        return
    with progress(f"fetching {found.id}") as tell:
        files = _files(found, tell)
    folder = write_folder(found.id, files, to)
    problems = problems_in(folder)
    if problems:
        raise BadArtefact(
            message(f"{folder} is not as it was written: {'; '.join(problems)}.", "", "Try again.")
        )
    talk(f"wrote {folder}; on another machine put it into ./models or $SEEWHY_HOME/models")
    _wrote(found.id, folder, sorted(files), as_json)


@app.command("verify")
@verb
def verify(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Folder of one model, or of several.", show_default=False)
    ],
    as_json: Json = False,
    debug: Debug = False,
) -> int:
    """Check that the files of fetched models are what they were."""
    from seewhy.hub.store import MANIFEST, problems_in, read_manifest

    folders = [path.parent for path in sorted(folder.rglob(MANIFEST))] or [folder]
    report = {read_manifest(one).id: problems_in(one) for one in folders}
    if as_json:
        data_json(report)
    else:
        for model_id, problems in report.items():
            data(f"{model_id}: {'; '.join(problems) or 'ok'}")
    return 1 if any(report.values()) else 0


@app.command("path")
@verb
def path(as_json: Json = False, debug: Debug = False) -> None:
    """Print the places where weights are looked for, in order."""
    from seewhy.hub.offline import looked_in

    places = [(name, place, place.is_dir()) for name, place in looked_in()]
    if as_json:
        data_json([{"name": n, "path": str(p.absolute()), "exists": there} for n, p, there in places])
    else:
        table(
            ["place", "path", "there"],
            [[name, str(place.absolute()), "yes" if there else "no"] for name, place, there in places],
        )


def _list(pattern: str | None, as_json: bool) -> None:
    from seewhy.backbones.load import catalogue

    names = [f"{library}/{name}" for library, found in catalogue().items() for name in found]
    if pattern is not None:
        # A pattern without a library is meant for all of them.
        wanted = pattern if "/" in pattern else f"*/{pattern}"
        chosen = [name for name in names if fnmatch.fnmatchcase(name.lower(), wanted.lower())]
        if not chosen:
            raise UnknownName(
                message(
                    f"No model matches {pattern!r}.",
                    did_you_mean(pattern.strip("*"), names),
                    "Use * for any letters: 'timm/resnet*', '*vit*'.",
                )
            )
        names = chosen
    if as_json:
        data_json(names)
    else:
        data("\n".join(names))
        talk(f"{len(names)} names; hf/ORG/NAME, local:DIR and FILE.py:FACTORY besides")


def _list_methods(as_json: bool) -> None:
    from seewhy.attribution.methods import METHODS

    rows: list[dict[str, Any]] = [
        {
            "name": name,
            "needs": sorted(METHODS[name].needs),
            "signed": METHODS[name].signed,
            "unit": METHODS[name].unit,
            "random": METHODS[name].random,
            "paper": METHODS[name].paper,
        }
        for name in METHODS
    ]
    if as_json:
        data_json(rows)
        return
    table(
        ["method", "needs", "signed", "draws at random", "paper"],
        [
            [
                str(row["name"]),
                ", ".join(row["needs"]) or "forward passes",
                "yes" if row["signed"] else "no",
                "yes" if row["random"] else "no",
                str(row["paper"]),
            ]
            for row in rows
        ],
    )


def _files(found: Info, tell: Any) -> dict[str, Path]:
    """The files that a machine without a network needs, by their names in the folder."""
    from seewhy.hub.locate import HubFile, files_of, locate, locate_folder

    if found.id.startswith("hf/"):
        origin = found.origins[0]
        assert isinstance(origin, HubFile)
        folder = locate_folder(
            found.id,
            origin.repo,
            ["config.json", "*.safetensors|*.bin"],
            [["*.json", "*.safetensors"], ["*.json", "*.bin"]],
            revision=origin.revision,
        )
        return files_of(folder)
    file = locate(found.id, found.origins, megabytes=found.megabytes, progress=tell)
    return {file.name: file}


def _wrote(model_id: str, folder: Path, files: list[str], as_json: bool) -> None:
    if as_json:
        data_json({"id": model_id, "folder": str(folder), "files": files})
    else:
        data(str(folder))


def _origins(found: Info) -> list[str]:
    from seewhy.hub.locate import UrlFile

    return [
        o.url if isinstance(o, UrlFile) else f"hub {o.repo} ({' or '.join(o.names)})" for o in found.origins
    ]
