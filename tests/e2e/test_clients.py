"""Clients that nobody here wrote, with the issued files as they are: an order is sent, and read back in clear.

Belongs here: how each of them is told about certificate, trust and password. Never may: a file made to please one of them. What
customers would write stands as a program in ``clients/``; the others are called as a shell would call them.
"""

import json
import os
import re
import subprocess
import sys
import time
from base64 import b64encode
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from gateway.ca.authority import KEY_TYPES, create_authority
from gateway.ca.bundle import write_bundle
from gateway.demo.story import ORDERS, OURS

PROGRAMS = Path(__file__).parent / "clients"
ORDER = ORDERS[2]


class NoAnswer(Exception):
    """The client ended without an answer; the text is its own complaint."""


@dataclass(frozen=True)
class Job:
    """What the customer's machine is told. Without ``authority`` it trusts whatever it trusts by itself."""

    url: str
    tls: str
    sender: str
    reader: str
    authority: str | None
    truststore: tuple[str, str] | None
    pem: tuple[str, str] | None
    pkcs12: tuple[str, str] | None

    def variables(self):
        given = {"URL": self.url, "TLS": self.tls, "SENDER": self.sender, "READER": self.reader, "AUTHORITY": self.authority}
        given["TRUSTSTORE"], given["TRUSTSTORE_PASSWORD"] = self.truststore or (None, None)
        given["CERTIFICATE"], given["PRIVATE_KEY"] = self.pem or (None, None)
        given["PKCS12"], given["PKCS12_PASSWORD"] = self.pkcs12 or (None, None)
        return {name: value for name, value in given.items() if value is not None}


def run(*command, stdin=b"", **variables):
    """Without the proxies and the trust that this machine's own environment may name."""
    environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "PYTHONUTF8": "1", **variables}
    return subprocess.run([str(word) for word in command], input=stdin, capture_output=True, timeout=60, env=environment)


def program(*command, job):
    """One of ``clients/``: told by its environment, it sends, reads back, and prints both answers."""
    ran = run(*command, stdin=json.dumps(ORDER, ensure_ascii=False).encode(), **job.variables())
    if ran.returncode:
        raise NoAnswer(ran.stderr.decode())
    return [(int(line[:3]), json.loads(line[4:])) for line in ran.stdout.decode().splitlines()]


def shell(ask, job):
    """``ask(job, method, path, credentials, body)``, twice."""
    sent = ask(job, "POST", "/orders", job.sender, json.dumps(ORDER).encode())
    return [sent] if sent[0] != 201 else [sent, ask(job, "GET", f"/orders/{sent[1]['id']}", job.reader, b"")]


def curl(certificate, path, job, method, target, credentials, body):
    told = [] if certificate(job) is None else certificate(job)
    trust = ["--cacert", job.authority] if job.authority else []
    version = ["--tlsv1.2", "--tls-max", "1.2"] if job.tls == "TLSv1.2" else ["--tlsv1.3"]
    content = ["-H", "Content-Type: application/json", "--data-binary", "@-"] if body else []
    ran = run(path, "-sS", "-w", "\n%{http_code}", "-u", credentials, *version, *trust, *told, *content, job.url + target, stdin=body)
    if ran.returncode:
        raise NoAnswer(ran.stderr.decode())
    text, _, status = ran.stdout.decode().rpartition("\n")
    return int(status), json.loads(text)


def as_pem(job):
    return ["--cert", job.pem[0], "--key", job.pem[1]] if job.pem else None


def as_pkcs12(job):
    return ["--cert-type", "P12", "--cert", ":".join(job.pkcs12)] if job.pkcs12 else None


def wget(path, job, method, target, credentials, body):
    """GnuTLS, not OpenSSL; and it shows the password only after it was asked for it."""
    user, _, password = credentials.partition(":")
    options = [f"--method={method}", f"--user={user}", f"--password={password}", f"--secure-protocol={job.tls.replace('.', '_')}"]
    options += ["--header=Content-Type: application/json", f"--body-data={body.decode()}"] if body else []
    options += [f"--ca-certificate={job.authority}"] if job.authority else []
    options += [f"--certificate={job.pem[0]}", f"--private-key={job.pem[1]}"] if job.pem else []
    ran = run(path, "-nv", "-S", "--no-hsts", "--tries=1", "--content-on-error", "-O-", *options, job.url + target)
    statuses = re.findall(r"^ +HTTP/1\.1 (\d{3})", ran.stderr.decode(), re.MULTILINE)
    if ran.returncode not in (0, 8) or not statuses:  # 8: the server's answer is an error
        raise NoAnswer(ran.stderr.decode())
    return int(statuses[-1]), json.loads(ran.stdout)


def openssl(path, job, method, target, credentials, body):
    place = urlsplit(job.url)
    options = ["-connect", place.netloc, "-servername", place.hostname, "-verify_hostname", place.hostname, "-verify_return_error"]
    options += ["-CAfile", job.authority] if job.authority else []
    options += ["-cert", job.pem[0], "-key", job.pem[1]] if job.pem else []
    head = [f"{method} {target} HTTP/1.1", f"Host: {place.netloc}", "Connection: close", f"Content-Length: {len(body)}"]
    head += [f"Authorization: Basic {b64encode(credentials.encode()).decode()}", "Content-Type: application/json", "", ""]
    ran = run(path, "s_client", "-quiet", f"-tls{job.tls[-3:].replace('.', '_')}", *options, stdin="\r\n".join(head).encode() + body)
    head, found, text = ran.stdout.decode().partition("\r\n\r\n")
    if not found:
        raise NoAnswer(ran.stderr.decode())
    return int(head.split()[1]), json.loads(text)


