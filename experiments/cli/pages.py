"""The command that writes the generated pages."""

from __future__ import annotations

from experiments.cli.screen import faults_to_exit, say


def docs() -> None:
    """Write the generated pages again: data dictionary, levers, scenario keys, roles, calendar."""
    with faults_to_exit():
        from experiments.pages import write_pages
        from experiments.provenance import ROOT

        written = write_pages(ROOT)
    for path in written:
        say(f"wrote {path.relative_to(ROOT)}")
