"""T-A4, T-S5: where an upstream's name leads is judged with each connection, in a whole worker.

Belongs here: what a request through the gateway reaches when the resolver changes its mind. Never may: a gateway without its locks.
"""

import pytest

from gateway.proxy.directory import Directory
from tests.cli.conftest import folder, made  # noqa: F401 - fixtures
from tests.proxy.crossing import crossing


@pytest.fixture
async def here(folder):  # noqa: F811
    """A worker whose customer's upstream has a name; ``here.leads`` is where the resolver says that it leads."""
    async with crossing(folder) as it:
        it.leads = ("127.0.0.1",)
        it.worker.upstreams.dialer.directory = Directory(lambda name: it.leads)
        policy = folder.policy().read_text()
        folder.policy().write_text(policy.replace("http://127.0.0.1:", "http://suite.localhost:"))
        it.worker.swap()
        yield it


@pytest.mark.trap("T-A4", "An upstream's name that leads to our own listener by the time of a request is not connected to.")
async def test_ta4_a_name_that_leads_to_us_is_refused(here, own_doors):
    assert (await here.ask("GET", "/orders/1")).status == 200
    own_doors(here)
    assert (await here.ask("GET", "/orders/1")).status == 502
    assert len(here.received) == 1


@pytest.mark.trap("T-A4", "Without encryption nothing leaves this machine, whatever the resolver says.")
@pytest.mark.parametrize("leads", [("192.0.2.7",), ("2001:db8::7",), ("::ffff:192.0.2.7",)], ids=str)
async def test_ta4_a_name_that_leads_to_another_machine_is_refused(here, leads):
    here.leads = leads
    assert (await here.ask("GET", "/orders/1")).status == 502
    assert not here.received and here.worker.upstreams.opened == 0


@pytest.fixture
def own_doors():
    """From now on the upstream's port is one of ours, as after a change of the resolver that points at this machine."""

    def close(here):
        upstreams = here.worker.upstreams
        (live,) = upstreams._live.values()
        upstreams.dialer._doors = [("0.0.0.0", live.upstream.port)]
        upstreams.renew()

    return close
