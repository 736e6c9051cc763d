"""Who knows what: protocols, envelopes and refusals, failures of links, data items, consent, integrity, security."""
