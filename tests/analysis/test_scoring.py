"""Predictions from anywhere are scored as scikit-learn and scipy score them, on both label sets,
and unsuitable files are refused by name."""

from __future__ import annotations

import io
import json
import os

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from scipy import stats
from sklearn import metrics as oracle

from avmc_core.analysis.scoring import conventions, score
from avmc_core.commands.main import main
from avmc_core.data import label_sets
from avmc_core.data.placeholders import placeholder_clips
from avmc_core.data.scoring_tables import read_labels, read_predictions
from avmc_core.errors import InputError
from avmc_core.metrics import METRICS
from avmc_core.schema import GRID, SPLITS

FEW = {"draws": 50}
needs_meta = pytest.mark.skipif(
    not os.environ.get("AVMC_META"), reason="AVMC_META names no label table"
)


def table_of(key: str) -> pd.DataFrame:
    """A label table that has as many clips of each label, split and part as one of the two sets;
    eight clips per video."""
    rows = []
    for split in SPLITS:
        for part in label_sets.PARTS:
            counts = label_sets.of_set(key)[split][part]
            for n, label in enumerate(np.repeat(GRID, counts)):
                width = 4 if part == label_sets.ORIGINAL else 5
                rows.append(
                    (f"{part}_{split}_{n // 8:04d}", f"{n % 8:0{width}d}", split, float(label))
                )
    return pd.DataFrame(rows, columns=["video_id", "clip_id", "mode", "label"])


