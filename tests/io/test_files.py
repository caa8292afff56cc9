"""Files appear whole or not at all, also when the disk is full at any moment."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from uois_sam.errors import OutputError, UOISError
from uois_sam.io.files import (
    _temporary,
    is_file,
    make_output_folder,
    only_run,
    sweep_leftovers,
    write_atomically,
    write_together,
)


def disk_full(*_args, **_kwargs):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def names(folder) -> list[str]:
    return sorted(os.listdir(folder))


def test_bytes_and_writers(tmp_path):
    write_atomically(tmp_path / "a", b"one")
    write_atomically(str(tmp_path / "b"), lambda file: file.write(b"two"))
    assert (tmp_path / "a").read_bytes() == b"one"
    assert (tmp_path / "b").read_bytes() == b"two"
    assert names(tmp_path) == ["a", "b"]


def test_replaces_an_older_file(tmp_path):
    for content in (b"old", b"new"):
        write_atomically(tmp_path / "a", content)
    assert (tmp_path / "a").read_bytes() == b"new"


def test_permissions_follow_the_umask(tmp_path):
    previous = os.umask(0o027)
    try:
        write_atomically(tmp_path / "a", b"")
    finally:
        os.umask(previous)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


def test_longest_possible_name(tmp_path):
    write_atomically(tmp_path / ("n" * 255), b"")
    assert names(tmp_path) == ["n" * 255]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_full_disk_keeps_the_old_file_and_leaves_nothing(tmp_path, monkeypatch, call):
    (tmp_path / "a").write_bytes(b"old")
    monkeypatch.setattr(os, call, disk_full)
    with pytest.raises(OutputError, match=r"cannot write .*a: No space left on device"):
        write_atomically(tmp_path / "a", b"new")
    assert names(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"


def test_full_disk_in_a_writer(tmp_path):
    with pytest.raises(OutputError, match="No space left"):
        write_atomically(tmp_path / "a", disk_full)
    assert names(tmp_path) == []


@pytest.mark.parametrize("error", [ValueError("bug"), KeyboardInterrupt()])
def test_other_errors_pass_through_and_leave_nothing(tmp_path, error):
    def writer(file):
        file.write(b"half")
        raise error

    with pytest.raises(type(error)):
        write_atomically(tmp_path / "a", writer)
    assert names(tmp_path) == []


def test_together_all_or_nothing_while_writing(tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(OutputError, match=r"cannot write .*b: No space left"):
        write_together({tmp_path / "a": b"new", tmp_path / "b": disk_full})
    assert names(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"


def test_together_all_or_nothing_while_renaming(tmp_path):
    (tmp_path / "b").mkdir()  # a file cannot take a folder's place
    with pytest.raises(OutputError, match=r"cannot write .*b: "):
        write_together({tmp_path / "a": b"1", tmp_path / "b": b"2"})
    assert names(tmp_path) == ["b"]


def test_missing_folder(tmp_path):
    with pytest.raises(OutputError, match="No such file"):
        write_atomically(tmp_path / "no" / "a", b"")
    assert issubclass(OutputError, UOISError)


def test_output_folder_is_made_and_left_empty(tmp_path):
    make_output_folder(tmp_path / "x" / "y")
    make_output_folder(tmp_path / "x" / "y")
    assert names(tmp_path / "x" / "y") == []


@pytest.mark.parametrize("below", [".", "sub"])
def test_output_folder_that_is_a_file_or_below_one(tmp_path, below):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write .*file.*: (expected a folder, found a file|Not a directory)"):
        make_output_folder(tmp_path / "file" / below)


def test_what_a_killed_process_left_is_swept_and_what_a_running_one_writes_stays(tmp_path):
    above, tmp_path = tmp_path, tmp_path / "results"
    tmp_path.mkdir()
    code = "import os, sys; from uois_sam.io import files; print(files._temporary(files.Path(sys.argv[1])))"
    ended = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    left_behind = Path(ended.stdout.strip())
    of_this_process = _temporary(tmp_path)
    of_another_host = tmp_path / f".{'0' * 8}-{os.getpid()}-{'a' * 12}.tmp"
    of_an_older_version = tmp_path / f".{'b' * 32}.tmp"
    not_ours = [tmp_path / name for name in (".x.tmp", "notes.tmp", ".editor-123-abc.tmp")]
    for path in (left_behind, of_this_process, of_another_host, of_an_older_version, *not_ours):
        path.write_bytes(b"half")
    make_output_folder(tmp_path)
    stay = {of_this_process, of_another_host, of_an_older_version, *not_ours}
    assert {tmp_path / name for name in names(tmp_path)} == stay
    for path in (of_another_host, of_an_older_version):
        os.utime(path, (0, 0))
    assert sweep_leftovers(above, recursive=True) == 2
    assert {tmp_path / name for name in names(tmp_path)} == {of_this_process, *not_ours}


@pytest.mark.skipif(os.name != "posix", reason="locks on folders")
def test_a_folder_is_kept_to_one_run(tmp_path):
    code = """
import sys
from uois_sam.io.files import only_run
with only_run(sys.argv[1]):
    print("in", flush=True)
    sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "in\n"
        with pytest.raises(OutputError, match="another run is writing into this folder"), only_run(tmp_path):
            pass
        other.kill()
        other.wait()
        with only_run(tmp_path):  # the system ends the claim with the process
            pass
    assert names(tmp_path) == []


def test_names_that_no_file_can_have_are_no_files(tmp_path):
    assert not any(is_file(tmp_path / name) for name in ("none", "x" * 300, "a\0b", "file/below"))
    (tmp_path / "file").touch()
    os.symlink("loop", tmp_path / "loop")
    assert is_file(tmp_path / "file") and not is_file(tmp_path / "file" / "below") and not is_file(tmp_path / "loop")
