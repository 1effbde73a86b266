"""``python -m gateway`` and the command ``gateway``."""

import os
import sys


def main() -> None:
    """What the supervisor has started goes on by itself; all else is the command line's."""
    from gateway.runtime.startup import ENVIRONMENT

    if ENVIRONMENT in os.environ:
        from gateway.runtime.child import main as go_on

        go_on(sys.argv[1:])
    else:
        from gateway.cli import main as command_line

        command_line()


if __name__ == "__main__":
    main()
