"""A reverse-proxy security gateway that keeps personal data out of the backend behind it.

Where to begin reading:

* ``proxy/handler.py``  the whole path of one request, in one function (the external API)
* ``vault/``            values to tokens and back, a database per customer (the internal API)
* ``cipher/``           the two keys; nothing outside this package ever sees a key
* ``policy/``           what the security team's YAML files mean: pure functions over frozen values
* ``body/``, ``tokens/`` what changes in a body, and what a token looks like: pure
* ``runtime/``          configuration to running processes; reload is build, check, swap
"""

__version__ = "0.1.0"