@pytest.fixture(scope="module", params=[label_sets.RELABELLED, label_sets.MIXED])
def labelled(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("labels") / f"{request.param}.csv"
    table = table_of(request.param)
    table.to_csv(path, index=False)
    return request.param, path, table


def predictions_for(table: pd.DataFrame, seed: int = 0, noise: float = 0.4) -> pd.DataFrame:
    test = table[table["mode"] == "test"]
    made = 0.7 * test["label"] + np.random.default_rng(seed).normal(0, noise, len(test))
    return test[["video_id", "clip_id"]].assign(M=made.round(4))


def saved(frame: pd.DataFrame, path):
    frame.to_csv(path, index=False)
    return path


def test_every_metric_equals_scikit_learn_and_scipy(labelled, tmp_path):
    key, labels, table = labelled
    given = predictions_for(table)
    report = score(read_predictions(saved(given, tmp_path / "p.csv")), read_labels(labels), **FEW)
    y = table.loc[table["mode"] == "test", "label"].to_numpy()
    p = np.clip(given["M"].to_numpy(), -1, 1)
    weak = np.abs(y) <= 0.4
    three = [np.digitize(x.round(6), [-0.1, 0.1], right=True) for x in (p, y)]
    five = [np.digitize(x.round(6), [-0.7, -0.1, 0.1, 0.7], right=True) for x in (p, y)]
    expected = {
        "Acc2": oracle.accuracy_score(y > 0, p > 0),
        "F1": oracle.f1_score(y > 0, p > 0, average="weighted"),
        "Acc2_weak": oracle.accuracy_score(y[weak] > 0, p[weak] > 0),
        "Acc3": oracle.accuracy_score(*three),
        "Acc5": oracle.accuracy_score(*five),
        "Corr": stats.pearsonr(p, y).statistic,
        "R2": oracle.r2_score(y, p),
        "MAE": oracle.mean_absolute_error(y, p),
    }
    (found,) = report.tasks
    assert {name: found.scores[name].estimate for name in METRICS} == pytest.approx(
        expected, abs=1e-9
    )
    assert all(
        found.scores[name].low <= found.scores[name].estimate <= found.scores[name].high
        for name in METRICS
    )
    assert found.counted["Acc2_weak"] == weak.sum() == {"relabelled": 483, "mixed": 462}[key]
    assert report.labels.startswith(label_sets.NAMES[key]), "the set is recognised and named"


def test_a_constant_of_0_has_the_known_scores(labelled, tmp_path):
    """The score of the constant 0 stands beside every score, so that the two are equal here."""
    key, labels, table = labelled
    zero = predictions_for(table).assign(M=0)
    report = score(read_predictions(saved(zero, tmp_path / "zero.csv")), read_labels(labels), **FEW)
    frame = report.frame().set_index("metric")
    assert f"{frame.loc['Acc2', 'value']:.2f}" == {"relabelled": "57.74", "mixed": "59.09"}[key]
    assert frame["value"].equals(frame["constant"])
    assert frame.loc["Corr", "note"] == "all predictions are equal" and np.isnan(
        frame.loc["Corr", "value"]
    )
    assert frame.loc["Acc2", "step"] == pytest.approx(100 / 1034)


@needs_meta
def test_the_real_table_is_scored_as_the_set_that_it_is(tmp_path):
    labels = read_labels(os.environ["AVMC_META"])
    zero = labels.loc[labels["split"] == "test", ["video_id", "clip_id"]].assign(M=0.0)
    report = score(zero, labels, **FEW)
    known = {"relabelled": "57.74", "mixed": "59.09"}
    assert (
        f"{report.frame().set_index('metric').loc['Acc2', 'value']:.2f}"
        == known[label_sets.recognise(labels).key]
    )


def test_two_models_on_the_same_clips(labelled, tmp_path):
    _, labels, table = labelled
    good, bad = predictions_for(table, noise=0.2), predictions_for(table, 1, noise=2.0)
    (found,) = score(good, read_labels(labels), against=bad, **FEW).tasks
    for name, contrast in found.against.items():
        gap = found.scores[name].estimate - contrast.other.estimate
        assert contrast.difference.estimate == pytest.approx(gap, abs=1e-12)
        assert contrast.p <= contrast.p_holm <= 1
    assert found.against["MAE"].difference.high < 0 and found.against["MAE"].p < 0.01
    shuffled = good.sample(frac=1, random_state=0)
    (same,) = score(good, read_labels(labels), against=shuffled, **FEW).tasks
    assert all(c.difference.estimate == 0 and c.p == 1 for c in same.against.values()), (
        "the order of rows is nothing"
    )


@pytest.mark.parametrize(
    "spoil, message",
    [
        (
            lambda t: t.iloc[2:],
            r"2 clips of split test without a prediction: original_test_0000/0000, "
            r"original_test_0000/0001",
        ),
        (lambda t: pd.concat([t, t.iloc[:1]]), r"1 clip listed twice: original_test_0000/0000"),
        (
            lambda t: pd.concat([t, t.iloc[:1].assign(clip_id="9")]),
            r"1 clip that the labels do not know: original_test_0000/9",
        ),
        (
            lambda t: t.assign(M=[np.inf, *t["M"][1:]]),
            r"1 clip whose M is not a finite number: original_test_0000/0000",
        ),
        (
            lambda t: t.assign(M=["much", *t["M"][1:].astype(str)]),
            r"1 clip whose M is not a finite number: .*, not 'much'$",
        ),
        (
            lambda t: t.rename(columns={"M": "score"}),
            r"no column M; expected the columns video_id and clip_id \(or id\), M.*, score$",
        ),
        (lambda t: t.iloc[:0], r"no rows"),
    ],
)
def test_files_that_do_not_fit_are_refused_by_clip(spoil, message, tmp_path):
    table = table_of(label_sets.MIXED)
    labels = read_labels(saved(table, tmp_path / "labels.csv"))
    with pytest.raises(InputError, match=message):
        score(
            read_predictions(saved(spoil(predictions_for(table)), tmp_path / "p.csv")),
            labels,
            **FEW,
        )


def test_joined_ids_and_clips_of_other_splits_are_taken(tmp_path):
    table = table_of(label_sets.MIXED)
    labels = read_labels(saved(table, tmp_path / "labels.csv"))
    every = table[["video_id", "clip_id"]].assign(M=table["label"])
    joined = pd.DataFrame({"id": every["video_id"] + "$_$" + every["clip_id"], "M": every["M"]})
    report = score(
        read_predictions(saved(joined, tmp_path / "p.csv")), labels, split="valid", **FEW
    )
    assert report.tasks[0].clips == 647 and report.tasks[0].scores["MAE"].estimate == 0
    with pytest.raises(InputError, match="column id: found 'no'"):
        read_predictions(saved(joined.assign(id="no"), tmp_path / "q.csv"))


@pytest.mark.parametrize(
    "change, message",
    [
        ({"label": 2.0}, "with a label M beyond 1: "),
        ({"mode": "practice"}, "of no known split: "),
        ({"label": ""}, "whose M is not a finite number: "),
    ],
)
def test_label_tables_that_do_not_read_are_refused(change, message, tmp_path):
    with pytest.raises(InputError, match=message):
        read_labels(saved(table_of(label_sets.MIXED).assign(**change), tmp_path / "labels.csv"))
    with pytest.raises(InputError, match="no file"):
        read_labels(tmp_path / "nowhere.csv")


def _written(rows, separator=",", encoding="utf-8") -> bytes:
    return "\r\n".join(separator.join(row) for row in rows).encode(encoding)


SAVED = {  # what programs make of a table of predictions: its bytes, and what is said
    "semicolons and decimal commas": (
        lambda rows: _written([[cell.replace(".", ",") for cell in row] for row in rows], ";"),
        ["read with semicolons", "with a decimal comma"],
    ),
    "UTF-16": (lambda rows: _written(rows, "\t", "utf-16"), ["read as utf-16", "with tabs"]),
    "lost zeros": (
        lambda rows: _written([[video, clip.lstrip("0") or "0", m] for video, clip, m in rows]),
        ["lost leading zeros"],
    ),
    "ids marked as text": (
        lambda rows: _written([rows[0], *([v, f'="{clip}"', m] for v, clip, m in rows[1:])]),
        ["ids of the predictions marked as text"],
    ),
    "blanks": (
        lambda rows: _written([rows[0], *([f"{cell} " for cell in row] for row in rows[1:])]),
        ["ids of the table of predictions with blanks around them (2068)"],
    ),
    "quotes after blanks": (
        lambda rows: _written([[row[0], *(f' "{cell}"' for cell in row[1:])] for row in rows]),
        [],
    ),
    "row names of R": (
        lambda rows: _written([rows[0], *([str(n), *row] for n, row in enumerate(rows[1:], 1))]),
        ["row names of the table of predictions left out (1034)"],
    ),
    "texts that nobody reads": (
        lambda rows: _written(
            [[*rows[0], "m", '"a;b;c;d;e;f"'], *([*row, '"5" tall"', "\ufffd"] for row in rows[1:])]
        ),
        [],
    ),
    "a comma too many": (
        lambda rows: _written([rows[0], *([*row, ""] for row in rows[1:])]),
        ["without a name left out"],
    ),
    "capitals": (
        lambda rows: _written([["Video_ID", "CLIP_ID", "m"], *rows[1:]]),
        ["in capitals or small letters"],
    ),
    "signs of print": (
        lambda rows: _written([[v, c, m.replace("-", "\u2212")] for v, c, m in rows]),
        ["a printed minus sign"],
    ),
    "wide digits": (
        lambda rows: _written([[v, c, m.replace("0", "\uff10")] for v, c, m in rows]),
        ["wide digits"],
    ),
}


@pytest.mark.parametrize("what", SAVED)
def test_tables_that_went_through_other_programs_score_as_the_plain_one(what, tmp_path):
    table = table_of(label_sets.MIXED)
    labels = read_labels(saved(table, tmp_path / "labels.csv"))
    plain = predictions_for(table).assign(M=lambda given: given["M"].abs() + 0.1)
    plain.loc[plain.index[::2], "M"] *= -1
    rows = [list(plain.columns), *plain.astype(str).to_numpy().tolist()]
    write, said = SAVED[what]
    (tmp_path / "p.csv").write_bytes(write(rows))
    report = score(read_predictions(tmp_path / "p.csv"), labels, **FEW)
    expected = score(plain, labels, **FEW)
    pd.testing.assert_frame_equal(report.frame(), expected.frame())
    assert not expected.repairs
    assert all(any(word in repair for repair in report.repairs) for word in said), report.repairs


def test_an_open_quote_is_refused_and_no_row_is_lost(tmp_path):
    rows = [["video_id", "clip_id", "M", "n"], ["v", "0", "1", '"5" tall"'], ["v", "1", "1", '"x']]
    (tmp_path / "p.csv").write_bytes(_written([*rows, ["v", "2", "1", "x"]]))
    with pytest.raises(InputError, match=r"line 2: .*well-formed CSV"):
        read_predictions(tmp_path / "p.csv")


def test_a_repair_is_said_of_each_table_that_needed_it(tmp_path):
    table = table_of(label_sets.MIXED)
    saved(table, tmp_path / "labels.csv")
    given = predictions_for(table)
    path = saved(
        given.assign(clip_id='="' + given["clip_id"] + '"').add_suffix(" "), tmp_path / "p"
    )
    words = ["score", str(path), "--against", str(path), "--labels", str(tmp_path / "labels.csv")]
    said = CliRunner().invoke(main, words).output
    for name in ("predictions", "other predictions"):
        assert f"repaired: ids of the {name} marked as text by a spreadsheet (1034)" in said
    for name in ("table of predictions", "other table of predictions"):
        assert f"repaired: column names of the {name} with blanks around them (3)" in said


RELEASED = {  # headers of the released label table, as others write them
    "as it is": "video_id,clip_id,text,label,label_T,label_A,label_V,annotation,mode",
    "capitals": "Video_ID,Clip_ID,Text,Label,Label_T,Label_A,Label_V,Annotation,Mode",
    "other names": "video_id,clip_id,text,M,T,A,V,annotation,split",
}


@pytest.mark.parametrize("what", RELEASED)
def test_unlabelled_rows_of_the_released_table_are_left_out(what, tmp_path):
    path = tmp_path / "meta.csv"
    rows = "v,1,x,0.2,0.4,0.6,0.8,Positive,test\nv,2,y,,,,,,\n"
    path.write_text(f"{RELEASED[what]}\n{rows}", encoding="utf-8")
    assert read_labels(path).values.tolist() == [["v", "1", "test", 0.2, 0.4, 0.6, 0.8]]


def test_a_column_under_its_own_name_is_read_before_one_that_is_like_it(tmp_path):
    (tmp_path / "p.csv").write_bytes(_written([["video_id", "clip_id", "m", "M"], list("vc12")]))
    assert read_predictions(tmp_path / "p.csv")["M"].tolist() == [2]
    rows = [["video_id", "clip_id", "mode", "split", "M"], ["v", "c", "test", "test", "0.5"]]
    (tmp_path / "l.csv").write_bytes(_written(rows))
    assert read_labels(tmp_path / "l.csv").values.tolist() == [["v", "c", "test", 0.5]]


def test_labels_of_other_programs_are_read_and_a_doubled_column_is_refused(tmp_path):
    table = table_of(label_sets.MIXED)
    given = predictions_for(table)
    other = table.assign(mode=table["mode"].replace("valid", "Dev"))
    other.to_csv(tmp_path / "other.csv", index=False, sep=";")
    labels = read_labels(tmp_path / "other.csv")
    plain = score(given, read_labels(saved(table, tmp_path / "labels.csv")), **FEW)
    report = score(given, labels, **FEW)
    pd.testing.assert_frame_equal(report.frame(), plain.frame())
    assert any("splits of the table of labels" in repair for repair in report.repairs)
    rows = [["video_id", "clip_id", "M", "M"], ["v", "0", "0.1", "-0.9"]]
    (tmp_path / "twice.csv").write_bytes(_written(rows))
    with pytest.raises(InputError, match="a second column M"):
        read_predictions(tmp_path / "twice.csv")


def test_predictions_beyond_the_labels_are_counted(tmp_path):
    """Classes or percentages in place of labels would be cut to 1 without a word."""
    table = table_of(label_sets.MIXED)
    labels = read_labels(saved(table, tmp_path / "labels.csv"))
    given = predictions_for(table).assign(M=[37.0, -2.0] + [0.1] * 1032)
    (found,) = score(given, labels, **FEW).tasks
    assert found.cut == 2
    path = saved(given, tmp_path / "p.csv")
    words = ["score", str(path), "--labels", str(tmp_path / "labels.csv")]
    shown = CliRunner().invoke(main, words).output
    assert "2 predictions beyond -1 to 1 were cut" in shown


def test_unimodal_predictions_are_scored_without_placeholders(many_videos, tmp_path):
    """All four annotations of a store are scored and carry its mark; videos with placeholder labels
    count for M only."""
    clips = many_videos.split("test").clips
    clips = clips.assign(
        T=np.where(clips["video_id"].str.startswith("test"), clips["M"], clips["T"])
    )
    clips = clips.assign(
        **{
            task: np.where(clips["video_id"].str.startswith("test"), clips["M"], clips[task])
            for task in "AV"
        }
    )
    labels = clips[["video_id", "clip_id", "split", "M", "T", "A", "V"]]
    given = labels[["video_id", "clip_id"]].assign(M=labels["M"], T=0.1)
    of_m, of_t = score(given, labels, **FEW).tasks
    keep = ~placeholder_clips(labels)
    assert 0 < of_t.left_out == (~keep).sum() and of_t.clips == keep.sum() and of_m.left_out == 0
    assert of_t.scores["MAE"].estimate == pytest.approx(np.abs(labels.loc[keep, "T"] - 0.1).mean())
    only_m = score(given, labels[["video_id", "clip_id", "split", "M"]], **FEW)
    assert only_m.unscored == ("T",) and len(only_m.tasks) == 1


def test_the_command_prints_what_the_library_finds(labelled, tiny_store, tmp_path):
    _, labels, table = labelled
    files = [saved(predictions_for(table, seed), tmp_path / f"{seed}.csv") for seed in (0, 1)]

    def call(*words, status=0):
        result = CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)
        assert result.exit_code == status, result.output
        return result.output

    shown = call("score", files[0], "--labels", labels, "--against", files[1])
    assert (
        conventions() in shown
        and "constant 0" in shown
        and "p, Holm" in shown
        and "one clip changes Acc2 by 0.10" in shown
    )
    read = json.loads(call("score", files[0], "--labels", labels, "--format", "json"))
    frame = score(read_predictions(files[0]), read_labels(labels)).frame()
    assert [row["value"] for row in read["scores"]] == pytest.approx(frame["value"].tolist())
    rows = pd.read_csv(io.StringIO(call("score", files[0], "--labels", labels, "--format", "csv")))
    assert list(rows)[:3] == ["task", "metric", "value"]
    for name in ("data", "labels", "split"):  # what the text and JSON say once, each row says
        assert set(rows[name]) == {read[name]} and f"{read[name]}" in shown
    assert "error: " in call("score", labels, "--labels", labels, status=2), (
        "a label table has no column M"
    )
    test = tiny_store.split("test").clips
    simulated = saved(test[["id"]].assign(M=0.0), tmp_path / "simulated.csv")
    assert "simulated corpus, not CH-SIMS" in call("score", simulated, "--labels", tiny_store.path)


