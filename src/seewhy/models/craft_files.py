"""CRAFT on disk: craft.json with its settings, groups and hashes, and a folder for each group's dictionary."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seewhy.attribution.base import as_backbone
from seewhy.backbones.base import Backbone
from seewhy.concepts.base import Dictionary
from seewhy.errors import BadArtefact, InputError, SeewhyError, message
from seewhy.models.groups import Group
from seewhy.scale.disk import make_folder, write_whole

if TYPE_CHECKING:
    from seewhy.models.craft import CRAFT

SCHEMA = "seewhy.craft/1"
NAME = "craft.json"
_SETTINGS = ("n_concepts", "fit_on", "crop", "overlap", "native", "seed")


def write(craft: CRAFT, folder: Path) -> Path:
    """Write the groups, then the file that lists them, so that a folder that has it is whole.

    The same fit gives the same bytes.
    """
    make_folder(folder)
    listed = []
    for i, group in enumerate(craft.groups.values()):
        group.dictionary.save_pretrained(folder / f"group-{i:04d}")
        listed.append(
            {
                "name": group.name,
                "classes": list(group.classes),
                "n_pictures": len(group.members),
                "strengths": group.strengths.tolist(),
                "atoms_sha256": fingerprint(group.dictionary),
            }
        )
    grouping = craft.grouping
    content: dict[str, Any] = {
        "schema": SCHEMA,
        "model": craft.backbone.describe(),
        # By name, so that another default layer of the network that it is loaded with does not count.
        "settings": {
            "at": craft.backbone.layer(craft.at).layer.name,
            **{name: getattr(craft, name) for name in _SETTINGS},
        },
        "grouping": grouping if isinstance(grouping, str) else [[_plain(k), v] for k, v in grouping.items()],
        "dictionary": craft.dictionary.name,
        "options": craft.options,
        "groups": listed,
        "warnings": craft.warnings,
    }
    content["sha256"] = _hash_of(content)
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_whole(folder / NAME, text.encode())
    return folder


def read(cls: type[CRAFT], folder: Path, model: Any) -> CRAFT:
    """Read a folder back and check that it is whole and the network the same."""
    backbone, path = as_backbone(model), folder / NAME
    if not path.is_file():
        raise InputError(
            message(
                f"{folder} has no {NAME}.", "A folder that save_pretrained wrote has one.", "Pass that one."
            )
        )
    try:
        content = json.loads(path.read_bytes())
        if content["schema"] != SCHEMA:
            raise ValueError(f"its schema is {content['schema']!r}, not {SCHEMA!r}")
        if content.pop("sha256") != _hash_of(content):
            raise ValueError(f"the SHA-256 of {NAME} differs")
        return _made(cls, content, folder, backbone)
    except (SeewhyError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        said = str(error).splitlines() or [type(error).__name__]
        raise BadArtefact(
            message(
                f"The concepts in {folder} cannot be used: {said[0]}",
                "They are what save_pretrained wrote, for the network that they were found in.",
                "Fit again, or pass the network they belong to.",
            )
        ) from error


def _made(cls: type[CRAFT], content: dict[str, Any], folder: Path, backbone: Backbone) -> CRAFT:
    grouping = content["grouping"]
    craft = cls(
        backbone,
        dictionary=content["dictionary"],
        groups=grouping if isinstance(grouping, str) else dict(grouping),
        **content["settings"],
        **content["options"],
    )
    wanted, found = content["model"]["sha256"], backbone.fingerprint()
    if wanted != found:
        raise ValueError(f"they were found in a network with the fingerprint {wanted}, not {found}")
    for i, group in enumerate(content["groups"]):
        dictionary = Dictionary.from_pretrained(folder / f"group-{i:04d}")
        if fingerprint(dictionary) != group["atoms_sha256"]:
            raise ValueError(f"group-{i:04d} is not the one that {NAME} lists")
        craft.groups[group["name"]] = Group(
            group["name"],
            tuple(group["classes"]),
            dictionary,
            np.zeros(group["n_pictures"], np.int64),
            np.asarray(group["strengths"], np.float64),
        )
    craft.warnings = dict(content["warnings"])
    return craft


def fingerprint(dictionary: Dictionary) -> str:
    """Tells dictionaries apart, so that only concepts of one are ever compared by name."""
    return hashlib.sha256(dictionary.atoms.detach().cpu().contiguous().numpy().tobytes()).hexdigest()


def _plain(key: str | int) -> str | int:
    return key if isinstance(key, str) else int(key)


def _hash_of(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
