"""EVs, charging points and sessions as arrays: behaviour, physics and charging strategies."""
