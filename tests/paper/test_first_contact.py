"""The list of assumptions about the released files: on generated files with known properties each
assumption is met, not met or open, and the list holds no words and no name of a clip."""

from __future__ import annotations

import numpy as np
import other_data_sets as made
import pytest
import released_factory as factory
import torch
from click.testing import CliRunner

from avmc_core import schema
from avmc_core.commands.main import main
from avmc_core.data.importing import import_released
from avmc_core.paper import first_contact
from avmc_core.paper.first_contact import MET, NOT_MET, OPEN, assumptions
from avmc_core.simulated.signals import egemaps_stats
from avmc_core.simulated.text_encoder import build_encoder


def as_expected() -> dict:
    """Generated clips with the properties that the released ones are assumed to have, at small
    sizes."""
    rng = np.random.default_rng(0)
    content = made.splits((25, 177), classes=False, vocabulary=20_000)
    stats = [egemaps_stats()[name] for name in schema.columns("audio")]
    faces = [name.startswith("AU") for name in schema.columns("vision")]
    for split in content.values():
        rows = len(split["id"])
        tokens = split["text_bert"][:, 1].sum(axis=1).astype(int)
        split["text_bert"] = split["text_bert"].astype(np.int64)
        split["text_bert"][:, 0, 0] = 101
        split["text_bert"][np.arange(rows), 0, tokens - 1] = 102
        for name in ("audio", "vision"):
            split[name] = split[name].astype(np.float64)
        split["text"] = split["text"].astype(np.float64)
        split["audio_lengths"] = 4 * np.array(split["vision_lengths"])
        split["audio"] = np.zeros((rows, 64, 25))
        split["vision"] = np.abs(split["vision"]) * np.where(faces, 0.5, 1.0)
        for row, length in enumerate(split["audio_lengths"]):
            frames = rng.normal([s["mean"] for s in stats], [s["sd"] for s in stats], (length, 25))
            split["audio"][row, :length] = np.where(rng.random((length, 1)) < 0.3, 0, frames)
        for key in schema.LABEL_KEYS.values():
            split[key] = rng.integers(-5, 6, rows) / 5
        signs = np.sign(split["regression_labels"]).astype(int)
        split["annotations"] = np.array(["Negative", "Neutral", "Positive"])[signs + 1]
    return content


def found(folder, content) -> dict[str, first_contact.Assumption]:
    store = import_released(
        folder / "store", factory.write(folder / "s.pkl", content), progress=False
    )
    return {item.about: item for item in assumptions(store)}


def test_a_file_as_expected_meets_what_does_not_depend_on_its_size(tmp_path, monkeypatch):
    monkeypatch.setenv("AVMC_BERT", str(tmp_path / "nothing"))
    lines = found(tmp_path, as_expected())
    assert {about for about, item in lines.items() if item.verdict == NOT_MET} == {
        "SHA-256 of the supervised file",
        "clips in train, valid, test",
        "steps of text, audio, vision at most",
        "set of labels",
    }
    assert {about for about, item in lines.items() if item.verdict == OPEN} == {
        "unlabelled clips",
        "unlabelled clips are others",
        "placeholders among T, A and V",
        "text states are those of the local BERT",
    }
    assert "no encoder" in lines["text states are those of the local BERT"].found


def put(split, key, value):
    split[key] = value


