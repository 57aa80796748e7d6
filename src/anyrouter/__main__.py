"""`python -m anyrouter` is `anyrouter`."""

from anyrouter.cli.app import main

main()
