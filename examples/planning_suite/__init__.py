"""A small planning suite for smart-meter installations: orders, appointments and a page for dispatchers.

It stands for the application behind the gateway and is kept ignorant on purpose: it authenticates nobody, knows no token and no
key, and its columns are as long as such columns are (``schema.sql``). What never may come in: an import of ``gateway``.
"""
