"""How well a model's distance tells recordings of another corpus from those of unseen speakers.

    python benchmarks/familiarity.py default RAVDESS MORE.csv
    python benchmarks/familiarity.py fast RAVDESS MORE.csv --only ravdess

Corpora are what `emosense-batch train` takes. A fifth of the speakers of each corpus is held out. Each corpus is left
out once, and the distance is learned from the others, or with --only from one of them. Printed: the AUROC between the
recordings of the corpus that is left out and those of the speakers that are held out (of the corpora learned from, and
of the first one alone), and which share of both is marked as unfamiliar. The features of the model stay as they are.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from emosense.features.config import FeatureConfig
from emosense.features.encoder.files import default_cache
from emosense.models.model import read_model
from emosense.progress import Silent
from emosense.training.familiarity import learn_familiarity
from emosense.training.familiarity_graph import recording_values
from emosense.training.features.source import FeatureSource, load_tables

HELD_OUT = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("corpora", nargs="+")
    parser.add_argument("--only", default="", help="learn from this corpus alone")
    arguments = parser.parse_args()
    files = read_model(arguments.model)
    wanted = {FeatureConfig.from_dict(values): () for values in files.description["features"]}
    source = FeatureSource(arguments.corpora[0], default_cache(), more=tuple(arguments.corpora[1:]))
    tables = load_tables(source, wanted, Silent())
    values, n_directions = recording_values(files.weights, tables)
    speakers, corpora = np.array(tables[0].speakers), np.array(tables[0].corpora)
    held_out = np.isin(speakers, _held_out(speakers, corpora))
    print("| corpus left out | AUROC, all held-out speakers | of RAVDESS | marked | held-out speakers marked |")
    print("|---|--:|--:|--:|--:|")
    for corpus in sorted({*corpora} - {arguments.only}):
        known = corpora == arguments.only if arguments.only else corpora != corpus
        familiarity = learn_familiarity(values[known & ~held_out], [*speakers[known & ~held_out]], n_directions)
        if familiarity is None:
            sys.exit("fewer than three speakers")
        distances = familiarity.distances(values).max(axis=1)
        new, all_unseen = distances[corpora == corpus], distances[known & held_out]
        of_ravdess = distances[known & held_out & (corpora == "ravdess")]
        figures = [_auroc(all_unseen, new), _auroc(of_ravdess, new)]
        shares = [f"{100 * (each > 1).mean():.1f} %" for each in (new, all_unseen)]
        print(f"| {corpus} | {' | '.join(figures)} | {' | '.join(shares)} |", flush=True)


def _held_out(speakers: NDArray[np.str_], corpora: NDArray[np.str_]) -> list[str]:
    """A fifth of the speakers of each corpus, at least two."""
    rng, found = np.random.default_rng(0), list[str]()
    for corpus in sorted({*corpora}):
        names = sorted({*speakers[corpora == corpus]})
        found += [str(name) for name in rng.permutation(names)[: max(2, len(names) // HELD_OUT)]]
    return found


def _auroc(unseen: NDArray[np.float64], new: NDArray[np.float64]) -> str:
    if not len(unseen):
        return ""
    return f"{roc_auc_score([0] * len(unseen) + [1] * len(new), np.concatenate([unseen, new])):.3f}"


if __name__ == "__main__":
    main()
