"""Backends that know nothing of the gateway, to try it with."""
