"""Where a pretrained network lies: a folder, or the local model cache in any of its layouts."""

from __future__ import annotations

from pathlib import Path

from avmc_core.errors import InputError

CONFIG = "config.json"
# what the first releases of BERT call it
_OTHER_CONFIGS = {"bert": "bert_config.json"}
# the organisation under which the model cache keeps what is also known without one
_ORGANISATIONS = ("google-bert", "facebook")


def folder_of(name: str | Path, what: str) -> Path:
    """The local folder ``name``, or that of the local model cache under this name. Raises
    InputError for neither; ``what`` is wanted there, in words."""
    folder = Path(name)
    if folder.is_dir():
        return snapshot_of(folder)
    if folder.exists():
        raise InputError(
            name, "a file", f"the folder that it lies in, with {CONFIG} and the weights of {what}"
        )
    folder_in_cache = cached(str(name))
    if folder_in_cache is None:
        raise InputError(
            name,
            "no such folder, and nothing of this name in the local model cache",
            f"a folder with {CONFIG} and the weights of {what}, downloaded beforehand with "
            "`hf download`",
        )
    return folder_in_cache


def cached(name: str) -> Path | None:
    """The folder of the local model cache with the model ``name``; None without one. The cache
    keeps ``bert-base-chinese`` and ``google-bert/bert-base-chinese`` apart, which are one model."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    organisation, _, short = name.rpartition("/")
    others = [f"{one}/{name}" for one in _ORGANISATIONS] if not organisation else []
    others += [short] if organisation in _ORGANISATIONS else []
    for candidate in (name, *others):
        try:
            config_path = try_to_load_from_cache(candidate, CONFIG)
        except HFValidationError:  # the path of a folder that is not there
            return None
        if isinstance(config_path, str):
            return Path(config_path).parent
    return None


def snapshot_of(folder: Path) -> Path:
    """``folder``, or the model in it where it is one of the model cache: that of the branch main,
    or the only one."""
    if (folder / CONFIG).is_file():
        return folder
    root = folder.parent if folder.name == "snapshots" else folder
    main = root / "refs" / "main"
    commit = main.read_text(encoding="utf-8", errors="replace").strip() if main.is_file() else ""
    snapshots = {path.parent.name: path.parent for path in root.glob(f"snapshots/*/{CONFIG}")}
    return snapshots.get(commit) or (
        next(iter(snapshots.values())) if len(snapshots) == 1 else folder
    )


def config_of(folder: Path, kind: str) -> Path:
    """The file with a model's configuration, there or not."""
    other = folder / _OTHER_CONFIGS.get(kind, CONFIG)
    return other if other.is_file() and not (folder / CONFIG).is_file() else folder / CONFIG


def broken_link(path: Path) -> str:
    """Words on a link that leads nowhere, as copies of the model cache have them; "" for none."""
    return f": {path.name} is a link that leads nowhere" if path.is_symlink() else ""
