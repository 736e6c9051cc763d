"""The rules: market clearings, contracts, tariffs, settlement and the ledger, as pure functions."""
