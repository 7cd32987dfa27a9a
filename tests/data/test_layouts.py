"""Data sets of other widths, lengths, annotations and label ranges are imported correctly."""

from __future__ import annotations

import numpy as np
import other_data_sets as made
import pytest
import released_factory as factory
from click.testing import CliRunner

from avmc_core import schema
from avmc_core.artefacts import data_mark, other_data
from avmc_core.commands.main import main
from avmc_core.data import importing, label_sets, layouts
from avmc_core.data.importing import import_released
from avmc_core.errors import InputError

LAYOUTS = {  # content; what it is taken for; D of audio and vision, annotations, largest label
    "CH-SIMS v1": (
        made.sims_v1(),
        "the layout of CH-SIMS v1: 33 acoustic and 709 visual columns; labels of M, T, A and V "
        "from -1 to 1 (those of CH-SIMS v1)",
        (33, 709, "MTAV", 1.0),
    ),
    "MOSI, unaligned": (
        made.mosi(),
        "the layout of CMU-MOSI: 5 acoustic and 20 visual columns; labels of M "
        "from -3 to 3 (those of CMU-MOSI)",
        (5, 20, "M", 3.0),
    ),
    "MOSI, aligned": (
        made.mosi(aligned=True),
        "the layout of CMU-MOSI: 5 acoustic and 20 visual columns, aligned; labels of M "
        "from -3 to 3 (those of CMU-MOSI)",
        (5, 20, "M", 3.0),
    ),
    "MOSEI without classes": (
        made.mosei(classes=False),
        "the layout of CMU-MOSEI: 74 acoustic and 35 visual columns; labels of M "
        "from -3 to 3 (those of CMU-MOSEI)",
        (74, 35, "M", 3.0),
    ),
    "MMSA-FET, 74 and 35 columns": (
        made.mmsa_fet(),
        "a file as MMSA-FET writes it: 74 acoustic and 35 visual columns; labels of M, T, A and V "
        "from -1 to 1 (hardly any lies outside)",
        (74, 35, "MTAV", 1.0),
    ),
    "the released layout to 3": (
        made.released(limit=3.0),
        "the layout of CH-SIMS v2.0: 25 acoustic and 177 visual columns; labels of M, T, A and V "
        "from -3 to 3 (",
        (25, 177, "MTAV", 3.0),
    ),
    "the released layout without T, A, V": (
        made.released(unimodal=False),
        "the layout of CH-SIMS v2.0: 25 acoustic and 177 visual columns; labels of M from -1 to 1",
        (25, 177, "M", 1.0),
    ),
    "widths of nobody's": (
        made.splits((40, 7), limit=3.0),
        "a data set of its own widths: 40 acoustic and 7 visual columns; labels of M, T, A and V "
        "from -3 to 3 (",
        (40, 7, "MTAV", 3.0),
    ),
}


def imported(folder, content, **options):
    return import_released(
        folder / "other", factory.write(folder / "s.pkl", content, 5), progress=False, **options
    )


@pytest.mark.parametrize("what", LAYOUTS)
def test_other_data_sets_come_in_as_they_are(tmp_path, what):
    """Every value of the file is in the store, at the widths and caps of the file; a store that is
    not CH-SIMS v2.0 never says so."""
    content, named, (audio, vision, tasks, limit) = LAYOUTS[what]
    store = imported(tmp_path, content)
    assert store.manifest["source"]["layout"].startswith(named)
    assert store.dims == {"text": 768, "audio": audio, "vision": vision}
    assert (store.tasks, store.limit, store.dataset) == (tuple(tasks), limit, "")
    assert data_mark(store) == f"imported store other ({store.digest[:8]})"
    assert other_data(data_mark(store))
    for name in schema.SPLITS:
        split, columns = store.split(name), content[name]
        for modality in schema.MODALITIES:
            ragged = getattr(split, modality)
            assert ragged.steps == columns[modality].shape[1]
            padded = ragged.padded(np.arange(len(split)), ragged.steps)
            assert np.array_equal(padded, columns[modality])
        for place, task in enumerate(schema.TASKS):
            labels = columns.get(schema.LABEL_KEYS[task], np.full(len(split), np.nan))
            assert np.array_equal(split.labels[:, place], labels.astype(np.float32), equal_nan=True)


