"""Weights to and from the Hugging Face hub, through its own client: progress, resume, its cache, its offline switch.

``HF_HOME`` moves the cache, ``HF_HUB_OFFLINE=1`` forbids the network, ``HF_ENDPOINT`` names a mirror, ``HF_TOKEN`` lets
in to private models: the same variables as everywhere else.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from uois_sam.checkpoints.torch_files import FOLDER_FILES, file_sha256
from uois_sam.errors import MissingExtraError, UOISError, WeightsError

_LOG = logging.getLogger("uois_sam")
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def looks_like_hub_id(name: str) -> bool:
    """Return whether a name has the form ``org/name``."""
    return _HUB_ID.fullmatch(name) is not None


def cached_file(repo: str, filename: str) -> Path | None:
    """A published file that is in the cache already; asks no server."""
    try:
        found = _client().try_to_load_from_cache(repo, filename)
    except _client().errors.HFValidationError:  # an id that no model can have
        return None
    return Path(found) if isinstance(found, str) else None


def cached_weights(repo: str) -> Path | None:
    """The tensors of a published model that are in the cache already; asks no server."""
    return next((path for name in FOLDER_FILES if (path := cached_file(repo, name)) is not None), None)


def cached_files(filename: str) -> list[tuple[str, Path]]:
    """Id and path of every file of that name in the cache, one for each published model that has one."""
    try:
        cache = _client().scan_cache_dir(_client().constants.HF_HUB_CACHE)
    except _client().errors.CacheNotFound:
        return []
    repos = sorted(repo.repo_id for repo in cache.repos if repo.repo_type == "model")
    return [(repo, path) for repo in repos if (path := cached_file(repo, filename)) is not None]


def may_download(*, gated: bool = False) -> bool:
    """Whether HF_HUB_OFFLINE leaves downloads open, and somebody is logged in where that is needed; asks no server."""
    return not _client().constants.HF_HUB_OFFLINE and not (gated and _client().get_token() is None)


def check_reachable(repo: str, instead: str, *, gated: bool = False) -> None:
    """Make sure that published weights are in the cache or may be downloaded; asks no server.

    Args:
        repo: ``org/name``.
        instead: what a user without a network can do, for the message.
        gated: the hub gives them only to users who have accepted their licence.

    Raises:
        MissingExtraError: huggingface_hub is not installed.
        WeightsError: they are not in the cache, and HF_HUB_OFFLINE forbids downloads; or nobody is logged in.
    """
    if cached_weights(repo) is not None:
        return
    if not may_download():
        raise WeightsError(f"{repo} {_forbidden(instead)}")
    if gated and _client().get_token() is None:
        raise WeightsError(gated_message(repo, instead))


def fetch_weights(repo: str, licence: str, instead: str) -> Path:
    """The tensors of a published model: from the cache, else downloaded into it.

    Args:
        repo: ``org/name``.
        licence: named before a download starts.
        instead: what a user without a network can do, for the message.

    Raises:
        MissingExtraError: huggingface_hub is not installed.
        WeightsError: no such model, no network, or what arrived has another SHA256 than the hub says.
    """
    if (cached := cached_weights(repo)) is not None:
        return cached
    check_reachable(repo, instead)
    _LOG.info("downloading %s (licence %s) into %s", repo, licence, _client().constants.HF_HUB_CACHE)
    for name in FOLDER_FILES:
        if (path := _download(repo, name, instead)) is not None:
            return path
    raise WeightsError(f"{repo} on the Hugging Face hub: expected {' or '.join(FOLDER_FILES)}, found neither")


def fetch_folder(repo: str, filenames: Sequence[str]) -> Path:
    """Folder that holds the newest version of these published files; the cached version without a network.

    Raises:
        MissingExtraError: huggingface_hub is not installed.
        WeightsError: as :func:`fetch_weights`.
    """
    paths = [_download(repo, name, "give a folder on disk, which loads without a network") for name in filenames]
    if paths[0] is None or None in paths:
        raise WeightsError(f"{repo} on the Hugging Face hub: expected {' and '.join(filenames)}, found not all of them")
    return paths[0].parent


def push_folder(folder: Path, repo: str, *, private: bool, token: str | None) -> str:
    """Publish a folder's files; returns the address of the commit.

    Raises:
        MissingExtraError: huggingface_hub is not installed.
        UOISError: the hub refuses, or cannot be reached.
    """
    api = _client().HfApi(token=token)
    try:
        api.create_repo(repo, private=private, exist_ok=True)
        return str(api.upload_folder(repo_id=repo, folder_path=folder, commit_message="Upload with uois-sam"))
    except _failures() as error:
        raise UOISError(f"cannot publish {repo} on the Hugging Face hub: {_first_line(error)}") from error


def _download(repo: str, filename: str, instead: str) -> Path | None:
    """One published file; None where the model has no such file."""
    known = cached_file(repo, filename)
    with _explaining(repo, filename, instead):
        try:
            path = Path(_client().hf_hub_download(repo, filename))
        except _client().errors.RemoteEntryNotFoundError:
            return None
    if path != known:
        _verify(path, repo)
    return path


def _verify(path: Path, repo: str) -> None:
    """Large files lie in the cache under their SHA256, which the hub had announced; check what really arrived."""
    content = path.resolve()
    if _SHA256.fullmatch(content.name) and (found := file_sha256(content)) != content.name:
        path.unlink()
        content.unlink()
        raise WeightsError(
            f"{repo}: expected SHA256 {content.name[:16]}... of {path.name}, downloaded {found[:16]}...; try again"
        )


@contextmanager
def quiet_attempts() -> Iterator[None]:
    """Leave out what the client says of every single attempt: the error at the end says it once."""
    attempts = logging.getLogger("huggingface_hub")
    level = attempts.level
    attempts.setLevel(logging.ERROR)
    try:
        yield
    finally:
        attempts.setLevel(level)


def refused_as_gated(error: BaseException) -> bool:
    """Whether the hub refused, at the root of an error, because a licence has not been accepted."""
    cause = error.__cause__ or error.__context__
    return isinstance(error, _client().errors.GatedRepoError) or (cause is not None and refused_as_gated(cause))


def gated_message(repo: str, instead: str) -> str:
    """Say where a gated model's licence is accepted, and what to do without it."""
    return (
        f"{repo} is gated: its licence must be accepted before the Hugging Face hub gives it; accept it at "
        f"https://huggingface.co/{repo}, then log in (hf auth login, or HF_TOKEN), or {instead}"
    )


