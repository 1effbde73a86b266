"""``policies/data_classes.yaml``: how each kind of personal data becomes a token."""

from __future__ import annotations

import re
from typing import Literal, cast

from gateway.schema import Node
from gateway.tokens.form import DataClass
from gateway.tokens.forms import FORMS

NAME = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)
RESERVED_DOMAINS = (".invalid", ".test", ".example")  # RFC 6761: no mail to a token ever leaves the house
ONE_WAY = ("mask", "drop")
OPTIONAL = ("form", "method", "repeat", "alphabet", "prefix", "keep_last", "domain")
_LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})+", re.ASCII)


def read_data_classes(root: Node) -> dict[str, DataClass]:
    entries = root.fields(("data_classes",))["data_classes"].entries()
    return {name: _data_class(name, node) for name, node in entries.items()}


def _data_class(name: str, node: Node) -> DataClass:
    if not NAME.fullmatch(name) or name == "clear":
        node.wrong(f"{name!r} is not a name for a data class: lower-case letters, digits and _; not 'clear'")
    fields = node.fields((), OPTIONAL)
    form = fields["form"].choice(*FORMS) if "form" in fields else "opaque"
    data_class = DataClass(
        name=name,
        form=form,
        method=cast(Literal["vault", "sealed"], fields["method"].choice("vault", "sealed") if "method" in fields else "vault"),
        repeat=cast(Literal["same", "fresh"], fields["repeat"].choice("same", "fresh") if "repeat" in fields else "same"),
        alphabet=fields["alphabet"].choice("windows-1252-safe", "windows-1252") if "alphabet" in fields else "windows-1252-safe",
        prefix=fields["prefix"].text() if "prefix" in fields else "",
        keep_last=fields["keep_last"].integer(0, 4) if "keep_last" in fields else 0,
        domain=fields["domain"].text().lower() if "domain" in fields else "",
    )
    _check(data_class, fields, node)
    return data_class


#: Which parameters belong to which form.
_PARAMETERS = {"alphabet": "same_length", "prefix": "digits", "keep_last": "digits", "domain": "email"}


def _check(data_class: DataClass, fields: dict[str, Node], node: Node) -> None:
    for parameter, form in _PARAMETERS.items():
        if parameter in fields and data_class.form != form:
            fields[parameter].wrong(f"{parameter!r} belongs to form {form!r}, and this is {data_class.form!r}")
    if data_class.method == "sealed" and data_class.form != "opaque":
        fields["method"].wrong("method 'sealed' puts the value into the token, which only form 'opaque' has room for")
    if data_class.form == "digits" and not re.fullmatch(r"0[0-9]{1,7}", data_class.prefix, re.ASCII):
        node.wrong("form 'digits' needs a prefix that no real number begins with, in quotes, such as \"0199\"")
    domain = data_class.domain
    if data_class.form == "email" and not (domain.endswith(RESERVED_DOMAINS) and len(domain) <= 100 and _DOMAIN.fullmatch(domain)):
        node.wrong("form 'email' needs a domain under .invalid, .test or .example, such as token.invalid")
    if data_class.form in ONE_WAY and ("method" in fields or "repeat" in fields):
        node.wrong(f"form {data_class.form!r} keeps nothing: 'method' and 'repeat' have no meaning there")
