"""The operators' listener: metrics, health and revocation lists, on a loopback address. Nothing of a customer's data passes here."""
