"""How much a caller may use: rules, the ledger that reserves and settles, leases between replicas."""