def test_an_aligned_file_is_as_long_as_its_text_and_loses_nothing(tmp_path):
    content = made.mosi(aligned=True)
    tokens = content["train"]["text_bert"][:, 1].sum(axis=1).astype(int)
    row = int(np.argmin(tokens))
    content["train"]["audio"][row, tokens[row] + 1] = 1  # behind the last token
    content["train"]["vision"][row] = 0  # no face at all
    store = imported(tmp_path, content)
    clips = store.split("train").clips
    expected = tokens.copy()
    assert clips["vision_length"].tolist() == expected.tolist()
    expected[row] += 2
    assert clips["audio_length"].tolist() == expected.tolist()
    said = {repair["what"]: repair["count"] for repair in store.manifest["repairs"]}
    assert said["clips with audio behind the last token, kept"] == 1
    assert said["clips with vision as long as their text, to which it is aligned"] == 34


def test_unaligned_steps_without_lengths_end_at_their_last_value(tmp_path):
    """As their lengths had said, and the import says that it inferred them."""
    content = made.mosi()
    lengths = {m: content["train"].get(f"{m}_lengths") for m in ("audio", "vision")}
    for columns in content.values():
        del columns["audio_lengths"], columns["vision_lengths"]
    content["train"]["vision"][3] = 0  # no face at all
    store = imported(tmp_path, content)
    lengths["vision"][3] = 1
    clips = store.split("train").clips
    assert {m: clips[f"{m}_length"].tolist() for m in lengths} == lengths
    said = {repair["what"]: repair["count"] for repair in store.manifest["repairs"]}
    rows = sum(len(columns["id"]) for columns in content.values())
    for modality in lengths:
        assert (
            said[f"clips with {modality} up to its last frame that is not zero: no lengths"] == rows
        )


def test_unaligned_steps_without_lengths_that_begin_with_zeros_are_refused(tmp_path):
    """They may be padded at the start."""
    content = made.mosi()
    for columns in content.values():
        del columns["audio_lengths"], columns["vision_lengths"]
    content["valid"]["audio"] = content["valid"]["audio"][:, ::-1].copy()
    with pytest.raises(InputError, match=r"split valid, key audio, row .* begin with zeros"):
        imported(tmp_path, content)


def test_in_the_released_layout_lengths_are_required(tmp_path):
    content = made.splits((25, 177), (50, 40, 30))
    for columns in content.values():
        del columns["audio_lengths"], columns["vision_lengths"]
    with pytest.raises(InputError, match="no audio_lengths, and 40 steps; expected its lengths"):
        imported(tmp_path, content)


def test_the_range_of_labels_can_be_declared(tmp_path):
    """A file with few clips may lack strong labels; if a label lies outside the declared range, the
    error names its row."""
    content = made.splits((40, 7), limit=1.0)
    assert imported(tmp_path, content, limit=3.0).limit == 3.0
    (tmp_path / "narrow").mkdir()
    with pytest.raises(InputError, match=r"key regression_labels.*expected a label in \[-1, 1\]"):
        imported(tmp_path / "narrow", made.splits((40, 7), limit=3.0), limit=1.0)
    with pytest.raises(InputError, match="limit of the labels: found 2; expected 1 or 3"):
        imported(tmp_path / "narrow", content, limit=2.0)


@pytest.mark.parametrize("declared", [None, 3.0])
def test_splits_with_labels_of_two_ranges_are_refused(tmp_path, declared):
    """A model would learn from labels three times as large as those it is scored on."""
    content = made.splits((40, 7), limit=3.0)
    labels = content["valid"]["regression_labels"]
    content["valid"] = {
        key: np.concatenate([column] * 4) if isinstance(column, np.ndarray) else column * 4
        for key, column in content["valid"].items()
    }
    content["valid"]["regression_labels"] = np.concatenate([labels] * 4) / 3
    with pytest.raises(InputError, match=r"split valid: found labels from -1 to 1, where .* one r"):
        imported(tmp_path, content, limit=declared)


