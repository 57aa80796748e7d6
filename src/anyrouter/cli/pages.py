"""`python -m anyrouter.cli.pages DESCRIPTOR`: the pages' process. The gateway starts it; it is no command for people."""

import socket
import sys

from anyrouter.bootstrap.pages_process import run_pages
from anyrouter.cli.logs import configure_logging
from anyrouter.settings import Settings


def main() -> None:
    """Serve until the socket's other end is gone."""

    def configure(settings: Settings) -> None:
        configure_logging(settings.logging)

    run_pages(socket.socket(fileno=int(sys.argv[1])), configure)


if __name__ == "__main__":
    main()