def wide_table() -> pd.DataFrame:
    """Labels from -3 to 3 in steps of 0.2, six clips to a video; a fifth of them are 0."""
    rng = np.random.default_rng(5)
    labels = np.where(rng.random(240) < 0.2, 0.0, rng.integers(-15, 16, 240) / 5)
    rows = {"video_id": [f"v{n // 6}" for n in range(240)], "clip_id": np.arange(240).astype(str)}
    return pd.DataFrame(rows).assign(mode=np.resize([*SPLITS, "test"], 240), label=labels)


def test_labels_to_3_are_scored_as_mmsa_does_against_scikit_learn(tmp_path):
    """Labels are not clipped to 1, and accuracies that exclude zeros state the number of clips that
    they cover."""
    table = wide_table()
    given, other = (predictions_for(table, seed, noise=1.2) for seed in (0, 1))
    labels = read_labels(saved(table, tmp_path / "wide.csv"), 3.0)
    report = score(given, labels, against=other, **FEW)
    y = table.loc[table["mode"] == "test", "label"].to_numpy(np.float32)
    p = given["M"].to_numpy(np.float32)
    there = y != 0
    expected = {
        "Has0_acc_2": oracle.accuracy_score(y >= 0, p >= 0),
        "Has0_F1_score": oracle.f1_score(y >= 0, p >= 0, average="weighted"),
        "Non0_acc_2": oracle.accuracy_score(y[there] > 0, p[there] > 0),
        "Non0_F1_score": oracle.f1_score(y[there] > 0, p[there] > 0, average="weighted"),
        "Mult_acc_5": np.mean(np.round(p.clip(-2, 2)) == np.round(y.clip(-2, 2))),
        "Mult_acc_7": np.mean(np.round(p.clip(-3, 3)) == np.round(y.clip(-3, 3))),
        "MAE": oracle.mean_absolute_error(y, p),
        "Corr": stats.pearsonr(p, y).statistic,
    }
    (found,) = report.tasks
    assert found.scores.keys() == found.against.keys() == expected.keys()
    assert {name: found.scores[name].estimate for name in expected} == pytest.approx(expected)
    gap = expected["MAE"] - oracle.mean_absolute_error(y, other["M"].to_numpy(np.float32))
    assert found.against["MAE"].difference.estimate == pytest.approx(gap, abs=1e-6)
    assert found.counted["Non0_acc_2"] == there.sum() < found.counted["Has0_acc_2"] == len(y)
    assert found.constant["Corr"].note == "all predictions are equal"
    assert report.labels == "from -3 to 3" and len(report.frame()) == len(expected)
    neutral = labels.assign(M=0.0)
    neutral.attrs = labels.attrs
    (found,) = score(given, neutral, **FEW).tasks
    assert found.scores["Non0_acc_2"].note == "every label is 0, and zeros are left out"


def test_the_range_is_that_of_the_labels_and_never_another(tmp_path, tiny_store):
    table = wide_table()
    labels = saved(table, tmp_path / "wide.csv")
    with pytest.raises(InputError, match=r"beyond 1: .*\[-1, 1\], or --limit 3 for labels to 3"):
        read_labels(labels)
    with pytest.raises(InputError, match=r"beyond 3: .* expected labels in \[-3, 3\]$"):
        read_labels(saved(table.assign(label=4.0), tmp_path / "wider.csv"), 3.0)
    with pytest.raises(InputError, match="limit of the labels: found 3; expected 1, the largest"):
        read_labels(tiny_store.path, 3.0)
    given = saved(predictions_for(table), tmp_path / "p.csv")
    words = ["score", str(given), "--labels", str(labels), "--limit", "3"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    assert "MMSA's for CMU-MOSI and CMU-MOSEI" in done.output and "Acc2_weak" not in done.output
    assert "one clip changes Has0_acc_2 by" in done.output and "Non0_acc_2 by" in done.output
    done = CliRunner().invoke(main, [*words, "--format", "json"])
    assert json.loads(done.output)["scores"][0]["metric"] == "Has0_acc_2"
