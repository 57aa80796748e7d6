"""A gateway that nobody looks at does without the libraries of the pages: in a process as a user starts it, every import written down."""

import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx

from support.gateway import clean_environment

LIBRARIES = {"jinja2", "argon2", "authlib", "joserfc", "fido2", "pyotp", "segno"}
_IMPORT = re.compile(r"^import time:[^|]*\|[^|]*\|\s*([\w.]+)", re.MULTILINE)
_KEY = re.compile(r"\bar-test-[0-9A-Za-z]{45}\b")


def test_the_libraries_of_the_pages_are_loaded_at_the_first_look_at_one(tmp_path: Path) -> None:
    said, imported = tmp_path / "said", tmp_path / "imported"
    with said.open("wb") as out, imported.open("wb") as err:
        process = subprocess.Popen(
            [sys.executable, "-X", "importtime", "-m", "anyrouter", "serve", "--port", "0", "--data-dir", str(tmp_path / "data")],
            stdout=out,
            stderr=err,
            env=clean_environment(),
        )
    ending = threading.Timer(60, process.kill)
    ending.start()
    try:
        while "\ncurl " not in said.read_text() and process.poll() is None:
            time.sleep(0.05)
        text = said.read_text()
        address, key = re.search(r"http://[\d.:]+(?=/api/v1)", text), _KEY.search(text)
        assert address is not None, text + imported.read_text()[-2000:]
        assert key is not None
        authorization = {"authorization": f"Bearer {key[0]}"}
        chat = {"model": "sandbox/echo", "messages": [{"role": "user", "content": "hello"}]}
        assert httpx.post(f"{address[0]}/api/v1/chat/completions", headers=authorization, json=chat).status_code == 200
        assert httpx.get(f"{address[0]}/api/v1/models", headers=authorization).status_code == 200
        before = read_packages(imported)
        assert httpx.get(f"{address[0]}/login").status_code == 200
        after = read_packages(imported)
    finally:
        process.terminate()
        process.wait(30)
        ending.cancel()
    assert "uvicorn" in before
    assert before & LIBRARIES == set()
    assert {"jinja2", "argon2"} <= after


def read_packages(imported: Path) -> set[str]:
    return {name.partition(".")[0] for name in _IMPORT.findall(imported.read_text())}
