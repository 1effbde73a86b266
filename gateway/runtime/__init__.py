"""From configuration to running processes: the composition root. Nothing below imports it.

``supervisor`` starts and restarts the three roles; ``worker``, ``vault_process`` and ``cipher_process`` are one each;
``startup`` is what a child is told when it starts, ``watch`` notices changed files, ``snapshot`` builds what they say.
"""
