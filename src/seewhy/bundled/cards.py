"""What is known of each bundled model: its card, and its weights, which are read only if they are the card's.

weights/resnet-t4.json          the card
weights/resnet-t4.safetensors   half-precision tensors; their SHA-256 is in the card
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from seewhy.errors import BadArtefact, UnknownName, did_you_mean, message

if TYPE_CHECKING:
    from torch import Tensor

SCHEMA = "seewhy.card/1"
FOLDER = Path(__file__).parent / "weights"
"""Where the cards and weights that come with Seewhy are."""

Kind = Literal["classifier", "image-text"]


@dataclass(frozen=True)
class Measured:
    """One number of a card.

    Attributes
    ----------
    what
        What was measured, for example "accuracy" or "presence AUROC: colour".
    on
        On which scenes, for example "T4 test".
    n
        How many.
    value
        The number.
    low, high
        95 % interval, where the measure has one.
    bar
        What it was meant to reach; `at_most` if it was meant to stay below.
    """

    what: str
    on: str
    n: int
    value: float
    low: float | None = None
    high: float | None = None
    bar: float | None = None
    at_most: bool = False

    @property
    def met(self) -> bool | None:
        """Whether the bar is met; None without one."""
        if self.bar is None:
            return None
        return self.value <= self.bar if self.at_most else self.value >= self.bar


@dataclass(frozen=True)
class Card:
    """A bundled model: what it is, how it came to be, and how good it is.

    Attributes
    ----------
    name, title
        Its name ("seewhy/NAME" loads it), and what it answers.
    kind, network
        "classifier" or "image-text", and the architecture.
    task, bias, classes
        Of a classifier: the world's task, the share of training scenes whose cue agrees with the label, and the
        class names in the order of the logits.
    words
        Of an image-text model: every word that its texts may hold, in the tokenizer's order.
    size
        Side of its input in pixels.
    world
        Version of the world that it was trained on.
    recipe, seed, seen
        How it was trained (all numbers), from which seed, on how many pictures (each epoch counted).
    commit, hardware, minutes, versions
        Of the code that trained it; on what; how long; with which libraries.
    measured
        How good it is.
    notes
        What a user should know, in words.
    sha256
        Of the weights file.
    """

    name: str
    title: str
    kind: Kind
    network: str
    size: int
    world: str
    seed: int
    seen: int
    commit: str
    hardware: str
    minutes: float
    sha256: str
    task: str | None = None
    bias: float | None = None
    classes: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    recipe: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    measured: tuple[Measured, ...] = ()
    notes: tuple[str, ...] = ()
    licence: str = "Apache-2.0"

    def to_json(self) -> str:
        """The card as a file; `Card.from_json` restores it."""
        return json.dumps({"schema": SCHEMA, **asdict(self)}, indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str, where: str = "the card") -> Card:
        """Inverse of `to_json`.

        Raises
        ------
        BadArtefact
            If it is not a card, or one of another schema.
        """
        try:
            record = json.loads(text)
            if record.pop("schema", None) != SCHEMA:
                raise ValueError(f"its schema is not {SCHEMA!r}")
            record["measured"] = tuple(Measured(**one) for one in record["measured"])
            for name in ("classes", "words", "notes"):
                record[name] = tuple(record[name])
            if unknown := set(record) - {entry.name for entry in fields(cls)}:
                raise ValueError(f"it has the unknown entries {', '.join(sorted(unknown))}")
            return cls(**record)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise BadArtefact(
                message(
                    f"{where} is no card of a bundled model: {error}.",
                    f"It is JSON of the schema {SCHEMA!r}.",
                    "Install Seewhy again.",
                )
            ) from error


def names(folder: Path | None = None) -> list[str]:
    """The models of a folder (default: `FOLDER`, those that come with Seewhy), in alphabetical order."""
    return sorted(path.stem for path in (folder or FOLDER).glob("*.json"))


def card(name: str, folder: Path | None = None) -> Card:
    """The card of a model, without "seewhy/" in front.

    Raises
    ------
    UnknownName
        If there is no such model; the message names the nearest.
    BadArtefact
        If the card is damaged.
    """
    known = names(folder)
    if name not in known:
        raise UnknownName(
            message(
                f"There is no bundled model {name!r}.",
                did_you_mean(name, known),
                "seewhy models list 'seewhy/*' shows every name.",
            )
        )
    path = (folder or FOLDER) / f"{name}.json"
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadArtefact(
            message(
                f"{path} cannot be read ({error}).",
                "It is the card of a bundled model, JSON in UTF-8.",
                "Install Seewhy again.",
            )
        ) from error
    return Card.from_json(text, str(path))


def file(card: Card, folder: Path | None = None) -> Path:
    """Where the model's weights are."""
    return (folder or FOLDER) / f"{card.name}.safetensors"


def content(card: Card, folder: Path | None = None) -> bytes:
    """The weights file as it is, given only if its hash is the card's.

    Raises
    ------
    BadArtefact
        If the file is missing, or not the one that the card speaks of.
    """
    path = file(card, folder)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadArtefact(
            message(
                f"{path} cannot be read ({error.strerror or error}).",
                "It holds the weights of a bundled model.",
                "Install Seewhy again.",
            )
        ) from error
    found = hashlib.sha256(data).hexdigest()
    if found != card.sha256:
        raise BadArtefact(
            message(
                f"{path} is not the file that its card speaks of: its SHA-256 is {found[:12]}....",
                f"It must be {card.sha256[:12]}....",
                "Install Seewhy again.",
            )
        )
    return data


def weights(card: Card, folder: Path | None = None) -> dict[str, Tensor]:
    """The model's tensors in single precision.

    Raises
    ------
    BadArtefact
        As `content`.
    """
    import safetensors.torch

    tensors: dict[str, Tensor] = safetensors.torch.load(content(card, folder))
    return {
        name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()
    }
