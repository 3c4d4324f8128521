"""The inputs of a job -> its list of recordings."""

from __future__ import annotations

import dataclasses
import itertools

from emosense.errors import UsageError
from emosense.inputs.archive import is_archive
from emosense.inputs.archive_listing import open_archives
from emosense.inputs.listing import Listing
from emosense.inputs.listing_config import ListingConfig
from emosense.inputs.parquet_index import holds_recordings
from emosense.inputs.path_table import is_table, names_in_table
from emosense.labelling.job import LabelJob
from emosense.labelling.speakers import Speakers
from emosense.storage.locations import absolute_location, is_within, redact


def list_inputs(job: LabelJob, listing: Listing) -> None:
    """List the recordings of a job; its outputs and its table of speakers are not among them.

    Parameters
    ----------
    job : LabelJob
    listing : Listing
        Filled in.
    """
    own = [*job.written, *([job.speakers.text] if job.speakers and job.speakers.is_table else [])]
    config = dataclasses.replace(job.listing, excluded=tuple(map(absolute_location, own)))
    tables = [location for location in job.inputs if _names_recordings(location, config)]
    # Where an input may name what another one names, all must be listed to know which are the first.
    is_alone = not tables and job.names is None and not config.inside and _are_apart(job)
    for location in job.inputs:
        if location in tables:
            listing.add_names(names_in_table(location, config.root), config)
        else:
            listing.add_input(location, config, job.limit if is_alone else None)
    if job.names is not None:
        listing.add_names(job.names, config)
    if config.inside:
        listing.look_up()
        open_archives(listing, config)
    if job.limit is not None:
        listing.truncate(job.limit)
    listing.look_up()


def _names_recordings(location: str, config: ListingConfig) -> bool:
    """Whether an input is a table or list of names rather than a recording, a folder or an archive."""
    if config.any_extension or not is_table(location):
        return False
    return not (config.inside and is_archive(location) and holds_recordings(location))


def _are_apart(job: LabelJob) -> bool:
    """Whether no input is inside another, or can lead there."""
    pairs = itertools.permutations(job.inputs, 2)
    return len(job.inputs) == 1 or not (job.listing.follow_links or any(is_within(*pair) for pair in pairs))


def check_speakers(job: LabelJob, speakers: Speakers | None, listing: Listing) -> None:
    """Refuse a wrong pattern or table of speakers before anything is labelled.

    Parameters
    ----------
    job : LabelJob
    speakers : Speakers or None
        None if labels are not adapted.
    listing : Listing

    Raises
    ------
    UsageError
        If no recording has a speaker.
    """
    if speakers is None or not len(listing) or any(speakers.names.has_speaker(recording.path) for recording in listing):
        return
    assert job.speakers is not None
    example = redact(next(iter(listing)).path)
    raise UsageError(f"--speakers {job.speakers.redacted} gives no speaker for any recording, such as {example}")
