"""Input, model, features, parts and tables in a real object store (SeaweedFS, on the loopback interface)."""

from __future__ import annotations

import dataclasses
import functools
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import s3fs
import soundfile
from conftest import REPOSITORY, tiny_description
from made_sounds import voice
from made_tables import CLASSES, made_table
from paused_run import RENEW_EVERY_S, paused, resumed
from seaweed import object_store

from emosense.audio.waveform import read_waveform
from emosense.errors import EmoSenseError, StorageError, UsageError
from emosense.features.config import default_config
from emosense.inputs.listing_config import ListingConfig
from emosense.labelling import label_run
from emosense.labelling.job import LabelJob
from emosense.labelling.label_run import LabelRun
from emosense.labelling.run_job import run_label_job
from emosense.models.model_files import read_model, write_model
from emosense.ray_session import ray_session
from emosense.storage import conditions
from emosense.storage.commits import ReplacedMeanwhile, only_over, version_of
from emosense.storage.folder_lock import lock_folder
from emosense.storage.writing import write_bytes
from emosense.training import cnn
from emosense.training.features.extraction import recording_features
from emosense.training.features.parts_folder import parts_folder
from emosense.training.features.table_file import read_feature_table
from emosense.training.gradient_descent.train_on_ray import RayTraining, train_with_ray
from emosense.training.presets import preset

DRIVER = str(REPOSITORY / "tests" / "signalled_driver.py")
N_RECORDINGS, PART = 40, 8


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[s3fs.S3FileSystem]:
    with object_store(tmp_path_factory.mktemp("weed")) as fs:
        yield fs


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("local") / "in"
    for index in range(N_RECORDINGS):
        path = root / f"speaker{index % 2}" / f"{index:02d}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        if index % 9 == 4:
            path.write_bytes(b"no audio at all")
        else:
            soundfile.write(path, voice(0.3, 90 + 2 * index), 16_000)
    return root


@pytest.fixture(scope="module")
def job(store: s3fs.S3FileSystem, local: Path, tiny_model: str) -> LabelJob:
    """From S3 to S3, with the model there as well."""
    store.put(str(local), "audio/in", recursive=True)
    store.put(tiny_model, "audio/tiny", recursive=True)
    return LabelJob(("s3://audio/in",), "", model="s3://audio/tiny", engine="local", n_workers=2)


