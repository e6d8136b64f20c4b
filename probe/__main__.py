"""`python -m probe` and the console script `cdn-probe`.

Ctrl-C from here on ends without a traceback, and the exit code is 130 as a shell shows it.
"""

import sys

INTERRUPTED = 130


def main() -> None:
    """Load the command line and run it; everything that takes time to load is loaded within."""
    try:
        from probe.cli.loading import end_at_once

        end_at_once()
        from probe.cli.main import main as command_line

        command_line()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except RuntimeError as error:  # Python 3.11 wraps what falls into the making of a class (`enum`) in one
        if isinstance(error.__cause__, KeyboardInterrupt):
            sys.exit(INTERRUPTED)
        raise


if __name__ == "__main__":
    main()
