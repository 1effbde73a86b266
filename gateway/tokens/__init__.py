"""What a token looks like: one module per form, all pure. See ``form.py`` for the protocol and ``FORMS`` for the list."""
