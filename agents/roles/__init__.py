"""One file per market role of the SCALE D1.4 reference architecture."""
