"""The running gateway with one customer who brings an authority of its own, and whoever shows certificates of it.

Belongs here: the files of that customer, and reloading them at once. Never may: a verdict that does not come over a real handshake.
"""

import json
import os
import signal
import ssl

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.demo.story import OTHER

PLAIN = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
KEY = ec.generate_private_key(ec.SECP256R1())  # of every client certificate: what differs is what was signed


class OwnAuthority:
    """``trust`` is what the security team does; ``status`` what a client gets: a number, or None where the handshake failed."""

    def __init__(self, environment, attacker, folder, eventually):
        self.environment, self._attacker, self._folder = environment, attacker, folder
        self._eventually = eventually
        self.policy = environment.config_file.parent / "policies" / "customers" / f"{OTHER}.yaml"
        self.file, self.crl = folder / "own-ca.pem", folder / "own.crl"
        self._before = self.policy.read_text()
        self._key = folder / "client.key"
        self._key.write_bytes(KEY.private_bytes(*PLAIN))

    def trust(self, *pkis, crl=None, more=""):
        """Write the files and say it in the policy; returns what the worker said of it."""
        self.file.write_bytes(b"".join(pki if isinstance(pki, bytes) else pki.pem for pki in pkis))
        if isinstance(crl, bytes):
            self.crl.write_bytes(crl)
        named = f', crl: "{self.crl if isinstance(crl, bytes) else crl}"' if crl is not None else ""
        certificates = f"certificates: {{file: {self.file}{named}{', ' + more if more else ''}}}"
        lines = [certificates if line.startswith("certificates:") else line for line in self._before.splitlines()]
        self.policy.write_text("\n".join(lines) + "\n")
        return self.reload()

    def restore(self):
        self.policy.write_text(self._before)
        assert self.reload()[0]

    def reload(self):
        """At once, in all processes, as the service manager asks for it. (taken over, what the worker said)."""
        seen = {role: len(self._said(role)) for role in ("proxy", "vault")}
        os.kill(self.environment.pids["supervisor"][0], signal.SIGHUP)
        self._eventually(lambda: all(len(self._said(role)) > seen[role] for role in seen))
        said = self._said("proxy")[seen["proxy"] :]
        return any(line.startswith("reloaded") for line in said), "\n".join(said)

    def _said(self, role):
        lines = (self.environment.logs / "gateway.log").read_text().splitlines()
        records = [json.loads(line) for line in lines if '"reloaded' in line or '"not reloaded' in line]
        return [record["message"] for record in records if record["role"] == role]

    def context(self, certificate, version=None):
        file = self._folder / f"{certificate.serial_number:x}.pem"
        file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        context = self._attacker.context(certificate=False, version=version)
        context.load_cert_chain(str(file), str(self._key))
        return context

    def status(self, certificate, line=None):
        """Of a request with a right password, from the right network; on ``line`` where there is one already."""
        try:
            line = line or self._attacker.connect(context=self.context(certificate))
            line.send(self._attacker.head())
            reply = line.reply()
        except (ssl.SSLError, ConnectionError):
            return None
        return reply and reply.status

    def was_refused_for(self, *reasons):
        """The last refusals of the audit log, which is written after the answer."""
        self._eventually(lambda: self._reasons()[-len(reasons) :] == list(reasons))

    def _reasons(self):
        files = sorted(self.environment.config.audit_dir.glob("audit-*.jsonl"))
        records = [json.loads(line) for file in files for line in file.read_text().splitlines()]
        return [record.get("reason") for record in records if record["kind"] == "refused"]