UNEXPECTED = {  # a change of every split, and the line that then is not met
    "float32": (
        lambda s: put(s, "audio", s["audio"].astype(np.float32)),
        "type of the feature arrays",
    ),
    "values after the end": (
        lambda s: s["audio"].__setitem__((slice(None), -1), 1.0),
        "padding after a clip's end, zeros",
    ),
    "silence as -inf": (
        lambda s: s["audio"].__setitem__((0, 0, 0), -np.inf),
        "no -inf in sound and picture",
    ),
    "labels between the levels": (
        lambda s: s["regression_labels"].__setitem__(0, 0.1),
        "labels on the grid of 0.2",
    ),
    "other words": (
        lambda s: put(s, "annotations", np.full(len(s["id"]), "Weak")),
        "annotations say the sign of M",
    ),
    "tokens of another vocabulary": (
        lambda s: s["text_bert"].__setitem__((0, 0, 1), 28_000),
        "tokens of bert-base-chinese",
    ),
    "no [CLS]": (
        lambda s: s["text_bert"].__setitem__((0, 0, 0), 7),
        "tokens begin with [CLS], end with [SEP]",
    ),
    "columns in another unit": (
        lambda s: put(s, "audio", s["audio"] * 1e4),
        "eGeMAPS columns on openSMILE's scale",
    ),
    "standardised columns": (
        lambda s: put(s, "vision", s["vision"] - 5 * (s["vision"] != 0)),
        "action units on OpenFace's scale",
    ),
    "clips without a face": (
        lambda s: put(s, "vision", np.where(np.arange(16)[:, None] % 2, s["vision"], 0)),
        "frames without a face, as zeros",
    ),
    "never silent": (
        lambda s: put(s, "audio", np.where(s["audio"] == 0, 1e-3, s["audio"])),
        "share of steps without voice",
    ),
    "another rate": (
        lambda s: put(s, "audio_lengths", s["audio_lengths"] // 3),
        "sound every 10 ms, picture every 40 ms",
    ),
}


@pytest.mark.parametrize("what", UNEXPECTED)
def test_what_differs_is_not_met(tmp_path, what, monkeypatch):
    monkeypatch.setenv("AVMC_BERT", str(tmp_path / "nothing"))
    change, about = UNEXPECTED[what]
    content = as_expected()
    for split in content.values():
        change(split)
    assert found(tmp_path, content)[about].verdict == NOT_MET


def test_text_states_are_computed_again(tmp_path, monkeypatch):
    """The assumption is met with the encoder that computed the states, and not met with shifted
    states."""
    _, encoder = build_encoder()
    monkeypatch.setattr(first_contact, "encoder_for", lambda store: encoder)
    content = as_expected()
    for split in content.values():
        split["text_bert"][:, 0] %= encoder.config.vocab_size
        ids, mask, segments = (torch.from_numpy(part) for part in split["text_bert"].swapaxes(0, 1))
        with torch.no_grad():
            states = encoder(input_ids=ids, attention_mask=mask, token_type_ids=segments)
        split["text"] = (states.last_hidden_state * mask[..., None]).double().numpy()
    about = "text states are those of the local BERT"
    assert found(tmp_path, content)[about].verdict == MET
    (tmp_path / "b").mkdir()
    for split in content.values():
        split["text"][:, 0] += 0.01
    assert found(tmp_path / "b", content)[about].verdict == NOT_MET


def test_the_audit_ends_with_the_list_and_writes_it_to_a_file(tmp_path, monkeypatch):
    """The file may be sent to others: it holds no sentence and no id."""
    monkeypatch.setenv("AVMC_BERT", str(tmp_path / "nothing"))
    content = as_expected()
    found(tmp_path, content)
    report = tmp_path / "report.txt"
    done = CliRunner().invoke(
        main, ["data", "audit", str(tmp_path / "store"), "--report", str(report)]
    )
    assert done.exit_code == 0, done.output
    text = report.read_text(encoding="utf-8")
    assert "What is assumed about the released files" in text and "not decidable" in text
    assert text.splitlines()[1:-1] == done.output.splitlines()[: len(text.splitlines()) - 2]
    assert not any(str(name) in text for split in content.values() for name in split["id"])
    assert "sentence 1" not in text


def test_other_data_are_not_held_to_it(tmp_path, tiny_store):
    store = import_released(
        tmp_path / "store", factory.write(tmp_path / "s.pkl", made.mosi()), progress=False
    )
    assert assumptions(store) == assumptions(tiny_store) == ()
