"""The cipher service: the operator key, the customers' tokens and the data keys. Nothing outside this package sees a key."""
