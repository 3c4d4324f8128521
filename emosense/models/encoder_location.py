"""Model with the name of a pretrained encoder -> model with the encoder's file on this machine."""

from __future__ import annotations

import dataclasses

from emosense.errors import ModelError, UsageError
from emosense.features.encoder.download import obtain_encoder
from emosense.features.encoder.files import find_encoder
from emosense.models.model_files import ModelFiles
from emosense.progress import Progress, Silent
from emosense.storage.locations import redact


def with_encoder_file(files: ModelFiles, given: str = "", progress: Progress | None = None) -> ModelFiles:
    """Find the encoder that a model names, so that every worker opens the same file.

    Parameters
    ----------
    files : ModelFiles
        The model; one without an encoder is returned unchanged.
    given : str
        Path or URL from the user. If it is empty, the encoder is searched for on this machine and never fetched.
    progress : Progress or None
        Where a download is shown.

    Returns
    -------
    ModelFiles
        The model, with the path of the encoder's file in its description.

    Raises
    ------
    UsageError
        If an encoder is given for a model that has none.
    ModelError
        If the encoder is not on this machine, or the given one is not the model's.
    """
    features = files.description["features"]
    wanted = [one["encoder"] for one in features if one.get("encoder")]
    if not wanted:
        if given:
            raise UsageError("this model has no encoder: leave --encoder out")
        return files
    found = {}
    if given:
        file, sha256 = obtain_encoder(given, progress or Silent())
        if sha256 not in {encoder["sha256"] for encoder in wanted}:
            raise ModelError(
                f"{redact(given)} is another encoder: its sha256 is {sha256}, the model needs {wanted[0]['sha256']}"
            )
        found[sha256] = file
    for encoder in wanted:
        places = (found.get(encoder["sha256"], ""), encoder.get("location", ""))
        found[encoder["sha256"]] = find_encoder(encoder["sha256"], places)
    changed = [
        one | {"encoder": one["encoder"] | {"file": found[one["encoder"]["sha256"]]}} if one.get("encoder") else one
        for one in features
    ]
    return dataclasses.replace(files, description=files.description | {"features": changed})
