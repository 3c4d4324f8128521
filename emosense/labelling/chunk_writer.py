"""What a worker does with a chunk of a run: label it, write its part, and tell the driver counts in place of rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from emosense.inputs.recording import Recording
from emosense.labelling.chunks import Chunk, label_chunk
from emosense.labelling.cost import Cost
from emosense.labelling.labelled import Labelled
from emosense.labelling.run.part_file import KeptPart, PartPlace
from emosense.labelling.storage_watch import Reading, readings, was_read
from emosense.labelling.subprocess_labeller import SubprocessLabeller
from emosense.storage.locations import redact


@dataclasses.dataclass(frozen=True, slots=True)
class KeptChunk:
    """What the driver learns of a chunk: its rows are in a part already.

    Parameters
    ----------
    index : int
        Place of the chunk in the list.
    part : KeptPart or None
        Where its rows are; None if the engine was stopped before the first.
    cost : Cost
        What labelling it has cost, and how many recordings have a result.
    n_errors : int
        How many of them have no label.
    readings : tuple of Reading
        Which recordings could be read, for `StorageWatch`.
    n_several_tracks : int
        How many of them have several audio tracks, of which one was read.
    problems : tuple of str
        A sentence for each recording that is not ok; empty unless asked for.
    bugs : tuple of (str, str)
        Paths of recordings on which the program failed, and the tracebacks.
    """

    index: int
    part: KeptPart | None
    cost: Cost
    n_errors: int
    readings: tuple[Reading, ...] = ()
    problems: tuple[str, ...] = ()
    n_several_tracks: int = 0
    bugs: tuple[tuple[str, str], ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class ChunkWriter:
    """The `Work` of a run.

    Parameters
    ----------
    place : PartPlace
        Where parts are written.
    tells_problems : bool
        Whether the driver wants a sentence for each recording that is not ok.
    """

    place: PartPlace
    tells_problems: bool = False

    def __call__(self, labeller: SubprocessLabeller, chunk: Chunk, is_stopped: Callable[[], bool]) -> KeptChunk:
        """Label a chunk and keep its rows.

        Parameters
        ----------
        labeller : SubprocessLabeller
        chunk : Chunk
        is_stopped : callable
            Asked after each recording; once it returns True, what is done so far is kept.

        Returns
        -------
        KeptChunk

        Raises
        ------
        OutputError
            If the part cannot be written.
        """
        before_s, n_before, n_bugs = labeller.cpu_s, labeller.n_several_tracks, len(labeller.bugs)
        kept = self.keep(chunk, label_chunk(labeller, chunk, is_stopped).labelled)
        kept.cost.cpu_s += labeller.cpu_s - before_s
        n_several_tracks, bugs = labeller.n_several_tracks - n_before, tuple(labeller.bugs[n_bugs:])
        return dataclasses.replace(kept, n_several_tracks=n_several_tracks, bugs=bugs)

    def keep(self, chunk: Chunk, labelled: list[Labelled]) -> KeptChunk:
        """Write the part of a chunk.

        Parameters
        ----------
        chunk : Chunk
        labelled : list of Labelled
            Results of its recordings, in order; may be fewer.

        Returns
        -------
        KeptChunk

        Raises
        ------
        OutputError
            If the part cannot be written.
        """
        done = list(zip(chunk.recordings, labelled, strict=False))
        if not done:
            return KeptChunk(chunk.index, None, Cost(), 0)
        part = self.place.write(chunk.index, done)
        cost = Cost.of_chunk((each for each, result in done if was_read(result)), len(done), self.place.folder)
        n_errors = sum(result.has_failed for result in labelled)
        problems = tuple(_problems(done)) if self.tells_problems else ()
        return KeptChunk(chunk.index, part, cost, n_errors, tuple(readings(done)), problems)


def _problems(done: list[tuple[Recording, Labelled]]) -> list[str]:
    rows = [result.row for _, labelled in done for result in labelled.by_channel if result.row.error_code]
    names = (row.path if row.channel is None else f"{row.path}, channel {row.channel}" for row in rows)
    return [redact(f"{name}: {row.error_code}: {row.error}") for name, row in zip(names, rows, strict=True)]
