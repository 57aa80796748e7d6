"""A running sandbox, in an event loop of its own thread, with its waits shrunk to a hundredth."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator

import pytest
from openai import AsyncOpenAI, OpenAI

from anyrouter.sandbox.server import SandboxServer


@pytest.fixture(scope="session")
def sandbox() -> Iterator[str]:
    """The address of a sandbox, without a path."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = SandboxServer(delay_factor=0.01)
    asyncio.run_coroutine_threadsafe(server.start(), loop).result(10)
    yield server.base_url
    asyncio.run_coroutine_threadsafe(server.aclose(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


@pytest.fixture
def client(sandbox: str) -> Iterator[OpenAI]:
    """OpenAI's SDK, pointed at the sandbox."""
    with OpenAI(base_url=f"{sandbox}/v1", api_key="sk-MARKER", max_retries=0, timeout=10) as client:
        yield client


@pytest.fixture
async def async_client(sandbox: str) -> AsyncIterator[AsyncOpenAI]:
    """The same, asynchronous."""
    async with AsyncOpenAI(base_url=f"{sandbox}/v1", api_key="sk-MARKER", max_retries=0, timeout=10) as client:
        yield client