#: What stands for it in a test's name → the commands that must be installed, and how it is called with their paths.
CLIENTS = {
    "curl-pem": (["curl"], lambda path: partial(shell, partial(curl, as_pem, path))),
    "curl-p12": (["curl"], lambda path: partial(shell, partial(curl, as_pkcs12, path))),
    "wget": (["wget"], lambda path: partial(shell, partial(wget, path))),
    "openssl": (["openssl"], lambda path: partial(shell, partial(openssl, path))),
    "requests": ([], lambda: lambda job: program(sys.executable, "-P", PROGRAMS / "with_requests.py", job=job)),
    "httpx": ([], lambda: lambda job: program(sys.executable, "-P", PROGRAMS / "with_httpx.py", job=job)),
    "aiohttp": ([], lambda: lambda job: program(sys.executable, "-P", PROGRAMS / "with_aiohttp.py", job=job)),
    "node": (["node"], lambda path: lambda job: program(path, PROGRAMS / "client.mjs", job=job)),
    "java": (["java"], lambda path: lambda job: program(path, *SMALL_JVM, PROGRAMS / "Client.java", job=job)),
}
#: Starting is all that it does here: less compiled, less memory.
SMALL_JVM = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto"]


@pytest.fixture(scope="module")
def issued(gateway, tmp_path_factory):
    """By type of key: what ``gateway cert issue`` says that it wrote. The gateway that runs knows them when this returns."""
    folder = tmp_path_factory.mktemp("issued")
    files = {key_type: issue(gateway, key_type, folder / key_type) for key_type in KEY_TYPES}
    for wrote in files.values():
        client = replace(gateway.client(OURS, "maria"), certificate=(wrote["certificate"], wrote["private_key"]))
        end = time.monotonic() + 15
        while client.send("GET", "/orders").status != 200:
            assert time.monotonic() < end, "the gateway never learnt of a certificate"
            time.sleep(0.1)
    return files


def issue(gateway, key_type, out):
    options = [
        "--config",
        gateway.config_file,
        "--passphrase-file",
        gateway.passphrase_file,
        "--json",
        "--key-type",
        key_type,
        "--out",
        out,
    ]
    ran = run(sys.executable, "-P", "-m", "gateway", "cert", "issue", *options, OURS, key_type)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


@pytest.fixture
def told(gateway, issued):
    """A function: the job as the installation sheet says it; what a test leaves out or replaces stands as a keyword."""
    passwords = gateway.customers[OURS].passwords
    users = [f"{user}:{passwords[user]}" for user in ("import_job", "maria")]

    def job(tls="TLSv1.3", key_type="ec", **changes):
        files = issued[key_type]
        given = {
            "authority": files["server_authority"],
            "truststore": (files["truststore"], files["pkcs12_password"]),
            "pem": (files["certificate"], files["private_key"]),
            "pkcs12": (files["pkcs12"], files["pkcs12_password"]),
        }
        return Job(gateway.url, tls, *users, **{**given, **changes})

    return job


@pytest.fixture
def client(request, neighbour):
    """A function from a job to the answers."""
    commands, made = CLIENTS[request.param]
    return made(*map(neighbour, commands))


each_client = pytest.mark.parametrize("client", CLIENTS, indirect=True)
ITS_OWN_CHOICE = ("requests", "TLSv1.2")  # it takes the highest version that both know
VERSIONS = [(name, tls) for name in CLIENTS for tls in ("TLSv1.2", "TLSv1.3") if (name, tls) != ITS_OWN_CHOICE]


@pytest.mark.parametrize("key_type", KEY_TYPES)
@pytest.mark.parametrize(("client", "tls"), VERSIONS, indirect=["client"])
def test_an_order_is_sent_and_read_back(client, tls, key_type, told):
    (created, sent), (found, read) = client(told(tls, key_type))
    assert (created, found) == (201, 200)
    assert sent["household"]["name"] != ORDER["household"]["name"]  # an importer sees tokens only
    assert read["household"] == ORDER["household"]
    assert read["notes"] == ORDER["notes"]


@each_client
def test_without_its_certificate_it_is_told_that_access_is_denied(client, told):
    ((status, problem),) = client(told(pem=None, pkcs12=None))
    assert (status, problem["type"]) == (403, "urn:pii-gateway:problem:denied")


@each_client
def test_it_sends_nothing_to_a_server_that_it_was_not_told_to_trust(client, told):
    with pytest.raises(NoAnswer, match=r"(?i)certificat|issuer|PKIX"):
        client(told(authority=None, truststore=None))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    """What another gateway issues to a customer of the same name."""
    folder = tmp_path_factory.mktemp("stranger")
    bundle = write_bundle(folder, "import", create_authority(folder / "ca", b"of another gateway").issue(OURS, "import"))
    return {"pem": (str(bundle.certificate), str(bundle.private_key)), "pkcs12": (str(bundle.pkcs12), bundle.password)}


@each_client
def test_c08_a_certificate_of_another_authority_fails_the_handshake_and_the_client_says_why(client, told, stranger):
    """All but wget, whose last word is that the session cannot be kept."""
    with pytest.raises(NoAnswer, match=r"(?i)unknown.ca|could not save SSL session"):
        client(told(**stranger))
