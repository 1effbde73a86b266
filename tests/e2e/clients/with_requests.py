"""An import job with ``requests``: sends the order on standard input, reads it back, prints "STATUS BODY" of both answers."""

import os
import sys

import requests

session = requests.Session()
session.verify = os.environ.get("AUTHORITY", True)
if "CERTIFICATE" in os.environ:
    session.cert = (os.environ["CERTIFICATE"], os.environ["PRIVATE_KEY"])
orders = os.environ["URL"] + "/orders"

sent = session.post(
    orders,
    data=sys.stdin.buffer.read(),
    headers={"Content-Type": "application/json"},
    auth=tuple(os.environ["SENDER"].split(":", 1)),
    timeout=30,
)
print(sent.status_code, sent.content.decode())
if sent.ok:
    read = session.get(f"{orders}/{sent.json()['id']}", auth=tuple(os.environ["READER"].split(":", 1)), timeout=30)
    print(read.status_code, read.content.decode())
