"""The only place where a folder with a pretrained network is opened: either every weight is
accounted for, or nothing is read.

transformers draws a weight that it does not find at random and goes on. Here a folder is read only
when each weight of the network lies in it, under its own name or under one that is known: those of
a wrapped model (``bert.``, ``module.bert.``), the old ``gamma`` and ``beta`` of layer norms, the
old ``weight_g`` and ``weight_v`` of weight norms. Nothing is ever executed, and the network is
never asked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avmc_core.errors import InputError
from avmc_core.files.kinds import foreign
from avmc_core.files.model_folders import (
    CONFIG,
    broken_link,
    cached,
    config_of,
    folder_of,
    snapshot_of,
)

if TYPE_CHECKING:
    import torch

__all__ = [
    "CONFIG",
    "cached",
    "checked",
    "config_of",
    "configuration",
    "fill",
    "folder_of",
    "snapshot_of",
    "weight_files",
]

# the first that is there; either may be in shards
_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_ELSEWHERE = [
    "tf_model.h5",
    "flax_model.msgpack",
    "model.onnx",
    "rust_model.ot",
    "*.ckpt*",
    "*.gguf",
]
# what a training leaves beside the weights
_OF_A_TRAINING = ("optimizer.pt", "scheduler.pt", "scaler.pt", "training_args.bin")
_WRAPPERS = ("state_dict", "model_state_dict")  # keys under which a script keeps the weights
_WRAPPED = r"(?:(?:module|model)\.)*"
_OLD = (
    (r"\.gamma$", ".weight"),
    (r"\.beta$", ".bias"),
    (r"\.weight_g$", ".parametrizations.weight.original0"),
    (r"\.weight_v$", ".parametrizations.weight.original1"),
)


def checked(path: Path) -> Path:
    """``path``, a file that is what its name says as far as its first bytes tell. Raises InputError
    naming what it is."""
    try:
        other = foreign(path)
    except OSError as error:
        raise InputError(path, str(error.strerror or error), "a file that can be read") from None
    if other is not None:
        raise InputError(path, *other)
    return path


def configuration(folder: Path, kind: str) -> dict[str, Any]:
    """The facts of ``config.json``. Raises InputError if the file is missing or damaged, or
    describes a model of another ``kind``."""
    path = config_of(folder, kind)
    if not path.is_file():
        inside = sorted(path.parent.name for path in folder.glob(f"*/{CONFIG}"))[:1]
        absence = f"no {CONFIG}" + (f", but one in its folder {inside[0]}" if inside else "")
        raise InputError(
            folder,
            absence + broken_link(path),
            f"a folder with {CONFIG} and the weights of a model of type {kind}",
        )
    checked(path)
    try:
        facts = json.loads(path.read_text(encoding="utf-8-sig"))
        stated = facts.get("model_type", kind)
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(
            path, f"not a JSON object ({error})", "the configuration of a pretrained model"
        ) from None
    if stated != kind:
        raise InputError(path, f"a model of type {str(stated)[:40]}", f"one of type {kind}")
    return facts


def weight_files(folder: Path) -> list[Path]:
    """The files that hold the weights. Raises InputError if there are none, or if a shard is
    missing."""
    for name in _WEIGHTS:
        if (folder / name).is_file():
            return [folder / name]
        index = folder / f"{name}.index.json"
        if index.is_file():
            checked(index)
            try:
                shards = sorted(
                    set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
                )
                paths = [folder / Path(shard).name for shard in shards]
            except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
                raise InputError(
                    index, f"{type(error).__name__}: {error}", "an index of weights"
                ) from None
            if lost := [path.name for path in paths if not path.is_file()]:
                raise InputError(
                    folder, f"no {', '.join(lost[:3])}", f"all files that {index.name} names"
                )
            return paths
    links = "".join(broken_link(folder / name) for name in _WEIGHTS)
    named = [
        path.name
        for path in sorted(folder.iterdir())
        if path.suffix in (".safetensors", ".bin", ".pt")
        and "-of-" not in path.name
        and path.name not in _OF_A_TRAINING
    ]
    others = [path.name for pattern in _ELSEWHERE for path in sorted(folder.glob(pattern))]
    partial = [
        path.name
        for path in sorted(folder.iterdir())
        if path.suffix in (".part", ".incomplete", ".crdownload")
    ]
    shards = [path.name for path in sorted(folder.glob("*-of-*"))]
    what = f"no weights ({' and '.join(_WEIGHTS)} are both absent"
    what += f", so is the index that belongs to {shards[0]}" if shards else ""
    what += f", {', '.join(partial[:2])} is a download that never ended" if partial else ""
    what += f", {', '.join(others[:2])} is of another framework" if others else ""
    what += f", {named[0]} is under another name" if named and not links else ""
    what += links
    raise InputError(
        folder, f"{what})", f"{' or '.join(_WEIGHTS)} of PyTorch, downloaded beforehand"
    )


def fill(
    model: torch.nn.Module, folder: Path, base: str, optional: Sequence[str] = ()
) -> list[str]:
    """Gives ``model`` the weights of ``folder``, in its own precision, and puts it into evaluation
    mode.

    ``base``: the prefix under which a model with a head keeps this one ("bert."). ``optional``:
    regular expressions of names that may be absent; the absent ones are returned. Raises InputError
    for an unreadable file, a weight that is absent, of another shape, quantised, not finite, or, of
    a matrix, zero throughout, and for layers that the network's configuration does not have.
    """
    state: dict[str, torch.Tensor] = {}
    for path in weight_files(folder):
        state |= _read(path)
    wanted = model.state_dict()
    named = _named(state, set(wanted), base, folder)
    absent = sorted(set(wanted) - set(named))
    lost = [name for name in absent if not any(re.match(pattern, name) for pattern in optional)]
    if lost:
        prefix = _unknown_prefix(state, lost)
        under = (
            f": those there begin with {prefix!r}" if prefix else f" ({len(lost)} of {len(wanted)})"
        )
        raise InputError(
            folder,
            f"no weights for {', '.join(lost[:3])}{under}",
            f"every weight under its own name, or after {base}, module. or model.",
        )
    stems, names = set(map(_stem, wanted)), map(_renamer(base), state)
    if beyond := [name for name in names if name not in wanted and _stem(name) in stems]:
        raise InputError(
            folder,
            f"weights of layers that {CONFIG} does not have ({beyond[0]})",
            "a configuration of its own weights",
        )
    for name, tensor in named.items():
        if tensor.shape != wanted[name].shape:
            mismatch = f"{name} of shape {tuple(tensor.shape)}"
            raise InputError(folder, mismatch, f"{tuple(wanted[name].shape)}, as {CONFIG} says")
        if not tensor.is_floating_point():
            mismatch = f"{name} of whole numbers ({str(tensor.dtype).removeprefix('torch.')})"
            raise InputError(folder, mismatch, "weights that are not quantised")
        if not tensor.isfinite().all():
            raise InputError(folder, f"NaN or inf in {name}", "finite weights")
        if tensor.ndim > 1 and len(tensor) > 1 and not tensor.any():
            raise InputError(folder, f"nothing but zeros in {name}", "weights that were trained")
    model.load_state_dict(named, strict=False)
    model.eval()
    return absent


def _read(path: Path) -> dict[str, torch.Tensor]:
    """Name to tensor, whatever wrote the file. Raises InputError for one that is damaged or would
    have to be executed."""
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            weights = load_file(path)
        else:
            weights = torch.load(path, map_location="cpu", weights_only=True)
            weights = next(
                (weights[key] for key in _WRAPPERS if isinstance(weights.get(key), dict)), weights
            )
        return {
            str(name): value for name, value in weights.items() if isinstance(value, torch.Tensor)
        }
    except (
        SafetensorError,
        RuntimeError,
        OSError,
        ValueError,
        EOFError,
        KeyError,
        AttributeError,
    ) as error:
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
    except Exception as error:  # of the unpickler: torch admits nothing but tensors
        if "Unsupported global" in str(error):
            content = "a pickled model, which would be executed when it is read"
            raise InputError(path, content, "weights alone: model.save_pretrained(...)") from None
        reason = type(error).__name__
    other = foreign(path)  # only now: the first bytes of sound weights can be any
    # torch's own are zip archives
    if other is not None and not (path.suffix == ".bin" and "zip" in other[0].split()):
        raise InputError(path, *other)
    raise InputError(path, f"unreadable weights ({reason})", "the whole, undamaged file")


def _named(state: dict[str, Any], wanted: set[str], base: str, folder: Path) -> dict[str, Any]:
    """The weights of ``state`` under the names that are wanted. Raises InputError for two of one
    name."""
    rename, named, origin = _renamer(base), {}, {}
    for name, tensor in state.items():
        plain = name if name in wanted else rename(name)
        if plain in named:
            raise InputError(
                folder, f"the weight {plain} twice, as {origin[plain]} and as {name}", "one network"
            )
        if plain in wanted:
            named[plain], origin[plain] = tensor, name
    return named


def _renamer(base: str) -> Callable[[str], str]:
    prefix = re.compile(rf"^{_WRAPPED}(?:{re.escape(base)})?")

    def rename(name: str) -> str:
        name = prefix.sub("", name)
        for pattern, new in _OLD:
            name = re.sub(pattern, new, name)
        return name

    return rename


def _stem(name: str) -> str:
    """A weight's name without the number of its layer."""
    return re.sub(r"\.\d+\.", ".N.", name)


def _unknown_prefix(state: dict[str, Any], lost: Sequence[str]) -> str:
    """What stands before one of the lost names in the file, if something does."""
    return next(
        (key[: -len(name)] for name in lost for key in state if key.endswith(f".{name}")), ""
    )
