"""The traps: what is known to have gone wrong in front of, inside and behind gateways like this one.

What belongs here: stable ids with a short title, and the reason why one cannot catch us. Never may: what a test claims; that stands
at the test, in ``@pytest.mark.trap(id, claim)``. An id is never reused.
"""

#: Section → id → title. An id that stands here has a test in this folder, or a reason below; ``test_matrix.py`` sees to it.
SECTIONS = {
    "TLS and client certificates": {
        "T-M1": "A session of one customer is resumed as another's",
        "C-01": "Tickets are off, and sessions are resumed from the server's cache all the same",
        "T-M2": "A certificate is revoked after the handshake, and goes on working",
        "T-M3": "A trust file is missing or damaged, and the system's authorities count instead",
        "T-M4": "A ClientHello in pieces hides its server name, and weaker options apply",
        "T-M5": "Server name and Host disagree",
        "T-M6": "The spelling of a server name chooses other TLS options",
        "T-M7": "With many hosts or odd spellings a name or path is compared differently",
        "T-M8": "A name counts although it is of another type",
        "T-M9": "A certificate made for something else counts as a client's",
        "T-M10": "An authority signs what nobody was authorised to ask for",
        "T-M11": "Constraints of an authority are not enforced",
        "T-M12": "A certificate crashes its verifier, or makes it work for minutes",
        "T-M13": "KeyUpdates without end keep a processor busy",
        "C-02": "A context switched by server name keeps the first one's mode",
        "C-03": "A context set in pyOpenSSL's server-name callback lets everybody in",
        "C-04": "A server does not know which name its client asked for",
        "C-05": "One revocation list in a shared store refuses everybody else's clients",
        "C-06": "A store that was loaded again never forgets an authority",
        "C-07": "A resumed session has no chain to be verified",
        "C-08": "A handshake is refused without an alert or a record",
        "C-09": "A client of TLS 1.3 believes itself accepted before it is refused",
        "C-10": "Strict verifiers refuse the authority's certificates",
        "C-11": "The request for a certificate shows customers' names to strangers",
        "C-12": "Two TLS libraries live in one process",
    },
    "Addresses and identity headers": {
        "T-I1": "IPv4 written as IPv6 slips past a list",
        "N-01": "A network with host bits or a mask is read as a wider one",
        "T-I2": "Early data skips the list",
        "T-I3": "Forged forwarding headers are believed",
        "T-I4": "Connection names a header of the gateway, and deletes it",
        "T-I5": "Underscores, dots and case make a second header of the same name",
        "T-I6": "The gateway has no value to say, so the client's own passes",
        "T-I7": "Only the first of several values is judged",
        "T-I8": "The leftmost forwarded address counts as the client's",
        "T-I9": "A PROXY header comes from whom it should not, or damaged",
        "N-02": "A value is judged as one text and sent as another",
        "N-03": "Certificate headers of a front end are believed",
    },
    "Framing, server and upstream": {
        "T-S1": "Two parsers read two requests out of one",
        "T-S2": "Chunk lines that parsers read differently",
        "T-S3": "HTTP/2 is translated into HTTP/1",
        "T-S4": "Expect makes a body out of step with its request",
        "T-S5": "A connection to the upstream is poisoned for the next request",
        "T-S6": "The upstream answers with bytes that can be read in two ways",
        "T-S7": "Bytes of a client end a line of the request to the upstream",
        "H-01": "Made-up versions of HTTP are served",
        "H-02": "Odd transfer codings are taken",
        "H-03": "The target names another host than Host",
        "H-04": "A parser's refusal quotes the peer, unrecorded",
        "H-05": "Redirects of the upstream are followed",
        "H-06": "A request is sent to the upstream twice",
        "H-07": "Methods that nobody declared open side doors",
    },
    "Paths": {
        "T-P1": "The path that is judged is not the path that is sent",
        "T-P2": "A fragment in the target hides a part of it",
        "T-P3": "A rule for paths is matched against the query",
        "T-P4": "A rule for one path covers its neighbours",
        "T-P5": "The policy sees other parameters than the upstream",
        "P-01": "A header or a switch goes around the policy",
        "P-02": "Of settings that contradict one another, one wins in silence",
    },
    "Credentials and administration": {
        "T-A1": "Answers take longer for users who exist",
        "T-A2": "A cache of credentials mixes two of them up",
        "T-A3": "Credentials reach the upstream, an error page or a log",
        "T-A4": "The gateway's own administration is reached through the gateway",
        "T-A5": "A user name injects something",
        "T-A6": "A health check's agent is let past the password",
        "T-A7": "What clients say writes lines of its own into logs",
        "A-01": "Passwords are dear to check, and so a lever; locks are a weapon",
    },
    "Exhaustion": {
        "T-D1": "A small body inflates to a large one",
        "T-D2": "Floods of headers and of pipelined requests",
        "T-D3": "A body in chunks of one byte",
        "T-D4": "Multipart loops, and checks that python -O takes away",
        "T-D5": "WebSocket frames that dribble, and old libraries",
        "T-D6": "A phase of a connection has no deadline",
        "T-D7": "Reads from side sources have no end",
        "T-D8": "A client speaks HTTP/2 where nobody offered it",
        "T-D9": "JSON bombs",
        "T-D10": "Policy bombs",
        "T-D11": "Expressions and selectors that work for minutes",
        "T-D12": "Names without measure",
        "T-D13": "Cookies by the thousand",
    },
    "Bodies": {
        "T-B1": "A second member of the same name hides a value",
        "T-B2": "A body of an undeclared shape passes unseen",
        "T-B3": "Lengths and validators lie after a body was rewritten",
        "T-B5": "A foreign customer's token is opened, or a revealed value is kept by a cache",
        "B-01": "A failure forwards the original",
        "B-10": "The length of a compressed answer tells what was restored in it",
        "B-13": "A hidden value stands elsewhere in the same request",
        "B-14": "Errors echo what was sent",
        "T-B15": "Values in paths, Referer, Location and Link",
    },
    "Operation": {
        "O-01": "Personal data in logs",
        "O-02": "The audit log cannot be written, and work goes on unrecorded",
        "O-04": "A slow or weak fallback is taken in silence",
        "V-13": "A restore brings an erased customer back",
        "Y-03": "A file that cannot be read becomes no rules",
    },
}

#: Ids that cannot catch us, each with the reason.
NOT_APPLICABLE = {
    "T-S3": "HTTP/2 is spoken on neither side: it is not offered in the handshake, and its preface is refused (T-D8).",
    "C-03": (
        "Connections of customers are never served by pyOpenSSL, whose callback this is; it only verifies chains. And no context is ever "
        "switched by server name: see C-02."
    ),
}

TRAPS = {trap: title for section in SECTIONS.values() for trap, title in section.items()}
