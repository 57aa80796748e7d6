import os
import subprocess
import sys
from pathlib import Path

import pytest

from anyrouter.core.errors import InternalError
from anyrouter.storage.data_directory import DataDirectory, ServerLock


def test_directories_and_files_are_for_their_owner_only(tmp_path: Path):
    before = os.umask(0)
    try:
        directory = DataDirectory(tmp_path / "data")
        directory.create_database_file()
        ServerLock(directory).release()
    finally:
        os.umask(before)
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in (directory.path, *directory.path.iterdir())}
    assert modes == {"data": "0o700", "journal": "0o700", "anyrouter.db": "0o600", "server.lock": "0o600"}


def test_a_file_where_the_directory_should_be_is_told(tmp_path: Path):
    (tmp_path / "data").write_text("")
    with pytest.raises(InternalError, match=r"data directory .* cannot be used"):
        DataDirectory(tmp_path / "data")


def test_the_lock_names_the_process_that_holds_it_and_is_free_again_after_it(tmp_path: Path):
    directory = DataDirectory(tmp_path)
    lock = ServerLock(directory)
    with pytest.raises(InternalError, match=rf"\(process {os.getpid()}\) is using the data directory {tmp_path}"):
        ServerLock(directory)
    lock.release()
    lock.release()
    ServerLock(directory).release()


def test_the_lock_ends_with_a_process_that_is_killed(tmp_path: Path):
    code = """
import os, signal, sys
from pathlib import Path
from anyrouter.storage.data_directory import DataDirectory, ServerLock
lock = ServerLock(DataDirectory(Path(sys.argv[1])))
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False).returncode == -9
    assert (tmp_path / "server.lock").read_text().strip().isdecimal()
    ServerLock(DataDirectory(tmp_path)).release()
