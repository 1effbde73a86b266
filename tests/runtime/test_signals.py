"""Which signal means what: the second one of the same kind is in a hurry, and Ctrl-C at a terminal counts once."""

import asyncio
import os
import signal

import pytest

from gateway.runtime.signals import Signals

TERM, INT, HUP, USR2 = signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR2


@pytest.mark.parametrize(
    ("who", "sent", "told"),
    [
        ("worker", [TERM], {"stop"}),
        ("worker", [TERM, INT], {"stop"}),  # Ctrl-C reached it too, and the supervisor told it
        ("worker", [INT], set()),
        ("worker", [TERM, TERM], {"stop", "cut"}),
        ("worker", [USR2], {"stop", "replace"}),
        ("worker", [HUP], {"reload"}),
        ("supervisor", [TERM], {"stop"}),
        ("supervisor", [INT, INT], {"stop", "cut"}),
        ("supervisor", [USR2], {"replace"}),
        ("by hand", [INT], {"stop"}),
        ("by hand", [TERM, INT], {"stop", "cut"}),
    ],
)
async def test_what_a_process_is_told(who, sent, told):
    signals, loop = Signals(), asyncio.get_running_loop()
    signals.listen(loop, supervised=who == "worker", supervisor=who == "supervisor")
    try:
        for number in sent:
            os.kill(os.getpid(), number)
            await asyncio.sleep(0.01)  # two of one kind at the same moment are one to the kernel
    finally:
        for number in (TERM, INT, HUP, USR2):
            loop.remove_signal_handler(number)
    assert {name for name in ("stop", "cut", "reload", "replace") if getattr(signals, name).is_set()} == told