def test_a_single_label_outside_is_an_error_and_no_other_range(tmp_path):
    content = made.released()
    content["test"]["regression_labels"][2] = 1.4
    with pytest.raises(InputError, match=r"row 2: found '1.4' .*\[-1, 1\]"):
        imported(tmp_path, content)


def test_one_lost_column_of_unimodal_labels_is_named(tmp_path):
    content = made.sims_v1()
    for columns in content.values():
        del columns["regression_labels_A"]
    with pytest.raises(InputError, match="no key 'regression_labels_A'"):
        imported(tmp_path, content)


def test_lengths_of_other_layouts_are_brought_into_their_range(tmp_path):
    """A file may count frames that were cut off, or no frame for a clip without a face."""
    content = made.mosi()
    content["train"]["audio_lengths"][0], content["train"]["vision_lengths"][1] = 900, 0
    content["train"]["vision"][1] = 0
    store = imported(tmp_path, content)
    train = store.split("train")
    assert (len(train.audio[0]), len(train.vision[1])) == (20, 1) and not train.vision[1].any()
    assert {"audio_lengths outside 1 to 20, brought there": 1}.items() <= {
        repair["what"]: repair["count"] for repair in store.manifest["repairs"]
    }.items()


def test_the_command_says_in_one_line_what_it_took_the_file_for(tmp_path):
    path = factory.write(tmp_path / "unaligned_50.pkl", made.mosi(), 5)
    done = CliRunner().invoke(
        main, ["data", "import", "--supervised", str(path), str(tmp_path / "mosi")]
    )
    assert done.exit_code == 0, done.output
    (said,) = [line for line in done.output.splitlines() if line.startswith("taken for")]
    assert said.startswith("taken for: the layout of CMU-MOSI") and "from -3 to 3" in said
    assert "results on it are marked: imported store mosi (" in done.output


def test_a_store_is_called_after_the_papers_data_only_with_its_labels(tmp_path, monkeypatch):
    """The widths alone do not make a file CH-SIMS v2.0: its labels must be one of the two sets in
    circulation."""
    assert imported(tmp_path, made.released()).dataset == ""
    monkeypatch.setattr(
        importing, "recognise", lambda table: label_sets.Recognised(label_sets.RELABELLED)
    )
    (tmp_path / "b").mkdir()
    store = imported(tmp_path / "b", made.released())
    assert data_mark(store) == f"imported store other ({store.digest[:8]}), CH-SIMS v2.0"
    assert not other_data(data_mark(store))
    (tmp_path / "c").mkdir()
    assert imported(tmp_path / "c", made.mmsa_fet()).dataset == ""


def test_a_declared_range_changes_the_digest(tmp_path):
    """Runs on labels of another range therefore have other keys."""
    content = made.splits((40, 7))
    (tmp_path / "b").mkdir()
    one, three = imported(tmp_path, content), imported(tmp_path / "b", content, limit=3.0)
    assert one.manifest["files"] == three.manifest["files"] and one.digest != three.digest


def without_tokens(content):
    return {
        name: {key: value for key, value in part.items() if key != "text_bert"}
        for name, part in content.items()
    }


@pytest.mark.parametrize("aligned", [True, False])
def test_a_file_may_hold_the_states_of_its_texts_alone(tmp_path, aligned):
    """The same clips with and without tokens differ only in the token ids, form two stores, and the
    store without tokens says so."""
    content = made.mosi(aligned=aligned)
    whole = imported(tmp_path, content)
    (tmp_path / "bare").mkdir()
    store = imported(tmp_path / "bare", without_tokens(content))
    assert store.manifest["source"]["layout"].endswith("; no tokens of the text")
    assert whole.has_tokens and not store.has_tokens and store.digest != whole.digest
    for name in schema.SPLITS:
        ours, theirs = store.split(name), whole.split(name)
        assert ours.clips.equals(theirs.clips)
        for modality in schema.MODALITIES:
            for row in range(len(ours)):
                assert np.array_equal(getattr(ours, modality)[row], getattr(theirs, modality)[row])
        assert np.array_equal(ours.tokens[:, 1], theirs.tokens[:, 1])
        assert not ours.tokens[:, [0, 2]].any()
    said = {repair["what"]: repair["count"] for repair in store.manifest["repairs"]}
    assert said["texts without tokens, as long as their states"] == sum(made.ROWS.values())


