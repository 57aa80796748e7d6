"""How a command fails: an exit code that scripts can rely on, and one line that says what, whose fault, and what to do."""

import sys
from enum import IntEnum
from pathlib import Path

from anyrouter.core.errors import ClientError, GatewayError, InternalError


class ExitCode(IntEnum):
    """Compatibility law: scripts test these numbers; one is never given another meaning."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    CONFIGURATION = 4
    CONFLICT = 5
    STORAGE = 6
    INTERRUPTED = 130


MEANINGS = {
    ExitCode.OK: "done",
    ExitCode.FAILED: "failed; for `doctor`: something is wrong",
    ExitCode.USAGE: "the command line is wrong: an option or a value that the command does not take",
    ExitCode.NOT_FOUND: "what was named does not exist",
    ExitCode.CONFIGURATION: "the configuration is wrong: file or variables",
    ExitCode.CONFLICT: "what was asked for contradicts what is there, such as a name that is taken",
    ExitCode.STORAGE: "the data directory or the database cannot be used",
    ExitCode.INTERRUPTED: "ended by Ctrl-C",
}
_EXIT_CODES = {
    "not_found": ExitCode.NOT_FOUND,
    "duplicate_name": ExitCode.CONFLICT,
    "rotation_in_progress": ExitCode.CONFLICT,
    "etag_mismatch": ExitCode.CONFLICT,
    "managed_by_file": ExitCode.CONFLICT,
    "invalid_parameter": ExitCode.USAGE,
}


class CommandFailed(Exception):
    """A command cannot do what was asked. `lines` are more of the same kind, such as every mistake of a configuration."""

    def __init__(self, exit_code: ExitCode, code: str, message: str, *, cure: str = "", lines: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.exit_code, self.code, self.message, self.cure, self.lines = exit_code, code, message, cure, lines


def explain_failure(error: Exception) -> CommandFailed:
    """Any exception as a failure of the command. Of unexpected ones only type and place are told: their text may hold a secret."""
    match error:
        case CommandFailed():
            return error
        case ClientError():
            denied = error.denied
            return CommandFailed(_EXIT_CODES.get(denied.code, ExitCode.FAILED), denied.code, denied.message)
        case GatewayError():
            exit_code = ExitCode.STORAGE if isinstance(error, InternalError) else ExitCode.FAILED
            return CommandFailed(exit_code, error.code, str(error))
        case OSError():
            return CommandFailed(ExitCode.FAILED, "system", _describe_os_error(error))
        case _:
            return CommandFailed(
                ExitCode.FAILED,
                "internal_error",
                f"{type(error).__name__} at {_place_of(error)}: a defect of AnyRouter, not of what you did",
                cure="please report it; python -X dev -m anyrouter … shows the traceback",
            )


def _describe_os_error(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or type(error).__name__}"


def _place_of(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "an unknown place" if trace is None else f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"


def wants_traceback() -> bool:
    """Whether unexpected exceptions go through, for those who look for the defect: `python -X dev`."""
    return sys.flags.dev_mode