@pytest.fixture(scope="module")
def expected(job: LabelJob, local: Path, tiny_model: str, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The table of a local run, with the paths of the bucket."""
    output = tmp_path_factory.mktemp("fresh") / "out.csv"
    run_label_job(dataclasses.replace(job, inputs=(str(local),), output=str(output), model=tiny_model))
    return output.read_bytes().replace(f"{local}/".encode(), b"s3://audio/in/")


def test_a_bucket_gives_the_bytes_of_a_folder(store: s3fs.S3FileSystem, job: LabelJob, expected: bytes) -> None:
    for extension in ("csv", "parquet", "jsonl"):
        summary = run_label_job(dataclasses.replace(job, output=f"s3://audio/whole/out.{extension}"))
        assert (summary.n_recordings, summary.exit_code) == (N_RECORDINGS, 3)
    assert store.cat_file("audio/whole/out.csv") == expected
    manifest = json.loads(store.cat_file("audio/whole/out.csv.run.json"))
    assert manifest["inputs"] == ["s3://audio/in"]
    assert "tests-secret" not in json.dumps(manifest)
    again = run_label_job(dataclasses.replace(job, output="s3://audio/whole/out.csv"))
    assert again.n_reused == N_RECORDINGS
    assert not store.exists("audio/whole/out.csv.run/lock.json")


def test_one_run_at_a_time_writes_features_to_a_bucket(store: s3fs.S3FileSystem) -> None:
    output = "s3://audio/features/f.parquet"
    with parts_folder(output, print) as folder:
        with pytest.raises(UsageError, match=r"another run is writing .*f\.parquet: wait"), parts_folder(output, print):
            pass
        write_bytes(output, b"table", folder.commit)
    assert store.find("audio/features") == ["audio/features/f.parquet"]


@pytest.mark.parametrize(
    ("suffix", "count", "moment", "n_reused"), [(".parquet", 3, "after", 24), ("cut1.csv", 1, "before", 40)]
)
def test_a_run_that_is_killed_resumes_in_the_bucket(
    store: s3fs.S3FileSystem,
    job: LabelJob,
    expected: bytes,
    tmp_path: Path,
    suffix: str,
    count: int,
    moment: str,
    n_reused: int,
) -> None:
    output = f"s3://audio/{suffix.strip('.').removesuffix('.csv')}/cut1.csv"
    command = [sys.executable, DRIVER, suffix, str(count), moment, "SIGKILL", str(tmp_path / "mark")]
    command += ["label", *job.inputs, "-o", output, "-m", job.model, "--engine", "local", "-j", "2"]
    killed = subprocess.run(command, capture_output=True, text=True, timeout=90)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not store.exists(output)
    start_s = time.monotonic()
    summary = run_label_job(dataclasses.replace(job, output=output))
    assert time.monotonic() - start_s < 30  # the dead run's lease is not waited for on its own machine
    # The other worker may have put its part in the same moment, or not yet have put the one before.
    assert summary.n_reused in ((n_reused - 8, n_reused, n_reused + 8) if suffix == ".parquet" else (n_reused,))
    assert store.cat_file(output) == expected


def test_a_changed_object_is_labelled_again_and_the_others_are_not(
    store: s3fs.S3FileSystem, job: LabelJob, tmp_path: Path
) -> None:
    store.copy("audio/in/speaker0", "audio/changing", recursive=True)
    changing = dataclasses.replace(job, inputs=("s3://audio/changing",), output="s3://audio/changed.csv")
    run_label_job(changing)
    soundfile.write(tmp_path / "new.wav", voice(0.3, 300.0), 16_000)
    store.put_file(str(tmp_path / "new.wav"), "audio/changing/00.wav")
    before = store.cat_file("audio/changed.csv")
    assert run_label_job(changing).n_reused == N_RECORDINGS // 2 - 1
    after = store.cat_file("audio/changed.csv")
    assert sum(a != b for a, b in zip(before.splitlines(), after.splitlines(), strict=True)) == 1


def test_table_and_segments_both_reach_the_bucket(store: s3fs.S3FileSystem, job: LabelJob) -> None:
    inputs = ("s3://audio/in/speaker1",)
    outputs = {"output": "s3://audio/s/o.csv", "segments_output": "s3://audio/s/s.csv"}
    run_label_job(dataclasses.replace(job, inputs=inputs, **outputs))
    assert store.cat_file("audio/s/o.csv").count(b"\r\n") == 1 + N_RECORDINGS // 2
    assert b"start_s" in store.cat_file("audio/s/s.csv")


def test_the_second_of_two_runs_on_one_bucket_is_refused(job: LabelJob) -> None:
    output = "s3://audio/shared/out.csv"
    with (
        lock_folder(f"{output}.run", str, renew_every_s=0.3),
        pytest.raises(UsageError, match="another run is writing"),
    ):
        run_label_job(dataclasses.replace(job, output=output))


@pytest.mark.parametrize("is_first", [True, False])
def test_a_run_that_was_paused_while_another_finished_changes_nothing(
    store: s3fs.S3FileSystem,
    job: LabelJob,
    expected: bytes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_first: bool,
) -> None:
    # It is paused after it has read the lease for the last time: only the conditional PUT can tell.
    output = f"s3://audio/paused{is_first}/paused.csv"
    shared = dataclasses.replace(job, output=output)
    if not is_first:
        run_label_job(dataclasses.replace(shared, limit=8))
    with paused(shared, 8, "paused.csv", "before", tmp_path / "mark") as driver:
        monkeypatch.setattr(label_run, "lock_folder", functools.partial(lock_folder, renew_every_s=RENEW_EVERY_S))
        assert run_label_job(shared).n_reused == 8
        manifest = store.cat_file(f"{output}.run.json")
        code, lines = resumed(driver)
    assert (code, lines[-1].count("another run has taken over")) == (6, 1)
    assert not any("Traceback" in line for line in lines)
    assert store.cat_file(output) == expected
    assert store.cat_file(f"{output}.run.json") == manifest


def test_credentials_that_expire_after_the_listing_end_the_run_with_5_and_a_rerun_finishes_it(
    job: LabelJob, tmp_path: Path, tiny_model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = dataclasses.replace(job, output=str(tmp_path / "out.csv"), model=tiny_model, n_workers=1)
    reuse = LabelRun.reuse

    def reuse_and_expire(run: LabelRun) -> int:
        expired.setenv("AWS_SECRET_ACCESS_KEY", "expired-secret")
        s3fs.S3FileSystem.clear_instance_cache()
        return reuse(run)

    with monkeypatch.context() as expired:
        expired.setattr(LabelRun, "reuse", reuse_and_expire)
        with pytest.raises(StorageError, match="denied since it was listed: check the credentials") as raised:
            run_label_job(here)
    s3fs.S3FileSystem.clear_instance_cache()
    assert raised.value.exit_code == 5
    assert not (tmp_path / "out.csv").exists()
    summary = run_label_job(here)
    assert (summary.n_recordings, summary.n_reused, summary.by_error["permission_denied"]) == (N_RECORDINGS, 0, 0)


@pytest.mark.parametrize("n_bytes", [1, 12 << 20])
def test_an_object_is_replaced_only_if_it_is_the_one_that_was_seen(
    store: s3fs.S3FileSystem, monkeypatch: pytest.MonkeyPatch, n_bytes: int
) -> None:
    # The larger one goes up in three pieces.
    monkeypatch.setattr(conditions, "_PIECE_BYTES", 5 << 20)
    place, second = f"s3://audio/conditions/table-{n_bytes}", b"s" * n_bytes
    write_bytes(place, b"first", only_over(None))
    seen = version_of(place)
    write_bytes(place, second, only_over(seen))
    for version in (seen, None):
        with pytest.raises(ReplacedMeanwhile):
            write_bytes(place, b"l" * n_bytes, only_over(version))
    assert store.cat_file(place) == second


def test_shards_in_a_bucket_give_the_rows_of_a_folder(
    store: s3fs.S3FileSystem, job: LabelJob, expected: bytes, local: Path, tmp_path: Path
) -> None:
    for kind, folder in (("tar", "speaker0"), ("zip", "speaker1")):
        made = shutil.make_archive(str(tmp_path / folder), kind, local, folder)
        store.put(made, f"audio/shards/{folder}.{kind}")
    inside = ListingConfig(inside="archives")
    output = "s3://audio/whole/shards.csv"
    summary = run_label_job(dataclasses.replace(job, inputs=("s3://audio/shards",), output=output, listing=inside))
    assert summary.n_recordings == N_RECORDINGS
    text = expected.replace(b"in/speaker0/", b"shards/speaker0.tar::speaker0/")
    assert store.cat_file("audio/whole/shards.csv") == text.replace(b"in/speaker1/", b"shards/speaker1.zip::speaker1/")


def test_keys_are_taken_literally(store: s3fs.S3FileSystem, job: LabelJob, local: Path) -> None:
    names = ["a b.wav", "a?key=1.wav", "a#1%20.wav", "[x]*.wav", "a::b.wav", "é.wav", "e\u0301.wav", "u:p@q.wav"]
    for name in names:
        store.pipe_file(f"audio/names/{name}", (local / "speaker0" / "00.wav").read_bytes())
    store.touch("audio/names/folder/")
    store.pipe_file("audio/names/.hidden.wav", b"x")
    summary = run_label_job(dataclasses.replace(job, inputs=("s3://audio/names",), output="s3://audio/names/out.jsonl"))
    rows = [json.loads(line) for line in store.cat_file("audio/names/out.jsonl").splitlines()]
    assert {row["path"]: row["status"] for row in rows} == {f"s3://audio/names/{name}": "ok" for name in names}
    assert summary.ignored["hidden"] == 1


@pytest.mark.parametrize(
    ("environment", "location", "kind", "says"),
    [
        ({}, "s3://nobody/in", UsageError, "there is nothing at"),
        ({}, "s3://audio/nowhere", UsageError, "there is nothing at"),
        ({"AWS_SECRET_ACCESS_KEY": "wrong-secret"}, "s3://audio/in", UsageError, "check the credentials"),
        ({"AWS_SECRET_ACCESS_KEY": ""}, "s3://audio/in", UsageError, "there are no credentials for .*s3://audio/in"),
        ({"AWS_PROFILE": "nobody"}, "s3://audio/in", UsageError, "there are no credentials for .*s3://audio/in"),
        (
            {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_MAX_ATTEMPTS": "2"},
            "s3://audio/in",
            StorageError,
            "storage does not answer",
        ),
    ],
)
def test_a_bucket_that_cannot_be_had_is_one_sentence_within_a_minute(
    job: LabelJob,
    tmp_path: Path,
    tiny_model: str,
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    location: str,
    kind: type[EmoSenseError],
    says: str,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    start_s = time.monotonic()
    with pytest.raises(kind, match=says) as raised:
        run_label_job(dataclasses.replace(job, inputs=(location,), output=str(tmp_path / "out.csv"), model=tiny_model))
    assert time.monotonic() - start_s < 60
    assert "secret" not in str(raised.value)
    assert not (tmp_path / "out.csv").exists()
    s3fs.S3FileSystem.clear_instance_cache()


def test_features_are_read_from_and_written_to_a_bucket(store: s3fs.S3FileSystem, tmp_path: Path) -> None:
    for actor in (1, 2):
        for emotion in (3, 4):
            path = tmp_path / f"Actor_{actor:02d}" / f"03-01-{emotion:02d}-01-01-01-{actor:02d}.wav"
            path.parent.mkdir(exist_ok=True)
            soundfile.write(path, voice(0.6, 100.0 + 20 * emotion + actor), 16_000)
    store.put(f"{tmp_path}/", "audio/corpus/", recursive=True)
    command = [sys.executable, "-m", "emosense", "features", "s3://audio/corpus", "-o", "s3://audio/features.parquet"]
    done = subprocess.run([*command, "--set", "logmel", "-j", "2"], capture_output=True, text=True, timeout=150)
    assert done.returncode == 0, done.stderr
    table, config = read_feature_table("s3://audio/features.parquet"), default_config("logmel")
    paths = sorted(tmp_path.rglob("*.wav"))
    assert list(table.paths) == [f"s3://audio/corpus/{path.relative_to(tmp_path)}" for path in paths]
    for path, found in zip(paths, table.features, strict=True):
        with open(path, "rb", buffering=0) as file:
            waveform = read_waveform(file, config.sample_rate)
            np.testing.assert_array_equal(found, recording_features(waveform, config))


def test_training_keeps_its_checkpoints_and_its_model_in_a_bucket(store: s3fs.S3FileSystem) -> None:
    config = dataclasses.replace(preset("cnn", "reference"), epochs=2)
    table = made_table(config)
    with ray_session(None, 2):
        for resume in (False, True):
            options = RayTraining("s3://audio/checkpoints", resume=resume)
            run = functools.partial(train_with_ray, name="run", options=options)
            network = cnn.fit(table, CLASSES, config, seed=0, run=run)
            assert [record["epoch"] for record in network.history] == [1, 2]
    assert store.glob("audio/checkpoints/run/checkpoint_*/state.npz")
    write_model("s3://audio/trained", tiny_description(kind="cnn"), network.weights)
    assert read_model("s3://audio/trained").weights == network.weights
