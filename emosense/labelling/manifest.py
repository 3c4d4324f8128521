"""The manifest beside a table, `<output>.run.json`: with what it was made, and what came out."""

from __future__ import annotations

import dataclasses
import datetime
import json
import platform
import secrets
import sys
from typing import Any

from emosense._version import __version__
from emosense.labelling.config import LabelSpec
from emosense.labelling.job import LabelJob, run_settings
from emosense.labelling.run.changed_tables import DIGESTS, table_digests
from emosense.labelling.summary import Summary
from emosense.storage.commits import Commit
from emosense.storage.locations import redact
from emosense.storage.writing import write_bytes
from emosense.tables.columns import SCHEMA_VERSION


def result_settings(spec: LabelSpec) -> dict[str, Any]:
    """Return every setting that finished work depends on: a run is resumed only with the same ones.

    Settings of the table alone, such as its formats and columns, are not among them: rows are kept as the model gives
    them, with all that is measured, and everything else is applied when the table is assembled.

    Parameters
    ----------
    spec : LabelSpec

    Returns
    -------
    dict
        JSON values.
    """
    return {"schema": SCHEMA_VERSION, "model_sha256": spec.model.sha256, **dataclasses.asdict(spec.config)}


def _model_record(spec: LabelSpec) -> dict[str, Any]:
    """Return what the manifest says of the model: its digest, its licence, and its score on speakers unknown to it."""
    description = spec.model.description
    scores = [
        {name: score.get(name) for name in ("protocol", "n", "uar", "accuracy")} for score in description["scores"]
    ]
    return {
        "name": description["name"],
        "sha256": spec.model.sha256,
        "licence": description["licence"],
        "score": scores[0] if scores else None,
    }


def write_manifest(job: LabelJob, spec: LabelSpec, summary: Summary, commit: Commit) -> None:
    """Write ``<output>.run.json``, the last file of a run.

    Parameters
    ----------
    job : LabelJob
    spec : LabelSpec
    summary : Summary
    commit : callable
        Puts it in place.
    """
    manifest = {
        "schema": SCHEMA_VERSION,
        "run_id": secrets.token_hex(8),
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "inputs": job.input_names,
        "limit": job.limit,
        "output": redact(job.output),
        "tables": run_settings(job)["tables"],
        DIGESTS: table_digests(job.all_tables, job.output),
        "model": _model_record(spec),
        "parameters": dataclasses.asdict(spec.config)
        | {
            "quality": job.quality,
            "emotions": list(job.emotions.emotions) if job.emotions else None,
            "min_confidence": job.min_confidence,
            "speakers": job.speakers.redacted if job.speakers else None,
            "adapt": job.adapts_to,
        },
        "versions": {"emosense": __version__, "python": platform.python_version(), "platform": sys.platform},
        "cpus": summary.cpus,
        "engine": summary.engine,
        "counts": summary.counts(),
        "elapsed_s": round(summary.elapsed_s, 3),
        "cost": summary.cost.to_dict(summary.elapsed_s),
        "exit_code": summary.exit_code,
    }
    write_bytes(f"{job.output}.run.json", (json.dumps(manifest, indent=2) + "\n").encode(), commit)
