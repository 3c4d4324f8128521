"""What one start of a run has cost: processor time, bytes and requests, from which its price follows.

Only what is known is counted: processor time of the driver and of its workers, except for a recording that killed its
worker; bytes and requests of the recordings that were read, as if no request had been repeated; a request for each part
in object storage. The listing and the table take a few requests more.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any, Self

from emosense.inputs.recording import Recording
from emosense.progress import plural, rate_text
from emosense.storage.objects import n_reads
from emosense.storage.schemes import is_url

_UNITS = ("B", "kB", "MB", "GB", "TB")


@dataclasses.dataclass(slots=True)
class Cost:
    """What was used; `add` joins the costs of chunks.

    Parameters
    ----------
    n_labelled : int
        Recordings that were labelled, those that an earlier start has finished left out.
    cpu_s : float
        Processor time in seconds.
    n_bytes : int
        Size of the recordings that were read.
    n_reads, n_writes : int
        Requests to object storage: HEAD and GET, and PUT.
    """

    n_labelled: int = 0
    cpu_s: float = 0.0
    n_bytes: int = 0
    n_reads: int = 0
    n_writes: int = 0

    @classmethod
    def of_chunk(cls, read: Iterable[Recording], n_labelled: int, folder: str) -> Self:
        """Return the cost of a chunk, without its processor time.

        Parameters
        ----------
        read : iterable of Recording
            The recordings that could be read.
        n_labelled : int
            All that were labelled, at least one.
        folder : str
            Where the part is.

        Returns
        -------
        Cost
        """
        cost = cls(n_labelled, n_writes=int(is_url(folder)))
        for recording in read:
            n_bytes = max(0, recording.size)
            cost.n_bytes += n_bytes
            cost.n_reads += n_reads(n_bytes) if is_url(recording.location) else 0
        return cost

    def add(self, other: Cost) -> None:
        """Add another cost to this one.

        Parameters
        ----------
        other : Cost
        """
        for field in dataclasses.fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))

    def to_dict(self, elapsed_s: float) -> dict[str, Any]:
        """Return what ``--json`` and the manifest have.

        Parameters
        ----------
        elapsed_s : float
            Duration of the job in seconds.

        Returns
        -------
        dict
            JSON values.
        """
        return {
            "labelled": self.n_labelled,
            "per_s": round(self.n_labelled / elapsed_s, 3) if elapsed_s else 0.0,
            "cpu_s": round(self.cpu_s, 3),
            "bytes_read": self.n_bytes,
            "requests": {"read": self.n_reads, "write": self.n_writes},
        }

    def text(self, elapsed_s: float) -> str:
        """Return a line for a person.

        Parameters
        ----------
        elapsed_s : float
            Duration of the job in seconds, > 0.

        Returns
        -------
        str
            Empty if nothing was labelled.
        """
        if not self.n_labelled:
            return ""
        n_requests = self.n_reads + self.n_writes
        requests = f", {plural(n_requests, 'request')}" if n_requests else ""
        rate = rate_text(self.n_labelled / elapsed_s).replace("/", " recordings/")
        return f"  cost: {rate}, {self.cpu_s:,.1f} s of CPU, {_size(self.n_bytes)} read{requests}"


def _size(n_bytes: float) -> str:
    for unit in _UNITS[:-1]:
        if n_bytes < 1000:
            return f"{n_bytes:.3g} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:,.3g} {_UNITS[-1]}"
