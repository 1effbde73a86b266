"""The list of all token forms, and the two questions that the vault asks of it.

To add a form: one module, one line here, one line in ``docs/tokens.md``. What never may come in: a form that is not in this
literal dict, or a guess whether a text was issued.
"""

from __future__ import annotations

from gateway.tokens import opaque
from gateway.tokens.digits import DigitsForm
from gateway.tokens.email import EmailForm
from gateway.tokens.form import DataClass, Form
from gateway.tokens.mask import DropForm, MaskForm
from gateway.tokens.opaque import OpaqueForm
from gateway.tokens.same_length import SameLengthForm
from gateway.tokens.uuid import UuidForm

FORMS: dict[str, Form] = {
    "opaque": OpaqueForm(),
    "same_length": SameLengthForm(),
    "digits": DigitsForm(),
    "email": EmailForm(),
    "uuid": UuidForm(),
    "mask": MaskForm(),
    "drop": DropForm(),
}


def form_of(data_class: DataClass) -> Form:
    return FORMS[data_class.form]


def recognised(data_class: DataClass, text: str) -> bool:
    """Could ``text`` be a token of this class? Only then is it worth asking who issued it.

    Opaque ones count for every class, whatever its form and method are now: values that did not fit the form have them, and so
    do all values from before the policy was changed.
    """
    if FORMS[data_class.form].recognises(data_class, text):
        return True
    return opaque.decode(text) is not None or opaque.decode_sealed(text) is not None
