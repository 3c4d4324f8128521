"""`emosense-batch evaluate` and `features`: honest splits, and scores that scikit-learn confirms."""

from __future__ import annotations

import csv
import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
from commands import run_command
from conftest import Listener, load_table, tiny_graph
from made_tables import CLASSES, best_temperature
from sklearn.metrics import accuracy_score, balanced_accuracy_score, recall_score

from emosense.audio.disturbances import CATALOGUE
from emosense.crossvalidation.evaluate import evaluate
from emosense.crossvalidation.fold_models import fold_models
from emosense.crossvalidation.job import EvaluateJob
from emosense.crossvalidation.results_text import table_text
from emosense.crossvalidation.robustness import robustness
from emosense.crossvalidation.scored_models import FoldModel, ScoredModels, predict_fold
from emosense.emotions import EMOTIONS
from emosense.errors import StorageError, UsageError
from emosense.evaluation.choice import EmotionChoice
from emosense.evaluation.splits import folds, inner_split
from emosense.features.config import default_config
from emosense.inputs.corpus import read_corpus
from emosense.inputs.recording import Recording
from emosense.progress import Silent
from emosense.reports import evaluation_report
from emosense.reports.evaluation_data import read_evaluation
from emosense.training.encoder_choice import EncoderChoice
from emosense.training.ensemble import without_copies
from emosense.training.features.extraction import extract_recordings
from emosense.training.features.source import FeatureSource
from emosense.training.features.table import FeatureTable
from emosense.training.features.table_file import read_feature_table
from emosense.training.graphs import Part, combine
from emosense.training.held_out_score import cross_validated
from emosense.training.network_store import NetworkStore
from emosense.training.prediction import predict
from emosense.training.presets import preset
from emosense.training.training_runs_on_ray import TrainingRun, TrainingRuns


def job(table: str, folder: Path, **settings: object) -> EvaluateJob:
    return EvaluateJob(table, str(folder), kind="mlp", emotions=CLASSES, **settings)


