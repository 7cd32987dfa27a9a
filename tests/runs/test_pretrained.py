"""A folder with a pretrained network is read completely or refused in one sentence, for text
encoders and wav2vec 2.0 alike."""

from __future__ import annotations

import dataclasses
import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from saved_encoder import save_encoder
from transformers import Wav2Vec2Config, Wav2Vec2Model

from avmc_core.clips import wav2vec
from avmc_core.errors import InputError
from avmc_core.files.kinds import foreign_bytes
from avmc_core.models import registry
from avmc_core.runs import experiments, tuning
from avmc_core.runs.grid import check_grid
from avmc_core.runs.store import Run
from avmc_core.text_encoder import encode, encoder_digest, load_encoder, locate, words

POINTER = (
    b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 411553788\n"
)
PAGE = b"\n<!DOCTYPE html><html><body>Sorry, the file is too large</body></html>"
SENTENCE = "今天天气真好"


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return save_encoder(tmp_path_factory.mktemp("encoder") / "good")


@pytest.fixture
def folder(good, tmp_path):
    return shutil.copytree(good, tmp_path / "encoder")


@pytest.fixture(scope="module")
def states(good):
    return encode([SENTENCE], load_encoder(good))[0]


def rewrite(folder, change, file="model.safetensors"):
    """The weights of ``folder``, renamed by ``change``, in one of the two formats."""
    weights = {
        name: tensor.contiguous()
        for name, tensor in change(load_file(folder / "model.safetensors")).items()
    }
    (folder / "model.safetensors").unlink()
    if file.endswith("safetensors"):
        save_file(weights, folder / file, {"format": "pt"})
    else:
        torch.save(weights, folder / file)


def old_norms(name):
    return name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
        "LayerNorm.bias", "LayerNorm.beta"
    )


@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model.bin"])
@pytest.mark.parametrize("prefix", ["", "bert.", "module.", "module.bert.", "model.bert."])
@pytest.mark.parametrize("rename", [str, old_norms])
def test_weights_under_known_names_give_the_same_states(folder, states, file, prefix, rename):
    """The head of another task among them does not matter."""
    head = {"classifier.weight": torch.ones(2, 3), "cls.predictions.bias": torch.ones(4)}
    rewrite(
        folder,
        lambda state: {prefix + rename(name): tensor for name, tensor in state.items()} | head,
        file,
    )
    np.testing.assert_array_equal(encode([SENTENCE], load_encoder(folder))[0], states)


def test_weights_in_shards_are_read_and_a_lost_shard_is_named(folder, states):
    state = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    places = {
        name: f"model-0000{1 + number % 2}-of-00002.safetensors"
        for number, name in enumerate(state)
    }
    for file in set(places.values()):
        save_file(
            {name: state[name] for name in places if places[name] == file},
            folder / file,
            {"format": "pt"},
        )
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    np.testing.assert_array_equal(encode([SENTENCE], load_encoder(folder))[0], states)
    (folder / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(
        InputError, match=r"no model-00002-of-00002\.safetensors; expected all files that"
    ):
        load_encoder(folder)


def test_half_precision_becomes_float32(folder):
    rewrite(folder, lambda state: {name: tensor.half() for name, tensor in state.items()})
    assert {parameter.dtype for parameter in load_encoder(folder)[1].parameters()} == {
        torch.float32
    }


QUERY = "encoder.layer.0.attention.self.query.weight"
WRONG_WEIGHTS = {  # what is done to the weights: what the error says
    "one is gone": (
        lambda state: {k: v for k, v in state.items() if k != QUERY},
        f"no weights for {QUERY}",
    ),
    "an unknown prefix": (
        lambda state: {f"text_model.x.{k}": v for k, v in state.items()},
        "begin with 'text_model.x.'",
    ),
    "only a head": (
        lambda state: {"classifier.weight": torch.ones(2, 3)},
        "no weights for embeddings",
    ),
    "two networks": (
        lambda state: state | {f"bert.{k}": v + 1 for k, v in state.items()},
        "twice, as",
    ),
    "of other widths": (
        lambda state: state | {QUERY: torch.ones(3, 3)},
        r"of shape \(3, 3\); expected \(768, 768\)",
    ),
    "NaN": (lambda state: state | {QUERY: state[QUERY] * torch.nan}, "NaN or inf in encoder"),
    "quantised": (
        lambda state: state | {QUERY: (100 * state[QUERY]).to(torch.int8)},
        r"query\.weight of whole numbers \(int8\)",
    ),
    "zeros": (lambda state: state | {QUERY: 0 * state[QUERY]}, "nothing but zeros in encoder"),
    "a layer more": (
        lambda state: (
            state | {k.replace("layer.0", "layer.1"): v.clone() for k, v in state.items()}
        ),
        r"weights of layers that config\.json does not have \(encoder\.layer\.1",
    ),
}


@pytest.mark.parametrize("what", WRONG_WEIGHTS)
def test_every_weight_is_accounted_for(folder, what):
    """transformers draws missing weights at random and drops unknown ones."""
    change, named = WRONG_WEIGHTS[what]
    rewrite(folder, change)
    with pytest.raises(InputError, match=named):
        load_encoder(folder)


def test_a_configuration_of_more_layers_is_refused(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3}))
    with pytest.raises(InputError, match=r"no weights for encoder\.layer\.1"):
        load_encoder(folder)


