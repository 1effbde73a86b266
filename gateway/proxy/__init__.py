"""The external API: what customers talk to. Holds no key and no database.

``handler.py`` shows the whole path of a request in one function; the other modules are its stages, in order: ``listener``
(accept, network, TLS), ``server`` (framing), ``access`` (who is it), ``sessions`` (the password), ``bodies`` (what changes),
``upstream`` (forward), ``answers`` (what the client gets).
"""
