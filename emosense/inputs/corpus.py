"""Labelled corpora: which recordings there are, who speaks, and which emotion is meant.

A CSV or Parquet table with the columns path, emotion and speaker describes any corpus, and several corpora with the
columns corpus and language (`emosense.inputs.corpus_table`). In a folder or bucket the file names carry the labels:
each entry of `CORPORA` reads the names of one corpus. Recordings that cannot be used are listed with the reason.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from emosense.emotions import EMOTIONS, SYNONYMS, parse_emotion
from emosense.errors import NothingToDo, UsageError
from emosense.inputs.corpus_table import read_table
from emosense.inputs.listing import Listing
from emosense.inputs.listing_config import ListingConfig, links_hint
from emosense.inputs.ravdess_names import CodeError, parse_ravdess_name
from emosense.inputs.recording import Recording
from emosense.inputs.utterance import RAVDESS, UNLABELLED, Utterance
from emosense.registry import Registry
from emosense.storage.locations import redact

# A corpus may have a few misnamed files; if more than this share contradicts its naming, it is another corpus.
_MAX_CONTRADICTING: Final = 0.1
_FEW: Final = 2


class ContradictionError(ValueError):
    """A recording has a name of the form of a corpus, and contradicts it: another corpus may use the same form."""


class NotUsedError(ValueError):
    """A recording belongs to a corpus and cannot be used: a song, or a film."""


@dataclasses.dataclass(frozen=True, slots=True)
class Corpus:
    """The recordings of one or more corpora with their labels.

    Parameters
    ----------
    utterances : tuple of Utterance
        In order of their paths.
    problems : tuple of (path, reason)
        Recordings that cannot be used.
    """

    utterances: tuple[Utterance, ...]
    problems: tuple[tuple[str, str], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the corpora, sorted."""
        return tuple(sorted({utterance.corpus for utterance in self.utterances}))

    @property
    def further_columns(self) -> tuple[str, ...]:
        """Names of further columns of the tables, in their order."""
        return tuple(dict.fromkeys(name for utterance in self.utterances for name, _ in utterance.further))


def read_corpus(*locations: str, follow_links: bool = False, root: str = "") -> Corpus:
    """Read folders, buckets and tables.

    Parameters
    ----------
    *locations : str
        Local paths or URLs of folders, or of .csv or .parquet tables; at least one.
    follow_links : bool
        Follow symbolic links that lead out of a folder.
    root : str
        Folder or URL that relative paths in tables begin at; empty for the folder of the table.

    Returns
    -------
    Corpus
        What can be used, and what cannot. A recording that two locations name is in it once, with the labels of the
        first. Speakers of two corpora who have the same name are two people: the name then begins with the corpus's
        (``nemo-01``), except in RAVDESS.

    Raises
    ------
    UsageError
        If there is nothing at a location, a table lacks a column, or a folder looks like a corpus and contradicts it.
    NothingToDo
        If a location holds no recording at all.
    """
    config = ListingConfig(follow_links=follow_links, root=root)
    parts = [_read(location, config) for location in locations]
    utterances: dict[str, Utterance] = {}
    for part in parts:
        for utterance in part.utterances:
            utterances.setdefault(utterance.recording.location, utterance)
    ordered = sorted(utterances.values(), key=lambda utterance: os.fsencode(utterance.recording.path))
    return Corpus(_distinct_speakers(ordered), tuple(problem for part in parts for problem in part.problems))


def _read(location: str, config: ListingConfig) -> Corpus:
    if location.lower().endswith((".csv", ".parquet")):
        return Corpus(*read_table(location, config.root))
    with Listing() as listing:
        listing.add_input(location, config)
        if not len(listing):
            raise NothingToDo(f"no audio in {redact(location)}{links_hint(listing.ignored)}")
        return _read_names(location, list(listing))


def _distinct_speakers(utterances: Sequence[Utterance]) -> tuple[Utterance, ...]:
    """Name speakers of different corpora differently: their folds are split by name."""
    corpora_of: dict[str, set[str]] = {}
    for utterance in utterances:
        corpora_of.setdefault(utterance.speaker, set()).add(utterance.corpus)
    return tuple(
        dataclasses.replace(utterance, speaker=f"{utterance.corpus}-{utterance.speaker}")
        if len(corpora_of[utterance.speaker]) > 1 and utterance.corpus != RAVDESS
        else utterance
        for utterance in utterances
    )


def _read_names(location: str, recordings: Sequence[Recording]) -> Corpus:
    """Read recordings as the corpus to which most of their names belong; without one they have no labels."""
    for corpus, read_name in CORPORA.items():
        utterances: list[Utterance] = []
        problems: list[tuple[str, str]] = []
        kinds: Counter[type[ValueError]] = Counter()
        for recording in recordings:
            try:
                utterances.append(dataclasses.replace(read_name(recording), corpus=corpus))
            except ValueError as err:
                problems.append((recording.path, str(err)))
                kinds[type(err)] += 1
        n_contradicting = kinds[ContradictionError]
        n_named = len(utterances) + kinds[NotUsedError]
        if utterances and n_contradicting > max(_FEW, _MAX_CONTRADICTING * (n_named + n_contradicting)):
            raise _another_corpus(location, corpus, n_contradicting, n_named + n_contradicting, problems)
        if utterances and len(recordings) - n_named - n_contradicting <= max(_FEW, n_named):
            return Corpus(tuple(utterances), tuple(problems))
    return Corpus(tuple(Utterance(recording, "", "", corpus=UNLABELLED) for recording in recordings), ())


def _another_corpus(
    location: str, corpus: str, n_contradicting: int, n_named: int, problems: Sequence[tuple[str, str]]
) -> UsageError:
    reason, _ = Counter(reason for _, reason in problems).most_common(1)[0]
    return UsageError(
        f"the names in {redact(location)} look like those of {corpus}, but {n_contradicting:,} of {n_named:,} "
        f"contradict it (most often: {reason}): this is another corpus, whose codes mean other emotions. Describe it "
        "in a table with the columns path, emotion and speaker"
    )


def _ravdess_utterance(recording: Recording) -> Utterance:
    folder, _, name = recording.path.replace(os.sep, "/").rpartition("/")
    try:
        parsed = parse_ravdess_name(name)
    except CodeError as err:
        raise ContradictionError(str(err)) from err
    emotion, folder_name = EMOTIONS[parsed.emotion - 1], folder.rpartition("/")[2]
    actor_folder = re.fullmatch(r"Actor_(\d\d)", folder_name)
    if actor_folder and int(actor_folder[1]) != parsed.actor:
        raise ContradictionError(f"the name says actor {parsed.speaker}, the folder {folder_name}")
    if folder_name.lower() in {*EMOTIONS, *SYNONYMS} and parse_emotion(folder_name) != emotion:
        raise ContradictionError(f"the name says {emotion}, the folder {folder_name}")
    if parsed.modality != 3 or parsed.channel != 1:
        raise NotUsedError("not audio-only speech (modality 03, channel 01)")
    return Utterance(recording, emotion, parsed.speaker, parsed.sex)


# One function per corpus: it takes a `Recording` and returns its `Utterance`, or raises ValueError with the reason why
# the name is not one of the corpus: `ContradictionError` for a name of its form with a code that it does not have,
# `NotUsedError` for a recording of the corpus that is not wanted. An installed package adds one with an entry point.
CORPORA: Final = Registry[Callable[[Recording], Utterance]]("corpus", "emosense.corpora")
CORPORA.register(RAVDESS, _ravdess_utterance)
