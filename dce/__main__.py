"""Command line: `python -m dce …` and the `dce` script. Exit: 0 done, 1 failed, 2 wrong use."""

import sys
from collections.abc import Sequence

from dce.cli import build_parser
from vocabulary.errors import CommandRefused, ConfigError, ExchangeError, PlanRefused

FAILED = 1
WRONG_USE = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; argparse exits by itself with 2."""
    args = build_parser().parse_args(argv)
    try:
        return int(args.command(args))
    except ConfigError as error:
        return _complain(str(error), WRONG_USE)
    except PlanRefused as error:
        lines = [f"{path}: {message}" for path, message in error.errors]
        return _complain("the plan is refused:\n  " + "\n  ".join(lines), FAILED)
    except CommandRefused as error:
        return _complain(error.detail, FAILED)
    except (ExchangeError, OSError) as error:
        return _complain(str(error), FAILED)
    except KeyboardInterrupt:
        return _complain("interrupted", FAILED)


def _complain(text: str, code: int) -> int:
    sys.stdout.flush()
    print(f"dce: {text}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
