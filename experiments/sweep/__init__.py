"""Sweeps: a page of TOML becomes many runs on one of three backends, and a folder that can always be resumed."""