def test_tokens_are_missed_where_they_are_needed(tmp_path):
    """In the released layout, in one of several splits, and where padding cannot be recognised."""
    with pytest.raises(InputError, match="no key 'text_bert'"):
        imported(tmp_path, without_tokens(made.released()))
    content = made.mosi()
    del content["valid"]["text_bert"]
    with pytest.raises(InputError, match="split valid: found no key 'text_bert'"):
        imported(tmp_path, content)
    content = without_tokens(made.mosi())
    content["test"]["text"] = content["test"]["text"][:, ::-1].copy()
    expected = "split test, key text, row .* begin with zeros, .*; expected padding at the end, or"
    with pytest.raises(InputError, match=expected):
        imported(tmp_path, content)
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("modalities", [("audio",), ("vision",), ("audio", "vision")])
def test_features_with_their_columns_before_their_steps_are_refused(tmp_path, modalities):
    """Imported as another data set, they would once have been trained on."""
    content = factory.supervised()
    for columns in content.values():
        for name in modalities:
            columns[name] = np.ascontiguousarray(columns[name].transpose(0, 2, 1))
    with pytest.raises(InputError, match=rf"key {modalities[0]}: .*array.transpose\(0, 2, 1\)"):
        factory.imports(tmp_path, content)


def turned(content):
    for columns in content.values():
        for name in ("audio", "vision"):
            columns[name] = np.ascontiguousarray(columns[name].transpose(0, 2, 1))
    return content


def test_turned_features_are_refused_also_where_no_padding_shows_it(tmp_path):
    """Known widths among the steps, and columns as many as the steps of the text that they are
    aligned to."""
    content = turned(made.mosi())
    for columns in content.values():
        for name in ("audio", "vision"):
            columns[name][:] = 0.5
    with pytest.raises(InputError, match=r"5 steps of 20 columns, .*array.transpose"):
        imported(tmp_path, content)
    content = made.mosi(aligned=True)
    for columns in content.values():
        for name in ("audio", "vision"):
            columns[name] = columns[name][:, :, :4]
    with pytest.raises(InputError, match=r"4 steps of \d+ columns, .*array.transpose"):
        imported(tmp_path, turned(content))


UNTURNED = {  # steps, padding, the columns from which on all are zero, lengths of 20 clips
    "normalised after padding": (60, -0.3, 27, [27, 28, 29] + [40] * 17),
    "one length too small": (60, 0.0, 29, [29] + [60] * 19),
    "lengths of before the cut": (12, 0.0, 20, [25] * 20),
}


@pytest.mark.parametrize("what", UNTURNED)
def test_columns_that_are_always_zero_are_not_taken_for_padding(what):
    steps, padding, zero, lengths = UNTURNED[what]
    values = np.random.default_rng(0).normal(size=(20, steps, 30))
    values[np.arange(steps) >= np.array(lengths)[:, None]] = padding
    values[0, 29:, 3] = 0.001
    values[:, :, zero:] = 0
    part = {"audio": values, "vision": values}
    part |= {f"{name}_lengths": lengths for name in ("audio", "vision")}
    assert layouts.checked_layout("x", {"train": part}).widths == (30, 30)


def test_lists_of_arrays_are_recognised_as_the_layout_that_they_are(tmp_path):
    for folder in ("plain", "listed"):
        (tmp_path / folder).mkdir()
    plain = factory.imports(tmp_path / "plain", factory.supervised())
    content = factory.supervised()
    for columns in content.values():
        columns["audio"] = list(columns["audio"])
    listed = factory.imports(tmp_path / "listed", content)
    assert listed.manifest["source"]["layout"] == plain.manifest["source"]["layout"]
    assert listed.digest == plain.digest


def test_names_of_splits_in_capitals_are_read_and_said(tmp_path):
    content = {name.title(): columns for name, columns in factory.supervised().items()}
    content["VAL"] = content.pop("Valid")
    store = factory.imports(tmp_path, content)
    said = [repair["what"] for repair in store.manifest["repairs"]]
    assert "split 'Train' read as train" in said and "split 'VAL' read as valid" in said
    assert len(said) == 3, "each split once"
