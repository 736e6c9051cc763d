"""The hardware port: physical stations in the place of simulated ones."""
