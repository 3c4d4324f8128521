"""The Python API: labels, features and models, without the files that the command line writes."""

from emosense.api.batches import LabelBatch
from emosense.api.features import extract_features, load_model
from emosense.api.labeller import Labeller
from emosense.api.labelling import LabelSettings, label
from emosense.api.tables import to_pandas

__all__ = ["LabelBatch", "LabelSettings", "Labeller", "extract_features", "label", "load_model", "to_pandas"]
