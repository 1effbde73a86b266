"""Certificates for customers (client-certificate authentication, the mission's system 3).

Five words: an *authority* signs for one customer and for nobody else; the *ledger* remembers every certificate that it signed or
took back; a *bundle* is what the customer installs; *anchors* are the authorities that count for one customer, ours or the
customer's own; *trust* is all anchors together, and says on every request which customer a client certificate belongs to.
"""
