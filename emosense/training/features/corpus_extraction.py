"""Corpus -> feature table: workers write the features of their recordings beside it, and one table is made of them."""

from __future__ import annotations

import contextlib
import dataclasses
from collections import Counter
from typing import Final

from emosense.features.config import FeatureConfig
from emosense.inputs.corpus import Corpus
from emosense.progress import Progress, Silent
from emosense.storage.writing import atomic_writer
from emosense.training.features.corpus_features import CorpusFeatures
from emosense.training.features.parts_folder import parts_folder
from emosense.training.features.table_file import FeatureTableWriter

_ROWS_PER_GROUP: Final = 256


@dataclasses.dataclass(frozen=True, slots=True)
class Extraction:
    """What `extract_corpus` did.

    Parameters
    ----------
    n_utterances : int
        Number of rows in the table.
    by_error : Counter
        Number of recordings that could not be read, by error code.
    """

    n_utterances: int
    by_error: Counter[str]


def extract_corpus(
    corpus: Corpus,
    config: FeatureConfig,
    output: str,
    *,
    address: str | None = None,
    n_workers: int | None = None,
    progress: Progress | None = None,
) -> Extraction:
    """Extract the features of a corpus into a feature table.

    Parameters
    ----------
    corpus : Corpus
        Utterances to extract.
    config : FeatureConfig
        Settings of the features.
    output : str
        Location of the table, local or URL; it appears when it is complete.
    address, n_workers
        See `ray_session`.
    progress : Progress, optional
        Receives the number of recordings done.

    Returns
    -------
    Extraction
        What was done.

    Raises
    ------
    UsageError
        If another run is writing the table.
    OutputError
        If the table cannot be written.
    """
    progress = progress or Silent()
    with parts_folder(output, progress.message) as folder:
        features = CorpusFeatures(corpus, folder.location, [(config, None)])
        with (
            atomic_writer(output, folder.commit) as file,
            contextlib.closing(FeatureTableWriter(file, config, corpus.further_columns)) as writer,
        ):
            features.extract_missing(address, n_workers, progress)
            rows = features.rows(config, None)
            for start in range(0, len(rows), _ROWS_PER_GROUP):
                group = slice(start, start + _ROWS_PER_GROUP)
                writer.write(corpus.utterances[group], [row.result() for row in rows[group]])
        folder.remove_stores()
    return Extraction(len(rows), Counter(row.error_code for row in rows if row.error_code))
