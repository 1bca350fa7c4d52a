"""What is the answer? Data and maths only: nothing here draws, writes or runs a network."""

from seewhy.explanation.answer import Answer
from seewhy.explanation.answers import Answers
from seewhy.explanation.attribution_map import AttributionMap
from seewhy.explanation.capabilities import CAPABILITIES
from seewhy.explanation.contrast import Contrast, contrast_of
from seewhy.explanation.edit import Edit, Readout
from seewhy.explanation.evidence import ConceptEvidence, Elsewhere, Meta, Prediction
from seewhy.explanation.explanation import Explanation, Totals
from seewhy.explanation.receipt import Receipt
from seewhy.explanation.replay import Replay
from seewhy.explanation.schema import from_dict

__all__ = [
    "CAPABILITIES",
    "Answer",
    "Answers",
    "AttributionMap",
    "ConceptEvidence",
    "Contrast",
    "Edit",
    "Elsewhere",
    "Explanation",
    "Meta",
    "Prediction",
    "Readout",
    "Receipt",
    "Replay",
    "Totals",
    "contrast_of",
    "from_dict",
]
