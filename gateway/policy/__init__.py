"""What the security team's files mean: frozen values and synchronous decisions over them. Reads files in ``load.py`` only."""
