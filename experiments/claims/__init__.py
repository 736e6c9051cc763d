"""Claims of the source report as experiments: what it says, how that is tested here, and what comes out."""
