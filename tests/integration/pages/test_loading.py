"""The gateway does without the libraries of the pages: in a process as a user starts it, every import written down."""

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


def test_the_libraries_of_the_pages_are_never_loaded_where_requests_are_served(tmp_path: Path) -> None:
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
        assert httpx.get(f"{address[0]}/login", timeout=30).status_code == 200
        packages = read_packages(imported)
    finally:
        process.terminate()
        process.wait(30)
        ending.cancel()
    assert "uvicorn" in packages
    assert packages & LIBRARIES == set()


def read_packages(imported: Path) -> set[str]:
    return {name.partition(".")[0] for name in _IMPORT.findall(imported.read_text())}
