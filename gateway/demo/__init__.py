"""``gateway demo``: the main job on real orders, with real processes, and every claim checked.

``environment`` sets everything up with the code that the command line uses, ``story`` is what is shown, ``client`` is a plain
HTTPS client that knows nothing of tokens. What never may come in: a shortcut that a user would not have.
"""

from __future__ import annotations

import signal
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from gateway.demo.claims import ClaimFailed, Claims
from gateway.demo.environment import DidNotStart, Environment
from gateway.demo.story import tell


def run_demo(*, stay: bool, folder: Path | None) -> int:
    """Show it; 0 when every claim held, 1 when one did not."""
    console = Console()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the processes below are ended, not left behind
    with tempfile.TemporaryDirectory(prefix="gateway-demo-") as temporary:
        environment = None
        try:
            environment = Environment.build(folder or Path(temporary), console)
            environment.start()
            tell(environment, Claims(console), console)
            if stay:
                environment.leave_running(Path("demo.json"), console)
        except ClaimFailed as failed:
            console.print(f"\n[bold red]This claim does not hold:[/] {failed}")
            return 1
        except DidNotStart as failed:
            console.print(str(failed), markup=False, highlight=False)
            return 1
        except KeyboardInterrupt:
            return 130
        finally:
            if environment is not None:
                environment.stop()
    console.print("\n[bold green]Every claim above was checked and holds.[/]")
    return 0
