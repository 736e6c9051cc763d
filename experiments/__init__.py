"""Running and understanding: command line, scenarios, sweeps, results and reports."""
