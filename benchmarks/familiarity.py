"""How well a model's distance tells recordings of another corpus from those of unseen speakers.

    python benchmarks/familiarity.py default RAVDESS MORE.csv
    python benchmarks/familiarity.py fast RAVDESS MORE.csv --only ravdess

Corpora are what `emosense-batch train` takes. Each corpus is left out once, and the distance is learned from the others
(with --only, from one of them) without a fifth of their speakers: five times, so that every speaker is held out once.
Printed: the AUROC between the recordings of the corpus that is left out and those of the speakers that are held out (of
the corpora learned from, and of RAVDESS alone), mean and smallest of the five, and which share of both is marked as
unfamiliar. The features of the model stay as they are.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from emosense.features.config import FeatureConfig
from emosense.features.encoder.files import default_cache
from emosense.models.model_files import read_model
from emosense.progress import Silent
from emosense.training.familiarity.distance import learn_familiarity
from emosense.training.familiarity.graph import recording_values
from emosense.training.features.loading import load_tables
from emosense.training.features.source import FeatureSource

N_FOLDS = 5


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
    values = recording_values(files.weights, tables)
    speakers, corpora = np.array(tables[0].speakers), np.array(tables[0].corpora)
    fold_of = _folds(speakers, corpora)
    print("| corpus left out | AUROC, all held-out speakers | of RAVDESS | marked | held-out speakers marked |")
    print("|---|--:|--:|--:|--:|")
    for corpus in sorted({*corpora} - {arguments.only}):
        known = corpora == arguments.only if arguments.only else corpora != corpus
        figures = []
        for fold in range(N_FOLDS):
            learned = np.flatnonzero(known & (fold_of != fold))
            familiarity = learn_familiarity([values[row] for row in learned], [*speakers[learned]])
            if familiarity is None:
                sys.exit("fewer than three speakers")
            measured = np.flatnonzero((corpora == corpus) | (known & (fold_of == fold)))
            distances = familiarity.distances([values[row] for row in measured]).max(axis=1)
            is_new = corpora[measured] == corpus
            of_ravdess = is_new | (corpora[measured] == "ravdess")
            shares = [100 * (distances[of] > 1).mean() for of in (is_new, ~is_new)]
            figures.append([_auroc(is_new, distances), _auroc(is_new[of_ravdess], distances[of_ravdess]), *shares])
        (every, ravdess, new, unseen), least = np.mean(figures, axis=0), np.min(figures, axis=0)
        aurocs = f"{every:.3f} ({least[0]:.3f}) | {ravdess:.3f} ({least[1]:.3f})"
        print(f"| {corpus} | {aurocs} | {new:.1f} % | {unseen:.1f} % |", flush=True)


def _folds(speakers: NDArray[np.str_], corpora: NDArray[np.str_]) -> NDArray[np.int64]:
    """The fold of each recording; the speakers of each corpus are spread over all folds."""
    rng, found = np.random.default_rng(0), np.zeros(len(speakers), np.int64)
    for corpus in sorted({*corpora}):
        for place, name in enumerate(rng.permutation(sorted({*speakers[corpora == corpus]}))):
            found[(corpora == corpus) & (speakers == name)] = place % N_FOLDS
    return found


def _auroc(is_new: NDArray[np.bool_], distances: NDArray[np.float64]) -> float:
    return float(roc_auc_score(is_new, distances)) if 0 < is_new.sum() < len(is_new) else float("nan")


if __name__ == "__main__":
    main()
