"""Everything outside the simulated roles: weather, the rest of the Dutch power system, homes."""