def predictions(folder: Path) -> list[dict[str, str]]:
    with open(folder / "predictions.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_scores_agree_with_scikit_learn_on_stored_predictions(running_ray: None, table: str, tmp_path: Path) -> None:
    metrics = evaluate(job(table, tmp_path, protocol="kfold", n_folds=3, n_seeds=2), Silent())
    assert json.loads((tmp_path / "metrics.json").read_text()) == metrics
    rows = predictions(tmp_path)
    assert len(rows) == 2 * 144
    for seed in (0, 1):
        mine = [row for row in rows if row["seed"] == str(seed)]
        truth, found = [row["emotion"] for row in mine], [row["predicted"] for row in mine]
        assert len({row["path"] for row in mine}) == 144
        scores = metrics["seeds"][seed]
        assert scores["uar"]["value"] == pytest.approx(balanced_accuracy_score(truth, found))
        assert scores["accuracy"]["value"] == pytest.approx(accuracy_score(truth, found))
    mean = np.mean([scores["uar"]["value"] for scores in metrics["seeds"]])
    assert metrics["scores"]["uar"]["mean"] == pytest.approx(mean)
    assert f"{100 * mean:.1f} %" in table_text(metrics)
    folds = [score["uar"] for scores in metrics["seeds"] for score in scores["folds"]["scores"]]
    assert f"by fold   {100 * np.mean(folds):5.1f} % UAR, the mean over the folds" in table_text(metrics)


def test_no_speaker_is_in_training_and_test(running_ray: None, table: str, tmp_path: Path) -> None:
    metrics = evaluate(job(table, tmp_path, protocol="loso"), Silent())
    assert len(metrics["splits"]) == 6
    for split in metrics["splits"]:
        assert not set(split["train_speakers"]) & set(split["test_speakers"])
    assert metrics["speaker_independent"] is True


@pytest.fixture
def corpora_table(table: str, tmp_path: Path) -> str:
    """Three corpora of two speakers each, of which only the first has calm."""
    stored = pq.read_table(table)
    corpus_of = dict(zip(("01", "02", "03", "04", "05", "06"), "aabbcc", strict=True))
    corpora = [corpus_of[speaker] for speaker in stored["speaker"].to_pylist()]
    labels = zip(corpora, stored["emotion"].to_pylist(), strict=True)
    kept = [corpus == "a" or emotion != "calm" for corpus, emotion in labels]
    place = stored.column_names.index("corpus")
    stored = stored.set_column(place, "corpus", pa.array(corpora)).filter(pa.array(kept))
    pq.write_table(stored, tmp_path / "corpora.parquet")
    return str(tmp_path / "corpora.parquet")


def test_loco_scores_each_corpus_by_models_that_never_heard_it(
    running_ray: None, corpora_table: str, tmp_path: Path
) -> None:
    metrics = evaluate(job(corpora_table, tmp_path / "e", protocol="loco"), Silent())
    assert [split["fold"] for split in metrics["splits"]] == ["loco-a", "loco-b", "loco-c"]
    a, b, c = metrics["corpora"]
    # Only a has calm: nothing taught it to the model that is tested on a.
    assert (a["emotions"], a["among"]) == (["calm", "happy", "angry"], ["happy", "angry"])
    assert (b["emotions"], b["among"]) == (["happy", "angry"], ["happy", "angry"])
    rows = [row for row in predictions(tmp_path / "e") if row["corpus"] == "a"]
    assert {float(row["p_calm"]) for row in rows} == {0.0}
    truth = [row["emotion"] for row in rows]
    expected = balanced_accuracy_score(truth, [row["predicted"] for row in rows])
    assert a["none"]["uar"]["mean"] == pytest.approx(expected)
    asked = [row for row in rows if row["emotion"] != "calm"]
    answers = ["happy" if float(row["p_happy"]) > float(row["p_angry"]) else "angry" for row in asked]
    among = balanced_accuracy_score([row["emotion"] for row in asked], answers)
    assert a["none"]["uar_among"]["mean"] == pytest.approx(among)
    mean = np.mean([record["speaker"]["uar"]["mean"] for record in (a, b, c)])
    (line,) = [line for line in table_text(metrics).splitlines() if line.startswith("  mean         each speaker")]
    assert f"{100 * mean:.1f} %" in line


def test_a_random_split_is_reported_with_its_leak(running_ray: None, table: str, tmp_path: Path) -> None:
    metrics = evaluate(job(table, tmp_path, protocol="random", n_seeds=2), Silent())
    assert metrics["speaker_independent"] is False
    fair = metrics["leak_gap"]["speaker_independent"]["uar"]["mean"]
    assert metrics["leak_gap"]["gap"]["uar"] == pytest.approx(metrics["scores"]["uar"]["mean"] - fair)
    assert metrics["leak_gap"]["gap"]["uar"] > 0
    assert "same speakers are in training and test" in table_text(metrics)


@pytest.mark.parametrize(("n_speakers", "calibrate"), [(1, False), (2, True), (3, False)])
def test_a_random_split_of_few_speakers_has_the_leak_that_can_be_measured(
    running_ray: None, table: str, tmp_path: Path, n_speakers: int, calibrate: bool
) -> None:
    few = tmp_path / "few.parquet"
    stored = pq.read_table(table)
    pq.write_table(stored.slice(0, 24 * n_speakers), few)
    progress = Listener()
    metrics = evaluate(job(str(few), tmp_path / "e", protocol="random", calibrate=calibrate), progress)
    assert metrics["n"] == 6 * n_speakers
    assert any(text.startswith("only one speaker") for text in progress.messages) is (n_speakers == 1)
    assert ("leak_gap" in metrics) is (n_speakers > 1)
    assert ("leak gap" in table_text(metrics)) is (n_speakers > 1)
    assert (
        f"mlp default, kfold: {n_speakers} folds of {24 * n_speakers} recordings" in progress.messages
        or n_speakers == 1
    )


def test_the_only_fold_of_a_random_split_can_be_selected(running_ray: None, table: str, tmp_path: Path) -> None:
    named = evaluate(job(table, tmp_path, protocol="random", only_folds=("random",)), Silent())
    assert named["only_folds"] == []
    assert named["leak_gap"]["speaker_independent"]["uar"]["mean"] > 0
    assert table_text(named).startswith("mlp default, random: 36 recordings")


def test_some_folds_are_reported_as_such_and_are_not_a_models_score(
    running_ray: None, table: str, tmp_path: Path
) -> None:
    settings = {"protocol": "kfold", "n_folds": 3}
    one = evaluate(job(table, tmp_path / "one", **settings, only_folds=("kfold-2",)), Silent())
    assert one["only_folds"] == ["kfold-2"]
    assert table_text(one).startswith("mlp default, kfold, only fold kfold-2: 48 recordings")
    two = job(table, tmp_path / "two", **settings, only_folds=("kfold-3", "kfold-1"))
    assert table_text(evaluate(two, Silent())).startswith("mlp default, kfold, only folds kfold-1 and kfold-3: 96 ")
    every = job(table, tmp_path / "all", **settings, only_folds=("kfold-3", "kfold-1", "kfold-2"))
    assert evaluate(every, Silent())["only_folds"] == []
    config = without_copies(preset("mlp", "default"))
    wanted = ("mlp", "default", config, CLASSES)
    with pytest.raises(UsageError, match=r"has only kfold-2: a model's score needs every fold"):
        cross_validated(str(tmp_path / "one" / "metrics.json"), *wanted)
    assert cross_validated(str(tmp_path / "all" / "metrics.json"), *wanted).score["n"] == 144
    evaluation_report(str(tmp_path / "one"), str(tmp_path / "one.html"))
    assert "Only kfold-2 of the protocol kfold was run" in (tmp_path / "one.html").read_text()
    evaluation_report(str(tmp_path / "all"), str(tmp_path / "all.html"))
    assert "of the protocol kfold was run" not in (tmp_path / "all.html").read_text()


def evaluated(table: str, folder: Path, **settings: object) -> str:
    evaluate(job(table, folder, **{"protocol": "kfold", "n_folds": 2} | settings), Silent())
    return str(folder / "metrics.json")


def test_scores_of_known_speakers_are_not_a_models_score(running_ray: None, table: str, tmp_path: Path) -> None:
    metrics = evaluated(table, tmp_path, protocol="random", n_folds=5)
    with pytest.raises(UsageError, match="is of a random split"):
        cross_validated(metrics, "mlp", "default", without_copies(preset("mlp", "default")), CLASSES)


def test_scores_of_other_settings_are_not_a_models_score(running_ray: None, table: str, tmp_path: Path) -> None:
    metrics, config = evaluated(table, tmp_path), without_copies(preset("mlp", "default"))
    wanted = ("mlp", "default", config, CLASSES)
    assert cross_validated(metrics, *wanted).score["n"] == 144
    for other in (preset("mlp", "default"), dataclasses.replace(config, max_iter=1)):
        with pytest.raises(UsageError, match="other settings of mlp default"):
            cross_validated(metrics, "mlp", "default", other, CLASSES)
    values = json.loads(Path(metrics).read_text())
    del values["settings_sha256"]
    Path(metrics).write_text(json.dumps(values))
    with pytest.raises(UsageError, match=f"does not state its settings: evaluate again with --reuse {tmp_path}, which"):
        cross_validated(metrics, *wanted)
    # As the message says, nothing is trained.
    fits = sorted((path, path.stat().st_mtime_ns) for path in (tmp_path / "fits").iterdir())
    again = evaluated(table, tmp_path, reuse=(str(tmp_path),))
    assert sorted((path, path.stat().st_mtime_ns) for path in (tmp_path / "fits").iterdir()) == fits
    assert cross_validated(again, *wanted).score["n"] == 144


@pytest.mark.parametrize(
    ("kept", "says"),
    [(0.5, "has 72 rows, and metrics.json counts 144"), (0.995, "does not hold the predictions"), (0.0, "has 0 rows")],
)
def test_incomplete_predictions_are_not_a_models_score(
    running_ray: None, table: str, tmp_path: Path, kept: float, says: str
) -> None:
    metrics = evaluated(table, tmp_path)
    lines = (tmp_path / "predictions.csv").read_text().splitlines()
    whole = lines[: 1 + int(kept * 144)]
    # An interrupted copy ends in the middle of a row.
    text = "\n".join(whole if kept in (0.0, 0.5) else [*whole, lines[len(whole)][:30]])
    (tmp_path / "predictions.csv").write_text(text)
    with pytest.raises(UsageError, match=says):
        cross_validated(metrics, "mlp", "default", without_copies(preset("mlp", "default")), CLASSES)


def test_names_of_speakers_are_escaped_and_come_back(running_ray: None, table: str, tmp_path: Path) -> None:
    odd = {"01": "=1+1", "02": "-x", "03": "@y", "04": "'z", "05": "plain", "06": "s"}
    stored = pq.read_table(table)
    speakers = pa.array([odd[name] for name in stored["speaker"].to_pylist()])
    stored = stored.set_column(stored.schema.get_field_index("speaker"), "speaker", speakers)
    pq.write_table(stored, tmp_path / "odd.parquet")
    evaluate(job(str(tmp_path / "odd.parquet"), tmp_path / "e", protocol="loso"), Silent())
    rows = predictions(tmp_path / "e")
    assert {row["speaker"] for row in rows} == {"'=1+1", "'-x", "'@y", "''z", "plain", "s"}
    assert not [value for row in rows for value in row.values() if value.startswith(("=", "+", "-", "@"))]
    found = read_evaluation(str(tmp_path / "e"))
    assert set(found.speakers) == set(odd.values())


@pytest.mark.parametrize(
    ("option", "settings"),
    [
        ("--fold", {"only_folds": ("lj5-2",), "n_seeds": 3}),
        ("--seeds", {"n_seeds": 3}),
        ("--folds", {"n_folds": 4}),
        ("--calibrate", {"calibrate": True}),
        ("--reuse", {"reuse": ("elsewhere",)}),
        ("--encoder-output", {"encoder": EncoderChoice("", "hidden")}),
    ],
)
def test_a_training_option_is_refused_for_a_given_model(
    table: str, tmp_path: Path, tiny_model: str, option: str, settings: dict[str, object]
) -> None:
    wanted = EvaluateJob(table, str(tmp_path / "e"), model=tiny_model, **settings)
    with pytest.raises(UsageError, match=f"{option}( |,)"):
        evaluate(wanted, Silent())
    assert not (tmp_path / "e").exists()


def test_a_given_model_is_scored_on_its_answers_among_chosen_emotions(table: str, tmp_path: Path) -> None:
    from emosense.training.job import TrainJob
    from emosense.training.train import train

    train(TrainJob("mlp", table, str(tmp_path / "model"), emotions=CLASSES, validation_share=0.0), Silent())
    kept = CLASSES[1:]
    metrics = {}
    for name, emotions in (("all", ()), ("some", kept)):
        job = EvaluateJob(table, str(tmp_path / name), model=str(tmp_path / "model"), emotions=emotions)
        metrics[name] = evaluate(job, Silent())
    assert tuple(metrics["some"]["classes"]) == kept
    assert metrics["some"]["n"] == metrics["all"]["n"] * len(kept) // len(CLASSES)
    rows = {name: {row["path"]: row for row in predictions(tmp_path / name)} for name in metrics}
    for path, row in rows["some"].items():
        whole = [float(rows["all"][path][f"p_{emotion}"]) for emotion in CLASSES]
        expected = EmotionChoice(kept).apply_to_classes(whole, CLASSES)
        np.testing.assert_allclose([float(row[f"p_{emotion}"]) for emotion in kept], expected, atol=1e-5)
    with pytest.raises(UsageError, match="does not know 'neutral'"):
        evaluate(EvaluateJob(table, str(tmp_path / "e"), model=str(tmp_path / "model"), emotions=EMOTIONS), Silent())


def test_an_evaluation_is_not_written_into_the_folder_of_a_model(table: str, tiny_model: str) -> None:
    with pytest.raises(UsageError, match=r"holds a model: choose another folder$"):
        evaluate(EvaluateJob(table, tiny_model, model=tiny_model), Silent())


def test_a_folder_without_trained_networks_cannot_be_reused(table: str, tmp_path: Path) -> None:
    for folder in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(UsageError, match=f"{folder} holds no trained networks"):
            evaluate(job(table, tmp_path / "e", reuse=(str(folder),)), Silent())
    assert not (tmp_path / "e").exists()


def test_the_same_seed_gives_the_same_predictions(running_ray: None, table: str, tmp_path: Path) -> None:
    for name in ("a", "b"):
        evaluate(job(table, tmp_path / name, protocol="kfold", n_folds=2), Silent())
    assert (tmp_path / "a" / "predictions.csv").read_bytes() == (tmp_path / "b" / "predictions.csv").read_bytes()


def test_calibration_sees_only_training_speakers_and_keeps_the_labels(
    running_ray: None, table: str, tmp_path: Path
) -> None:
    config = without_copies(preset("mlp", "default"))
    features = read_feature_table(table)
    (fold,) = folds("kfold", features.speakers, features.labels(CLASSES), n_folds=2)[:1]

    def fits(table: FeatureTable) -> TrainingRuns:
        return TrainingRuns({table.config: table}, CLASSES, NetworkStore((str(tmp_path),)), None, 2)

    def models(table: FeatureTable, *, calibrate: bool) -> list[FoldModel]:
        return fold_models(config, fits(table), (table,), CLASSES, [(0, fold)], Silent(), calibrate=calibrate)

    (plain,), (calibrated,) = models(features, calibrate=False), models(features, calibrate=True)
    assert (plain.weights, plain.temperature) == (calibrated.weights, 1.0)
    # By hand: a fit without some training speakers, which is there already, and the best temperature on those speakers.
    train, held = inner_split([features.speakers[row] for row in fold.train], 0, 0.2)
    held_out = features.select(fold.train[held])
    assert not {held_out.speakers[row] for row in range(len(held_out))} & {features.speakers[row] for row in fold.test}
    n_kept = len(list(tmp_path.iterdir()))
    (short,) = fits(features).run([TrainingRun(config, 0, fold.train[train])], Silent())
    assert len(list(tmp_path.iterdir())) == n_kept
    shares, labels = predict(short.weights, [held_out], len(CLASSES)), held_out.labels(CLASSES)
    assert calibrated.temperature == pytest.approx(best_temperature(shares, labels), rel=1e-3)
    assert calibrated.temperature != pytest.approx(1.0, rel=1e-2)
    # The labels of the test rows decide nothing.
    emotions = list(features.emotions)
    for row in fold.test:
        emotions[row] = CLASSES[(CLASSES.index(emotions[row]) + 1) % 3]
    (other,) = models(dataclasses.replace(features, emotions=tuple(emotions)), calibrate=True)
    assert (other.weights, other.temperature) == (calibrated.weights, calibrated.temperature)
    found, scaled = (predict_fold(model, (features,), CLASSES).probabilities for model in (plain, calibrated))
    np.testing.assert_array_equal(found.argmax(axis=1), scaled.argmax(axis=1))
    powers = found ** (1 / calibrated.temperature)
    np.testing.assert_allclose(scaled, powers / powers.sum(axis=1, keepdims=True), atol=1e-6)


def test_a_given_model_is_scored_and_known_speakers_are_named(table: str, tiny_model: str, tmp_path: Path) -> None:
    from emosense.training.job import TrainJob
    from emosense.training.train import train

    train(TrainJob("mlp", table, str(tmp_path / "model"), emotions=CLASSES, validation_share=0.3), Silent())

    progress = Listener()
    metrics = evaluate(EvaluateJob(table, str(tmp_path / "e"), model=str(tmp_path / "model")), progress)
    assert metrics["seen_speakers"] == ["01", "02", "03", "04", "05", "06"]
    assert any("not a held-out score" in text for text in progress.messages)
    # In another corpus the same names are other people.
    model_file = tmp_path / "model" / "model.json"
    description = json.loads(model_file.read_text())
    description["trained_on"]["corpora"][0]["name"] = "ravdess"
    model_file.write_text(json.dumps(description))
    progress = Listener()
    metrics = evaluate(EvaluateJob(table, str(tmp_path / "f"), model=str(tmp_path / "model")), progress)
    assert metrics["seen_speakers"] == []
    assert not any("not a held-out score" in text for text in progress.messages)
    assert metrics["scores"]["uar"]["mean"] > 0.9
    with pytest.raises(UsageError, match="set functionals, needed is logmel"):
        evaluate(EvaluateJob(table, str(tmp_path / "e"), model=tiny_model), progress)


@pytest.fixture
def corpus(tmp_path: Path, write_voice: Callable[..., Path]) -> str:
    """Four actors whose emotions are pitches, so quiet that 10 dB more clip nothing."""
    for actor in range(1, 5):
        for number, emotion in enumerate(("02", "03", "05")):
            for repetition in (1, 2):
                name = f"corpus/Actor_{actor:02d}/03-01-{emotion}-01-01-{repetition:02d}-{actor:02d}.wav"
                pitch_hz = 100 + 60 * number + 9 * actor + 4 * repetition
                path = write_voice(name, duration_s=0.5, pitch_hz=pitch_hz, rate=24_000)
                waveform, rate = soundfile.read(path)
                soundfile.write(path, 0.1 * waveform, rate, subtype="FLOAT")
    return str(tmp_path / "corpus")


def test_robustness_is_the_score_of_the_same_models_on_disturbed_recordings(
    running_ray: None, corpus: str, tmp_path: Path
) -> None:
    wanted = EvaluateJob(
        corpus,
        str(tmp_path / "e"),
        kind="mlp",
        emotions=CLASSES,
        protocol="kfold",
        n_folds=2,
        n_seeds=2,
        cache=str(tmp_path / "cache"),
        robustness=True,
    )
    metrics = evaluate(wanted, Silent())
    clean = metrics["scores"]["uar"]["mean"]
    records = {record["name"]: record for record in metrics["robustness"]}
    assert list(records) == [disturbance.name for disturbance in CATALOGUE]
    for record in records.values():
        assert record["n"] == 24
        assert 0 <= record["uar"]["mean"] <= 1
        assert record["change"]["mean"] == pytest.approx(record["uar"]["mean"] - clean)
    for name in ("gain -30 dB", "gain -20 dB", "gain -10 dB", "gain +10 dB"):
        assert records[name]["uar"]["mean"] == clean, "the features do not depend on the level"
        assert records[name]["change"] == {"mean": 0, "sd": 0, "interval": (0, 0)}
    assert min(record["change"]["mean"] for record in records.values()) < 0
    text = table_text(metrics)
    for name, record in records.items():
        (line,) = [line for line in text.splitlines() if line.strip().startswith(name)]
        assert f"{100 * record['uar']['mean']:.1f} %" in line
        assert f"{100 * record['change']['mean']:+.1f}" in line
    progress = Listener()
    assert evaluate(wanted, progress) | {"finished": ""} == metrics | {"finished": ""}
    assert "4 of 4 networks are already trained" in progress.messages
    assert not [text for text in progress.messages if text.startswith("features")]


def test_a_model_of_several_feature_sets_gets_the_disturbance_in_each(
    running_ray: None, corpus: str, tmp_path: Path
) -> None:
    configs = [default_config("logmel"), default_config("mfcc")]
    weights = combine([Part(tiny_graph(n_classes=3), 0), Part(tiny_graph(13, n_classes=3), 1)])
    source = FeatureSource(corpus, str(tmp_path / "cache"))
    tables = tuple(load_table(source, config) for config in configs)
    tested = ScoredModels(tables, CLASSES, [FoldModel(0, "all", weights, np.arange(24))], {}, {})
    noisy = next(disturbance for disturbance in CATALOGUE if disturbance.name == "white noise, 10 dB")
    (record,) = robustness(source, tested, tested.predictions(), Silent(), [noisy])
    recordings = [utterance.recording for utterance in read_corpus(corpus).utterances]
    disturbed = []
    for table, config in zip(tables, configs, strict=True):
        found = extract_recordings(recordings, config, noisy)
        shapes = [(result["n_frames"], -1) for result in found]
        features = [result["features"].reshape(shape) for result, shape in zip(found, shapes, strict=True)]
        disturbed.append(dataclasses.replace(table, features=features))
    predicted = predict(weights, disturbed, 3).argmax(axis=1)
    assert record["uar"]["mean"] == pytest.approx(balanced_accuracy_score(tables[0].labels(CLASSES), predicted))
    assert not np.allclose(predict(weights, disturbed, 3), predict(weights, tables, 3), atol=0.01)


def test_a_recording_that_cannot_be_labelled_under_a_disturbance_is_counted_and_the_rest_are_scored(
    running_ray: None, few_disturbances: None, tmp_path: Path, corpus: str, tiny_model: str
) -> None:
    faint = sorted(Path(corpus).rglob("*.wav"))[3]
    soundfile.write(faint, 4e-3 * soundfile.read(faint)[0], 24_000, subtype="FLOAT")
    wanted = EvaluateJob(corpus, str(tmp_path / "e"), model=tiny_model, cache=str(tmp_path / "cache"), robustness=True)
    metrics = evaluate(wanted, Silent())
    records = {record["name"]: record for record in metrics["robustness"]}
    # Nothing else of the whole catalogue takes the recording away, but loud hum may bury so faint a voice.
    recording = Recording(str(faint), str(faint), faint.stat().st_size, "")
    lost_names = {
        disturbance.name
        for disturbance in CATALOGUE
        if extract_recordings([recording], default_config("logmel"), disturbance)[0]["error_code"]
    }
    assert {name for name in lost_names if "hum" not in name} == {"gain -30 dB"}
    assert {name for name, record in records.items() if record["n_lost"]} == lost_names & records.keys()
    lost = records["gain -30 dB"]
    assert (lost["n"], lost["n_lost"]) == (23, 1)
    # The features do not depend on the level: against the same 23 recordings nothing changes, and they have this score.
    assert lost["change"]["mean"] == 0
    rest = [row for row in predictions(tmp_path / "e") if Path(row["path"]) != faint]
    truth, found = [row["emotion"] for row in rest], [row["predicted"] for row in rest]
    assert len(rest) == 23
    assert lost["uar"]["mean"] == pytest.approx(recall_score(truth, found, labels=sorted(set(truth)), average="macro"))
    (line,) = [line for line in table_text(metrics).splitlines() if line.strip().startswith("gain -30 dB")]
    assert line.endswith("without 1 of 24 recordings, which cannot be labelled")
    evaluation_report(str(tmp_path / "e"), str(tmp_path / "e.html"))
    assert "1 of 24 recordings cannot be labelled" in (tmp_path / "e.html").read_text()


def test_a_disturbance_that_leaves_no_recording_has_no_score(
    running_ray: None, few_disturbances: None, tmp_path: Path, corpus: str, tiny_model: str
) -> None:
    for path in Path(corpus).rglob("*.wav"):
        soundfile.write(path, 4e-3 * soundfile.read(path)[0], 24_000, subtype="FLOAT")
    wanted = EvaluateJob(corpus, str(tmp_path / "e"), model=tiny_model, cache=str(tmp_path / "cache"), robustness=True)
    metrics = evaluate(wanted, Silent())
    (silent,) = [record for record in metrics["robustness"] if record["name"] == "gain -30 dB"]
    assert (silent["n"], silent["n_lost"], silent["uar"]["mean"]) == (0, 24, None)
    assert "none of 24 recordings can be labelled" in table_text(metrics)
    evaluation_report(str(tmp_path / "e"), str(tmp_path / "e.html"))
    assert "24 of 24 recordings cannot be labelled" in (tmp_path / "e.html").read_text()


class Interrupted(Silent):
    """Fails when a stage begins."""

    def message(self, text: str) -> None:
        if text.startswith(("robustness", "mlp default, kfold")):
            raise StorageError("no answer")


def test_scores_survive_the_failure_of_a_later_stage(
    running_ray: None, few_disturbances: None, table: str, corpus: str, tmp_path: Path, tiny_model: str
) -> None:
    cache = str(tmp_path / "cache")
    disturbed = EvaluateJob(corpus, str(tmp_path / "r"), model=tiny_model, cache=cache, robustness=True)
    for wanted in (disturbed, job(table, tmp_path / "l", protocol="random")):
        with pytest.raises(StorageError):
            evaluate(wanted, Interrupted())
        metrics = json.loads((Path(wanted.output) / "metrics.json").read_text())
        assert metrics["n"] == len(predictions(Path(wanted.output))) > 0
        assert not metrics.keys() & {"robustness", "leak_gap"}
        assert (Path(wanted.output) / "curves.json").exists()


def test_robustness_needs_recordings(table: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"functionals\.parquet is a feature table, and its recordings are needed"):
        evaluate(job(table, tmp_path / "e", robustness=True), Silent())
    assert not (tmp_path / "e").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["evaluate", "nowhere"], 2, "nowhere"),
        (["evaluate", "empty", "--kind", "mlp"], 9, "no audio"),
        (["evaluate", "empty", "-m", "nobody"], 7, "no model at nobody"),
        (["evaluate", "empty", "--preset", "huge"], 2, "huge"),
        (["evaluate", "empty", "--protocol", "best"], 2, "best"),
        (["train", "svm", "empty", "-o", "m"], 2, "svm"),
        (["train", "mlp", "empty", "-o", "m"], 9, "no audio"),
        (["train", "mlp", "empty", "-o", "m", "--emotions", "bored,sad"], 2, "bored"),
        (["train", "mlp", "empty", "-o", "m", "--resume"], 2, "--resume is for networks that take gradient steps"),
        (["train", "mlp", "empty", "-o", "m", "--validation", "-1"], 2, "--validation"),
        (["evaluate", "empty", "--folds", "3"], 2, "--folds is for --protocol kfold"),
        (["features", "gone.csv", "-o", "f.parquet"], 9, "gone.wav: there is no such file"),
        (["train", "mlp", "gone.csv", "-o", "m"], 9, "none of the recordings can be used"),
        (["features", "empty", "-o", "f.csv"], 2, ".parquet"),
        (["features", "nowhere", "-o", "f.parquet"], 2, "nowhere"),
        (["features", "empty", "-o", "f.parquet"], 9, "no audio"),
    ],
)
def test_a_command_that_cannot_work_ends_in_one_sentence_and_an_exit_code(
    tmp_path: Path, arguments: list[str], code: int, says: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "gone.csv").write_text("path,emotion,speaker\ngone.wav,sad,s1\n")
    done = run_command(*arguments, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("*.parquet"))
    assert not (tmp_path / "m" / "model.json").exists()


