"""CRAFT on disk: craft.json with its settings and groups, and a folder for each group's dictionary."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seewhy.concepts.base import Dictionary
from seewhy.errors import BadArtefact, InputError, message
from seewhy.scale.disk import make_folder, write_whole

if TYPE_CHECKING:
    from seewhy.models.craft import CRAFT

SCHEMA = "seewhy.craft/1"
NAME = "craft.json"
_SETTINGS = ("n_concepts", "at", "fit_on", "crop", "overlap", "native", "seed")


def write(craft: CRAFT, folder: Path) -> Path:
    """Write the groups, then the file that lists them, so that a folder that has it is whole."""
    make_folder(folder)
    listed = []
    for i, group in enumerate(craft.groups.values()):
        group.dictionary.save_pretrained(folder / f"group-{i:04d}")
        listed.append(
            {
                "name": group.name,
                "classes": list(group.classes),
                "n_pictures": len(group.members),
                "strengths": np.quantile(group.strengths, np.linspace(0, 1, 101), axis=0).tolist(),
            }
        )
    content = {
        "schema": SCHEMA,
        "model": craft.backbone.describe(),
        "settings": {name: getattr(craft, name) for name in _SETTINGS},
        "dictionary": craft.dictionary.name,
        "groups": listed,
        "warnings": craft.warnings,
    }
    write_whole(folder / NAME, (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())
    return folder


def read(cls: type[CRAFT], folder: Path, model: Any) -> CRAFT:
    """Read a folder back and check that the network is the same."""
    from seewhy.models.craft import Group

    path = folder / NAME
    if not path.is_file():
        raise InputError(
            message(
                f"{folder} has no {NAME}.", "A folder that save_pretrained wrote has one.", "Pass that one."
            )
        )
    try:
        content = json.loads(path.read_bytes())
        if content["schema"] != SCHEMA:
            raise ValueError(f"its schema is {content['schema']!r}")
        craft = cls(model, dictionary=content["dictionary"], **content["settings"])
        wanted, found = content["model"]["sha256"], craft.backbone.fingerprint()
        if wanted != found:
            raise ValueError(f"it was found in a network with the fingerprint {wanted}, not {found}")
        for i, group in enumerate(content["groups"]):
            craft.groups[group["name"]] = Group(
                group["name"],
                tuple(group["classes"]),
                Dictionary.from_pretrained(folder / f"group-{i:04d}"),
                np.zeros(group["n_pictures"], np.int64),
                np.asarray(group["strengths"], np.float64),
            )
        craft.warnings = dict(content["warnings"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadArtefact(
            message(
                f"The concepts in {folder} cannot be used: {error}",
                "They are what save_pretrained wrote, for the network that they were found in.",
                "Fit again, or pass the network they belong to.",
            )
        ) from error
    return craft
