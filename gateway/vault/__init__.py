"""The internal API: values to tokens and back, a database per customer. Holds no key (those stay in ``gateway.cipher``)."""
