"""Finding personal data in bodies and replacing exactly its bytes. Pure: no I/O, no keys, no policies beyond a compiled record."""
