"""The samples of the documentation, run as a reader runs them: against a real gateway, a page's blocks in their order.

A block with `<!-- run -->` on the line above it is run; `<!-- run: words -->` says also what its output has to show. Blocks of
`sh` share one shell and those of `python` one program; a block of `toml` is the configuration of the page's own gateway. What
is replaced in a sample is only what is somebody's own: addresses and keys.
"""

import functools
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from support.forked import forked_program
from support.gateway import GatewayProcess, clean_environment
from support.served import run_command

ROOT = Path(__file__).resolve().parents[3]
MARK = "<!-- run"
SAMPLE = re.compile(r"^<!-- run(?:: (?P<shown>[^\n]+?))? -->\n```(?P<language>\w+)\n(?P<code>.*?)^```$", re.DOTALL | re.MULTILINE)
BINARIES = Path(sys.executable).parent
CREDENTIAL = "MARKER-credential"
ACCESS_KEY = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "MARKER-secret"}
TIMEOUT_S = 120


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One block. `shown` is what its output has to hold."""

    place: str
    language: str
    code: str
    shown: str | None


@dataclass(frozen=True, kw_only=True)
class Desk:
    """What a reader has: a directory to work in with the gateway's `data` in it, the program's directory, addresses and keys."""

    directory: Path
    program: Path
    gateway: GatewayProcess
    sandbox_url: str
    live_key: str

    def fill_in(self, text: str) -> str:
        """A sample with the reader's own addresses and keys in it."""
        own = {
            "http://127.0.0.1:8080": self.gateway.base_url,
            "http://127.0.0.1:8000": self.sandbox_url,
            "ar-test-…": self.gateway.first_key,
            "ar-live-…": self.live_key,
            ".venv/bin/": "",
        }
        return functools.reduce(lambda done, name: done.replace(name, own[name]), own, text)

    def run(self, samples: list[Sample]) -> str:
        """What they print, each behind a line with its place; an AssertionError with the output when one fails."""
        language = samples[0].language
        say = 'echo "@@ {}"' if language == "sh" else "print('@@ {}', flush=True)"
        script = "\n".join(f"{say.format(sample.place)}\n{self.fill_in(sample.code)}" for sample in samples)
        shell = ["bash", "-euo", "pipefail"] if language == "sh" else [sys.executable]
        (self.directory / f"samples.{language}").write_text(script, encoding="utf-8")
        environment = clean_environment(
            KEY=self.gateway.first_key,
            LIVE_KEY=self.live_key,
            BOX_KEY=CREDENTIAL,
            **ACCESS_KEY,
            PATH=os.pathsep.join((str(self.program), str(BINARIES), os.environ["PATH"])),
        )
        done = subprocess.run(
            [*shell, f"samples.{language}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            check=False,
            cwd=self.directory,
            env=environment,
            timeout=TIMEOUT_S,
        )
        assert done.returncode == 0, done.stdout[-4000:]
        return done.stdout


def read_samples(page: Path) -> list[Sample]:
    """A page's samples, in their order; the same code in two pages is two samples."""
    text, name = page.read_text(encoding="utf-8"), page.relative_to(ROOT)
    return [
        Sample(
            place=f"{name}:{text.count(chr(10), 0, match.start('code'))}",
            language=match["language"],
            code=match["code"],
            shown=match["shown"],
        )
        for match in SAMPLE.finditer(text)
    ]


PAGES = sorted(page for page in [ROOT / "README.md", *ROOT.glob("docs/**/*.md")] if MARK in page.read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def program() -> Iterator[Path]:
    """Where `anyrouter` is that the samples run."""
    with forked_program() as directory:
        yield directory


@pytest.fixture(scope="session")
def sandbox_url() -> Iterator[str]:
    """A server of the reader's own: the simulated provider, by itself."""
    command = [sys.executable, "-m", "anyrouter", "sandbox", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=clean_environment()) as process:
        assert process.stdout is not None
        yield process.stdout.readline().rpartition(" ")[2].strip()
        process.terminate()


def start_gateway(data_dir: Path, sandbox_url: str, config: str | None = None) -> tuple[GatewayProcess, str]:
    """A gateway with the simulated provider in the place of OpenAI and Anthropic, and a live key of its own."""
    gateway = GatewayProcess(
        data_dir,
        config=config,
        OPENAI_API_KEY=CREDENTIAL,
        OPENAI_BASE_URL=f"{sandbox_url}/v1",
        ANTHROPIC_API_KEY=CREDENTIAL,
        ANTHROPIC_BASE_URL=sandbox_url,
        BOX_KEY=CREDENTIAL,
        **ACCESS_KEY,
    )
    return gateway, gateway.create_key(name="the reader's")


@pytest.fixture(scope="session")
def common_desk(tmp_path_factory: pytest.TempPathFactory, sandbox_url: str, program: Path) -> Iterator[Desk]:
    """A gateway without configuration, for all pages that show none."""
    gateway, live_key = start_gateway(tmp_path_factory.mktemp("common") / "data", sandbox_url)
    yield Desk(directory=gateway.data_dir.parent, program=program, gateway=gateway, sandbox_url=sandbox_url, live_key=live_key)
    gateway.stop()


@pytest.fixture
def desk(request: pytest.FixtureRequest, tmp_path: Path, sandbox_url: str, program: Path) -> Iterator[Desk]:
    """The desk for the page that is the test's parameter."""
    config = "\n".join(sample.code for sample in read_samples(request.getfixturevalue("page")) if sample.language == "toml")
    if config:
        gateway, live_key = start_gateway(tmp_path / "data", sandbox_url, config.replace("http://127.0.0.1:8000", sandbox_url))
        yield Desk(directory=tmp_path, program=program, gateway=gateway, sandbox_url=sandbox_url, live_key=live_key)
        gateway.stop()
        return
    common: Desk = request.getfixturevalue("common_desk")
    data_dir = common.gateway.data_dir
    before = {key["id"] for key in run_command(data_dir, "keys", "list")["data"]}
    (tmp_path / "data").symlink_to(data_dir)
    yield replace(common, directory=tmp_path)
    for key in run_command(data_dir, "keys", "list")["data"]:
        if key["id"] not in before:  # its name is free for the next page
            run_command(data_dir, "keys", "delete", key["id"])


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_the_samples_of_a_page_do_what_it_says(page: Path, desk: Desk) -> None:
    samples = read_samples(page)
    if shutil.which("curl") is None and any("curl " in sample.code for sample in samples):
        pytest.skip("no curl on this machine")
    for language in ("sh", "python"):
        wanted = [sample for sample in samples if sample.language == language]
        if not wanted:
            continue
        printed = desk.run(wanted)
        print(printed)  # noqa: T201 -- pytest shows it when a sample fails
        for sample in wanted:
            own = printed.partition(f"@@ {sample.place}\n")[2].partition("@@ ")[0]
            assert sample.shown is None or desk.fill_in(sample.shown) in own, f"{sample.place} printed:\n{own}"


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_every_mark_stands_above_a_block_that_is_run(page: Path) -> None:
    samples = read_samples(page)
    assert len(samples) == page.read_text(encoding="utf-8").count(MARK)
    assert {sample.language for sample in samples} <= {"sh", "python", "toml"}


def test_the_pages_that_show_commands_are_among_those_that_are_run() -> None:
    named = {str(page.relative_to(ROOT)) for page in PAGES}
    assert {"README.md", "docs/quickstart.md"} <= named
    assert len([name for name in named if name.startswith("docs/how-to/")]) > 10


@pytest.mark.parametrize("page", sorted(ROOT.glob("docs/**/*.md")), ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_a_page_names_exist(page: Path) -> None:
    for name in re.findall(r"`((?:src|tests|scripts|bench|docs)/[\w./-]+)`", page.read_text(encoding="utf-8")):
        assert (ROOT / name).exists(), name
