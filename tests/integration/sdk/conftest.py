"""The official SDKs pointed at a running gateway, as its users point them: a base URL and a key, nothing else."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from typing import Any

import anthropic
import openai
import pytest

from support import served as fixtures
from support.pairs import LIVE, PAIRS, PASSED_THROUGH, Pair, World, open_world
from support.served import Served

TIMEOUT_S = 20.0

served_once, served, upstream = fixtures.served_once, fixtures.fresh, fixtures.upstream


@pytest.fixture(scope="session")
def openai_sdk(served_once: Served) -> Iterator[openai.OpenAI]:
    """The SDK with the live key, without retries of its own."""
    with openai.OpenAI(base_url=f"{served_once.base_url}/api/v1", api_key=served_once.live_key, max_retries=0, timeout=TIMEOUT_S) as client:
        yield client


@pytest.fixture(scope="session")
def openai_sandbox(served_once: Served) -> Iterator[openai.OpenAI]:
    """The SDK with the test key, at the other base URL."""
    with openai.OpenAI(base_url=f"{served_once.base_url}/v1", api_key=served_once.test_key, max_retries=0, timeout=TIMEOUT_S) as client:
        yield client


@pytest.fixture
async def openai_async(served: Served) -> AsyncIterator[openai.AsyncOpenAI]:
    """The asynchronous SDK with the live key."""
    async with openai.AsyncOpenAI(
        base_url=f"{served.base_url}/api/v1", api_key=served.live_key, max_retries=0, timeout=TIMEOUT_S
    ) as client:
        yield client


@pytest.fixture(scope="session")
def anthropic_sdk(served_once: Served) -> Iterator[anthropic.Anthropic]:
    """The SDK with the live key."""
    with anthropic.Anthropic(
        base_url=f"{served_once.base_url}/api", api_key=served_once.live_key, max_retries=0, timeout=TIMEOUT_S
    ) as client:
        yield client


@pytest.fixture(scope="session")
def anthropic_sandbox(served_once: Served) -> Iterator[anthropic.Anthropic]:
    """The SDK with the test key, at the root, and with the key as a bearer token."""
    with anthropic.Anthropic(base_url=served_once.base_url, auth_token=served_once.test_key, max_retries=0, timeout=TIMEOUT_S) as client:
        yield client


@pytest.fixture
async def anthropic_async(served: Served) -> AsyncIterator[anthropic.AsyncAnthropic]:
    """The asynchronous SDK with the live key."""
    async with anthropic.AsyncAnthropic(
        base_url=f"{served.base_url}/api", api_key=served.live_key, max_retries=0, timeout=TIMEOUT_S
    ) as client:
        yield client


@pytest.fixture
def openai_with(served: Served) -> Iterator[Callable[..., openai.OpenAI]]:
    """Makes clients with a key or options of their own; they are closed when the test ends."""
    with ExitStack() as stack:

        def make(key: str, **options: Any) -> openai.OpenAI:
            usual: dict[str, Any] = {"base_url": f"{served.base_url}/api/v1", "max_retries": 0, "timeout": TIMEOUT_S}
            return stack.enter_context(openai.OpenAI(api_key=key, **(usual | options)))

        yield make


@pytest.fixture
def anthropic_with(served: Served) -> Iterator[Callable[..., anthropic.Anthropic]]:
    """Makes clients with a key or options of their own; they are closed when the test ends."""
    with ExitStack() as stack:

        def make(key: str, **options: Any) -> anthropic.Anthropic:
            usual: dict[str, Any] = {"base_url": f"{served.base_url}/api", "max_retries": 0, "timeout": TIMEOUT_S}
            return stack.enter_context(anthropic.Anthropic(api_key=key, **(usual | options)))

        yield make


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The gateway of the pairs of dialects."""
    with open_world(tmp_path_factory.mktemp("pairs") / "data") as world:
        yield world


@pytest.fixture(params=PAIRS, ids="-".join)
def pair(world: World, request: pytest.FixtureRequest) -> Pair:
    """Every client's dialect with every upstream's, with the test key."""
    world.forget()
    return world.pair(*request.param)


@pytest.fixture(params=[pair for pair in PAIRS if pair not in PASSED_THROUGH], ids="-".join)
def translated(world: World, request: pytest.FixtureRequest) -> Pair:
    """The pairs between which something is translated."""
    world.forget()
    return world.pair(*request.param)


@pytest.fixture(params=PAIRS, ids="-".join)
def live_pair(world: World, request: pytest.FixtureRequest) -> Pair:
    """The pairs with the live key: what the upstream was asked can be looked at."""
    world.forget()
    return world.pair(*request.param, LIVE)