def test_the_features_command_writes_a_table_and_counts_errors(
    tmp_path: Path, write_voice: Callable[..., Path]
) -> None:
    for number in (1, 2):
        write_voice(f"in/Actor_01/03-01-02-01-01-{number:02d}-01.wav")
    (tmp_path / "in" / "Actor_01" / "03-01-03-01-01-01-01.wav").write_bytes(b"")
    (tmp_path / "in" / "Actor_01" / "odd.wav").write_bytes(b"")
    done = run_command("features", tmp_path / "in", "-o", tmp_path / "f.parquet", "--set", "mfcc", "-j", "1")
    assert done.returncode == 3, done.stderr
    assert "odd.wav: not a RAVDESS name" in done.stderr
    assert "3 recordings" in done.stderr
    assert "1 empty_file" in done.stderr
    assert len(read_feature_table(str(tmp_path / "f.parquet"))) == 2


def test_a_table_that_names_missing_recordings_is_finished_with_errors(
    tmp_path: Path, write_voice: Callable[..., Path]
) -> None:
    write_voice("a.wav")
    (tmp_path / "t.csv").write_text("path,emotion,speaker\na.wav,sad,s1\ngone.wav,sad,s1\n")
    done = run_command("features", "t.csv", "-o", "f.parquet", "--set", "mfcc", "-j", "1", cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    assert "gone.wav: there is no such file" in done.stderr
    assert len(read_feature_table(str(tmp_path / "f.parquet"))) == 1


def test_ray_and_the_local_engine_write_the_same_bytes(
    tmp_path: Path, write_voice: Callable[..., Path], tiny_model: str
) -> None:
    for index in range(20):
        write_voice(f"in/{index:02d}.wav", duration_s=0.4, pitch_hz=100 + 9 * index)
    (tmp_path / "in" / "bad.wav").write_bytes(b"")
    for engine in ("local", "ray"):
        command = [
            "label",
            tmp_path / "in",
            "-o",
            tmp_path / f"{engine}.csv",
            "-m",
            tiny_model,
            "--engine",
            engine,
            "-j",
            "2",
        ]
        done = subprocess.run(
            [sys.executable, "-m", "emosense", *map(str, command)], capture_output=True, text=True, timeout=180
        )
        assert done.returncode == 3, done.stderr
        # A busy machine is slow enough for lines of progress.
        assert len([line for line in done.stderr.splitlines() if " of 21 (" not in line]) <= 5, done.stderr
        assert json.loads((tmp_path / f"{engine}.csv.run.json").read_text())["engine"] == engine
    assert (tmp_path / "ray.csv").read_bytes() == (tmp_path / "local.csv").read_bytes()
