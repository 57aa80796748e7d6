"""`anyrouter sandbox`: the simulated provider alone, for test suites that want it without a gateway."""

from typing import TYPE_CHECKING, Annotated

import typer

from anyrouter.cli.options import DATA_DIR, DataDir, Json
from anyrouter.cli.output import print_json, print_lines
from anyrouter.cli.welcome import ECHO_MODEL, curl_line

if TYPE_CHECKING:
    from anyrouter.sandbox.server import SandboxServer


def run(
    host: Annotated[str, typer.Option("--host", metavar="ADDRESS", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", metavar="PORT", min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8081,
    as_json: Json = False,
    _data_dir: DataDir = DATA_DIR,
) -> None:
    """Run the simulated provider alone, until Ctrl-C.

    It speaks the wire formats of OpenAI, Anthropic, Gemini and Bedrock Converse, answers the same to the same, and takes any key. Models
    below `sandbox/` fail on demand: `sandbox/rate-limited`, `sandbox/cut-stream` …

    It keeps nothing: `--data-dir` is taken because every command takes it. With --json: {"data": {…}} when it listens.
    """
    from anyrouter.sandbox import command  # noqa: PLC0415 -- 0.1 s that the other commands do without

    def announce(server: "SandboxServer") -> None:
        if as_json:
            print_json(
                {"data": {"base_url": server.base_url, "openai_base_url": f"{server.base_url}/v1", "anthropic_base_url": server.base_url}}
            )
            return
        print_lines(
            [
                f"The sandbox is listening on {server.base_url}",
                "",
                f"  OpenAI clients     {server.base_url}/v1",
                f"  Anthropic, Gemini, Bedrock clients  {server.base_url}",
                "",
                curl_line(server.base_url, "anything", ECHO_MODEL, root="/v1"),
            ]
        )

    command.run(host=host, port=port, announce=announce)