class Touch:
    """Pickles as a call that creates a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


DAMAGED = {
    "pointer": (
        POINTER,
        "a pointer of Git LFS; expected the file itself, which `git lfs pull` fetches",
    ),
    "page": (PAGE, "a web page"),
    "empty": (b"", "an empty file"),
    "zeros": (bytes(9000), "nothing but zeros"),
    "archive": (b"\x1f\x8b\x08" + b"x" * 99, "a gzip archive"),
    "rubbish": (b"hello " * 99, "unreadable weights"),
}


@pytest.mark.parametrize("what", DAMAGED)
@pytest.mark.parametrize(
    "file", ["model.safetensors", "pytorch_model.bin", "config.json", "tokenizer.json"]
)
def test_what_is_downloaded_in_place_of_a_file_is_named(folder, file, what):
    content, named = DAMAGED[what]
    if file == "pytorch_model.bin":
        (folder / "model.safetensors").unlink()
    (folder / file).write_bytes(content)
    expected = {"config.json": "not a JSON object", "tokenizer.json": "an unreadable vocabulary"}
    with pytest.raises(
        InputError, match=expected.get(file, named) if what == "rubbish" else named
    ) as caught:
        load_encoder(folder)
    assert caught.value.where.endswith(file) or file == "tokenizer.json"


@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model.bin"])
def test_cut_weights_are_named(folder, file):
    rewrite(folder, dict, file)
    whole = (folder / file).read_bytes()
    for size in (9, len(whole) // 2, len(whole) - 1):
        (folder / file).write_bytes(whole[:size])
        with pytest.raises(InputError, match=f"{file}: found .*; expected the whole"):
            load_encoder(folder)


def test_weights_that_call_something_call_nothing(folder, tmp_path):
    (folder / "model.safetensors").unlink()
    torch.save({"embeddings": Touch(tmp_path / "mark")}, folder / "pytorch_model.bin")
    with pytest.raises(InputError, match="a pickled model, which would be executed"):
        load_encoder(folder)
    assert not (tmp_path / "mark").exists()


def test_a_folder_without_weights_says_what_is_there_instead(folder):
    (folder / "model.safetensors").rename(folder / "tf_model.h5")
    (folder / "model.safetensors.part").touch()
    with pytest.raises(
        InputError,
        match=r"model\.safetensors\.part is a download .*tf_model\.h5 is of another framework",
    ):
        load_encoder(folder)


def test_a_file_or_nothing_in_place_of_the_folder(folder, tmp_path):
    with pytest.raises(InputError, match="found a file; expected the folder that it lies in"):
        load_encoder(folder / "model.safetensors")
    with pytest.raises(
        InputError, match="no such folder, and nothing of this name in the local model cache"
    ):
        load_encoder(str(tmp_path / "nothing"))


def test_folders_of_the_model_cache_are_read_as_they_lie(good, states, tmp_path, monkeypatch):
    """A model has two names there, and its folder is not the one with the files."""
    place = tmp_path / "hub" / "models--google-bert--bert-base-chinese"
    for branch in ("abc", "old"):
        shutil.copytree(good, place / "snapshots" / branch)
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text("abc")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    for name in ("bert-base-chinese", "google-bert/bert-base-chinese", place, place / "snapshots"):
        assert locate(str(name)) == place / "snapshots" / "abc"
        assert encoder_digest(str(name)) == encoder_digest(str(good))
        np.testing.assert_array_equal(encode([SENTENCE], load_encoder(name))[0], states)


@pytest.mark.parametrize("main", [b"", b"abc\n", b"def", b"/abc", b"**", b"\xff\xfe\0", None])
def test_the_only_snapshot_is_read_whatever_the_branch_says(tmp_path, main):
    place = tmp_path / "models--x"
    for folder in ("snapshots/abc", "refs"):
        (place / folder).mkdir(parents=True)
    (place / "snapshots" / "abc" / "config.json").touch()
    if main is not None:
        (place / "refs" / "main").write_bytes(main)
    assert locate(str(place)) == place / "snapshots" / "abc"
    other = place / "snapshots" / "other"
    other.mkdir()
    (other / "config.json").touch()
    assert locate(str(place)) == (place / "snapshots" / "abc" if main == b"abc\n" else place)


def test_what_a_training_leaves_is_not_taken_for_weights(folder):
    (folder / "model.safetensors").unlink()
    for name in ("optimizer.pt", "scheduler.pt", "training_args.bin"):
        (folder / name).touch()
    with pytest.raises(InputError, match=r"no weights \(.* are both absent\)"):
        load_encoder(folder)


def test_the_configuration_of_the_first_releases_is_read(folder, states):
    """Under its old name, and with the mark that some editors of Windows put first."""
    text = (folder / "config.json").read_text(encoding="utf-8")
    (folder / "config.json").unlink()
    (folder / "bert_config.json").write_text(f"\ufeff{text}", encoding="utf-8")
    np.testing.assert_array_equal(encode([SENTENCE], load_encoder(folder))[0], states)


def test_what_a_copy_of_the_model_cache_lacks_is_named(folder, tmp_path):
    weights = folder / "model.safetensors"
    weights.rename(folder / "model.fp16.safetensors")
    with pytest.raises(InputError, match=r"model\.fp16\.safetensors is under another name"):
        load_encoder(folder)
    weights.symlink_to("../../blobs/0a1b")
    with pytest.raises(InputError, match=r"model\.safetensors is a link that leads nowhere"):
        load_encoder(folder)
    weights.unlink()
    weights.write_text("../../blobs/0a1b")
    with pytest.raises(InputError, match="the text of a link, as some copies"):
        load_encoder(folder)
    with pytest.raises(InputError, match=r"no config\.json, but one in its folder encoder"):
        load_encoder(folder.parent)


@pytest.mark.parametrize("lost", [1, 50])
def test_a_vocabulary_that_lost_words_is_refused(folder, lost):
    """Every word after them would be another one; at the end they would become [UNK]."""
    words = vocabulary(folder)
    (folder / "vocab.txt").write_text("\n".join(words[:20] + words[20 + lost :]), encoding="utf-8")
    with pytest.raises(InputError, match=f"a vocabulary of {len(words) - lost} words for weights"):
        load_encoder(folder)


def test_an_embedding_may_be_rounded_up(folder):
    """ERNIE 1.0 has 18000 rows, a multiple of 16, for 17964 words."""
    rows = -(-(len(vocabulary(shutil.copytree(folder, folder / "copy"))) + 1) // 16) * 16
    rows += 16 * (rows % 64 == 0)
    name = "embeddings.word_embeddings.weight"
    rewrite(folder, lambda state: state | {name: torch.ones(rows, 768)})
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"vocab_size": rows}))
    assert len(load_encoder(folder)[0]) < rows


def test_a_model_of_another_kind_is_named(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "roberta"}))
    with pytest.raises(InputError, match="a model of type roberta; expected one of type bert"):
        load_encoder(folder)


# The vocabulary


def vocabulary(folder):
    found = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    for path in folder.glob("tokenizer*"):
        path.unlink()
    return sorted(found, key=found.get)


def test_a_plain_list_of_words_serves(folder, states):
    (folder / "vocab.txt").write_text("\n".join(vocabulary(folder)) + "\n", encoding="utf-8")
    np.testing.assert_array_equal(encode([SENTENCE], load_encoder(folder))[0], states)


WRONG_WORDS = {
    "none": (None, r"no vocabulary; expected tokenizer\.json or vocab\.txt"),
    "a pointer": (POINTER.decode(), "a pointer of Git LFS"),
    "of another model": (
        "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\ngood\n",
        "a vocabulary of 7 words for weights of",
    ),
    "without [UNK]": ("[PAD]\n[CLS]\n[SEP]\nthe\n", "vocabulary"),
    "empty": ("", "an empty file"),
}


@pytest.mark.parametrize("what", WRONG_WORDS)
def test_a_vocabulary_that_is_absent_or_not_the_weights_own_is_refused(folder, what):
    """Without a vocabulary transformers turns every character into [UNK], without a warning."""
    content, named = WRONG_WORDS[what]
    vocabulary(folder)
    if content is not None:
        (folder / "vocab.txt").write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=named):
        load_encoder(folder)


def test_padding_at_the_start_is_not_taken_over(folder, states):
    """A tokenizer that pads at the start was once followed, and the states were those of
    padding."""
    path = folder / "tokenizer_config.json"
    sides = {"padding_side": "left", "truncation_side": "left"}
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | sides))
    np.testing.assert_array_equal(encode([SENTENCE], load_encoder(folder))[0], states)
    path.write_bytes(POINTER)
    with pytest.raises(InputError, match=r"tokenizer_config\.json: found a pointer of Git LFS"):
        load_encoder(folder)


@pytest.mark.parametrize(
    "change, named",
    [({"is_decoder": True}, "a BERT that writes text"), ({"hidden_act": "none"}, "KeyError")],
)
def test_a_configuration_that_reads_otherwise_is_refused(folder, change, named):
    facts = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps(facts | change))
    with pytest.raises(InputError, match=named):
        load_encoder(folder)


def test_words_in_another_order_are_refused(folder):
    (folder / "vocab.txt").write_text("\n".join(sorted(vocabulary(folder))), encoding="utf-8")
    with pytest.raises(InputError, match=r"\[PAD\] as word \d+ of the vocabulary; expected word 0"):
        load_encoder(folder)


def test_a_sentence_of_unknown_characters_alone_is_an_error(good):
    encoder = load_encoder(good)
    with pytest.raises(
        InputError, match="'ķķ ğ', of which the encoder's vocabulary has not one character"
    ):
        encode([SENTENCE, "ķķ ğ"], encoder)
    assert len(encode(["今ķ", ""], encoder)[1]) == 2  # some are known; nothing is there


def test_words_are_counted_before_they_are_cut(good):
    encoder = load_encoder(good)
    lengths, unknown = words(["好" * 180, SENTENCE + "ķ", ""], encoder)
    assert lengths.tolist() == [182, 9, 2] and unknown.tolist() == [0, 1, 0]
    assert encode(["好" * 180], encoder)[1].tolist() == [50]
    assert [len(column) for column in words([], encoder)] == [0, 0]


# wav2vec 2.0


@pytest.fixture
def heard(tmp_path):
    torch.manual_seed(0)
    sizes = {
        "hidden_size": 12,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 16,
    }
    config = Wav2Vec2Config(
        **sizes, conv_dim=(8,) * 7, num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=4
    )
    Wav2Vec2Model(config).save_pretrained(tmp_path / "wav2vec")
    return tmp_path / "wav2vec"


def old_weight_norm(name):
    old = name.replace("parametrizations.weight.original0", "weight_g")
    return old.replace("parametrizations.weight.original1", "weight_v")


@pytest.mark.parametrize("rename", [str, old_weight_norm])
@pytest.mark.parametrize("prefix", ["", "wav2vec2."])
@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model.bin"])
def test_wav2vec_under_known_names_gives_the_same_states(heard, tmp_path, rename, prefix, file):
    signal = np.random.default_rng(0).normal(0, 0.2, 8000).astype(np.float32)
    other = shutil.copytree(heard, tmp_path / "other")
    rewrite(
        other, lambda state: {prefix + rename(name): tensor for name, tensor in state.items()}, file
    )
    np.testing.assert_array_equal(
        wav2vec.hidden_states(signal, other), wav2vec.hidden_states(signal, heard)
    )


def test_a_wav2vec_folder_with_something_wrong_is_one_error(heard):
    whole = (heard / "model.safetensors").read_bytes()
    for content, named in (
        (POINTER, "a pointer of Git LFS"),
        (PAGE, "a web page"),
        (whole[:-5], "unreadable weights"),
    ):
        (heard / "model.safetensors").write_bytes(content)
        with pytest.raises(InputError, match=rf"model\.safetensors: found .*{named}"):
            wav2vec.load(heard)
    (heard / "model.safetensors").write_bytes(whole)
    rewrite(
        heard,
        lambda state: {k: v for k, v in state.items() if "layers.1.attention.k_proj" not in k},
    )
    with pytest.raises(InputError, match=r"no weights for encoder\.layers\.1\.attention\.k_proj"):
        wav2vec.load(heard)
    (heard / "config.json").write_text('{"model_type": "hubert"}')
    with pytest.raises(InputError, match="a model of type hubert; expected one of type wav2vec2"):
        wav2vec.load(heard)


# Said before anything is computed


def test_a_damaged_encoder_is_named_before_any_run_and_any_trial(
    folder, tiny_store, tmp_path, monkeypatch
):
    """A grid once stopped at the first run that needs the encoder, after hours of runs that do
    not."""
    monkeypatch.setenv("AVMC_BERT", str(folder))
    real = dataclasses.replace(tiny_store, manifest={**tiny_store.manifest, "kind": "real"})
    frozen, tuned = Run("LF_DNN", 1), Run("Self_MM", 1, (("text", "finetune"),))
    check_grid([frozen, tuned], real)
    (folder / "model.safetensors").write_bytes(POINTER)
    with pytest.raises(InputError, match="a pointer of Git LFS"):
        check_grid([frozen, tuned], real)
    check_grid([frozen], real)
    plan = tuning.Search("Self_MM", (("text", ("frozen", "finetune")),), trials=1, seeds=(1,))
    assert registry.settings_of("Self_MM", {"text": "finetune"})
    with pytest.raises(InputError, match="a pointer of Git LFS"):
        tuning.search(plan, real, tmp_path / "tuning")
    runs = experiments.experiment("benchmark").runs("ci", store=real)
    with pytest.raises(InputError, match="a pointer of Git LFS"):
        check_grid(runs, real)


def test_the_kinds_of_files_are_told_apart():
    for head, named in (
        (b"PK\x03\x04" + b"\0" * 26 + b"[Content_Types].xml", "a workbook of a spreadsheet"),
        (b"PK\x03\x04" + b"\0" * 26 + b"ch-simsv2s.pkl", "a zip archive"),
        (b"\xef\xbb\xbf <HTML>", "a web page"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "older spreadsheet"),
    ):
        assert named in foreign_bytes(head)[0]
    assert foreign_bytes(b"video_id,clip_id") is None and foreign_bytes(b"\x80\x04}") is None