@contextmanager
def _explaining(repo: str, filename: str, instead: str) -> Iterator[None]:
    """Turn the client's many exceptions, and what it says of every attempt, into one line."""
    try:
        with quiet_attempts():
            yield
    except _client().errors.GatedRepoError as error:
        raise WeightsError(gated_message(repo, instead)) from error
    except (_client().errors.RepositoryNotFoundError, _client().errors.HFValidationError) as error:
        raise WeightsError(f"the Hugging Face hub has no model {repo!r} that you may read") from error
    except _failures() as error:
        if _client().constants.HF_HUB_OFFLINE:
            raise WeightsError(f"{filename} of {repo} {_forbidden(instead)}") from error
        raise WeightsError(
            f"cannot get {filename} of {repo}: not in the cache {_client().constants.HF_HUB_CACHE}, and no download "
            f"({_why(error)}); {instead}"
        ) from error


def _forbidden(instead: str) -> str:
    cache = _client().constants.HF_HUB_CACHE
    return f"is not in the cache {cache}, and HF_HUB_OFFLINE is set, which forbids downloads: unset it, or {instead}"


def _failures() -> tuple[type[Exception], ...]:
    """Exceptions of the hub client for a missing network, a refusing server or a full disk."""
    # HTTPError is that of the HTTP library the client is built on, which changes between its versions.
    return (OSError, _client().errors.HTTPError, _client().errors.EntryNotFoundError, ValueError)


def _why(error: Exception) -> str:
    """What happened; where a hub does not answer the client tells of its cache, and its cause is what happened."""
    lost = isinstance(error, _client().errors.LocalEntryNotFoundError) and isinstance(error.__cause__, Exception)
    return _first_line(error.__cause__ if lost else error)  # type: ignore[arg-type]


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _client() -> Any:
    """The package huggingface_hub; Any, because its lazily imported names mean nothing to a type checker."""
    try:
        import huggingface_hub
        import huggingface_hub.constants
        import huggingface_hub.errors
    except ImportError as error:
        raise MissingExtraError("the Hugging Face hub", "full", "huggingface_hub") from error
    return huggingface_hub
