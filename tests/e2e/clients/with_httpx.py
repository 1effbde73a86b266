"""The import job with ``httpx``, as strict as Python 3.13 is by default (C-10)."""

import os
import ssl
import sys

import httpx

context = ssl.create_default_context(cafile=os.environ.get("AUTHORITY"))
context.verify_flags |= ssl.VERIFY_X509_STRICT
context.minimum_version = context.maximum_version = ssl.TLSVersion[os.environ["TLS"].replace(".", "_")]
if "CERTIFICATE" in os.environ:
    context.load_cert_chain(os.environ["CERTIFICATE"], os.environ["PRIVATE_KEY"])

with httpx.Client(base_url=os.environ["URL"], verify=context, timeout=30, trust_env=False) as client:
    sent = client.post(
        "/orders",
        content=sys.stdin.buffer.read(),
        headers={"Content-Type": "application/json"},
        auth=tuple(os.environ["SENDER"].split(":", 1)),
    )
    print(sent.status_code, sent.text)
    if sent.is_success:
        read = client.get(f"/orders/{sent.json()['id']}", auth=tuple(os.environ["READER"].split(":", 1)))
        print(read.status_code, read.text)
