"""C-05, C-06: revocation lists and stores of one customer touch no other's, end as the customer chose, and forget what was taken out."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from gateway.demo.story import OURS
from tests.attacks.own_authority import KEY
from tests.ca.pki import DAY, NOW, make_pki

PKI, NEWER = make_pki("Own Root"), make_pki("Newer Root")
LISTED, UNLISTED = PKI.sign(key=KEY), PKI.sign(key=KEY)
STALE = {"begin": NOW - 3 * DAY, "end": NOW - DAY}
OUT = (403, None)  # None: the connection was ended as soon as its certificate counted no more
STRANGER = make_pki("Own Root").sign(key=KEY)


def ours(attacker):
    """What the other customer, with our authority and no list, gets meanwhile."""
    line = attacker.connect(OURS)
    line.send(attacker.head(customer=OURS, user="maria"))
    return line.reply().status


def statuses(own):
    return [own.status(certificate) for certificate in (UNLISTED, LISTED)]


@pytest.mark.trap("C-05", "A customer's revocation list refuses the revoked of that customer, and nobody of another's.")
def test_c05_a_list_is_its_own_customers(own, attacker):
    assert own.trust(PKI, crl=PKI.crl(LISTED))[0]
    assert statuses(own) == [200, 403]
    own.was_refused_for("certificate-revoked")
    assert ours(attacker) == 200
    assert own.status(STRANGER) != 200


@pytest.mark.trap(
    "C-05", "A list that expired refuses its customer or accepts the unlisted, as that customer chose; all other changes go on."
)
def test_c05_an_expired_list_is_one_customers_trouble(own, attacker):
    assert own.trust(PKI, crl=PKI.crl(LISTED))[0]
    line = attacker.connect(context=own.context(UNLISTED))
    assert own.status(UNLISTED, line) == 200
    taken, said = own.trust(PKI, crl=PKI.crl(LISTED, **STALE))
    assert taken, said  # policies of everybody else can be changed, though this file is what ``gateway check`` refuses
    assert own.status(UNLISTED, line) in OUT, "also on a connection that lives"
    assert statuses(own) == [403, 403]
    own.was_refused_for("revocation-unknown", "certificate-revoked")
    assert ours(attacker) == 200
    assert own.trust(PKI, crl=PKI.crl(LISTED, **STALE), more="without_crl: accept")[0]
    assert statuses(own) == [200, 403], "who was listed stays out"
    own.was_refused_for("certificate-revoked")


@pytest.mark.trap("C-05", "A new list counts on the next request of a connection that lives, without a restart.")
def test_c05_a_newer_list_bites_at_once(own, attacker, eventually):
    assert own.trust(PKI, crl=PKI.crl())[0]
    line = attacker.connect(context=own.context(LISTED))
    assert own.status(LISTED, line) == 200
    own.crl.write_bytes(PKI.crl(LISTED, number=2))
    eventually(lambda: own.status(LISTED, line) in OUT)
    assert statuses(own) == [200, 403]


@pytest.mark.trap("C-06", "An authority that is taken out of the file counts no more, on connections that live and on new ones.")
def test_c06_what_was_taken_out_is_forgotten(own, attacker):
    newer = make_pki("New Root")
    successor = newer.sign(key=KEY)
    story = []
    assert own.trust(PKI)[0]
    line = attacker.connect(context=own.context(UNLISTED))
    for authorities in ((PKI,), (PKI, newer), (newer,), (PKI,)):
        assert own.trust(*authorities)[0]
        story.append([own.status(certificate) == 200 for certificate in (UNLISTED, successor)])
        if PKI in authorities:
            line = line if own.status(UNLISTED, line) == 200 else attacker.connect(context=own.context(UNLISTED))
        assert (own.status(UNLISTED, line) == 200) == (PKI in authorities), "also on a connection that lives"
    assert story == [[True, False], [True, True], [False, True], [True, False]]


class Published:
    """The customer's web server. ``list``: what it hands out, None for 404; ``asked``: how often."""

    def __init__(self):
        published = self
        self.list, self.asked = None, 0

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                published.asked += 1
                body = published.list or b""
                self.send_response(200 if published.list is not None else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/own.crl"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def published():
    server = Published()
    yield server
    server.server.shutdown()
    server.server.server_close()


@pytest.mark.trap(
    "C-05", "A list comes from a URL in the background: until it came the customer is refused, and then no older one takes its place."
)
def test_c05_a_list_from_a_url(own, attacker, published, eventually, environment):
    taken, said = own.trust(PKI, crl=published.url)
    assert taken, said
    assert statuses(own) == [403, 403]
    own.was_refused_for("revocation-unknown")
    assert ours(attacker) == 200
    eventually(lambda: published.asked)
    published.list = PKI.crl(LISTED, number=5)
    assert own.trust(PKI, crl=published.url + "?again")[0]  # another URL is asked at once; the same one in a minute
    eventually(lambda: statuses(own) == [200, 403])
    asked, published.list = published.asked, PKI.crl(number=4)  # somebody on the way plays an old one back, which forgets the revocation
    assert own.trust(PKI, crl=published.url + "?rollback")[0]
    eventually(lambda: published.asked > asked)
    refused = lambda: (environment.logs / "gateway.log").read_text().count("older than what is kept")  # noqa: E731
    eventually(lambda: refused() == 1)
    assert statuses(own) == [200, 403]
    published.list = PKI.crl(number=4) + NEWER.crl()  # and again, when a second authority comes, of which nothing is kept
    assert own.trust(PKI, NEWER, crl=published.url + "?second")[0]
    assert statuses(own) == [200, 403], "nor does anything stop meanwhile"
    eventually(lambda: refused() == 2)
    assert statuses(own) == [200, 403]


@pytest.mark.trap("T-D7", "Of a revocation list no more than 16 MiB is read, from a file and from a URL; the last good one goes on.")
def test_td7_a_list_without_end(own, attacker, published, eventually, environment):
    published.list = PKI.crl(LISTED)
    assert own.trust(PKI, crl=published.url)[0]
    eventually(lambda: statuses(own) == [200, 403])
    published.list += b"\0" * (17 << 20)
    assert own.trust(PKI, crl=published.url + "?large")[0]
    eventually(lambda: "larger than 16 MiB" in (environment.logs / "gateway.log").read_text())
    assert statuses(own) == [200, 403]
    taken, said = own.trust(PKI, crl=published.list)
    assert (taken, "larger than 16 MiB" in said) == (False, True), said
    assert statuses(own) == [200, 403]
