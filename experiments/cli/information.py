"""Commands on information: data-value, attacks, share."""

from __future__ import annotations

import secrets
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from experiments.cli.runs import JsonOption, QuietOption, ScenarioArgument, SetOption
from experiments.cli.screen import faults_to_exit, progress_bar, say, show_json, show_table

ModeOption = Annotated[list[str] | None, typer.Option("--mode", help="v1g or v2x; both if not given.")]


def data_value(
    scenario: ScenarioArgument = "small",
    settings: SetOption = None,
    mode: ModeOption = None,
    json_output: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Measure what each data item is worth to each cluster of services, beside the report's table 7.1."""
    from experiments.information import data_value as experiment

    with faults_to_exit():
        from agents.model import simulate
        from experiments.scenario import read_scenario

        world = read_scenario(scenario, settings or []).to_settings()
        with progress_bar("measuring data items", quiet=quiet or json_output) as tick:
            modes = _modes(mode)
            values = experiment.measure(world, simulate, modes=modes, progress=tick)
    if json_output:
        show_json([asdict(v) | {"value_eur": v.value_eur} for v in values])
        return
    rows = []
    for cluster in dict.fromkeys(v.cluster for v in values):
        for one in modes:
            mine = [v for v in values if (v.cluster, v.mode) == (cluster, one)]
            for rank, v in enumerate(sorted(mine, key=lambda v: -v.value_eur), start=1):
                figures = [f"{v.base_eur:.2f}", f"{v.value_eur:+.2f}", str(v.importance or "–")]
                rows.append([cluster, one, str(rank), v.item, *figures])
    head = ["cluster", "mode", "measured rank", "item", "service EUR", "value EUR", "report"]
    show_table("Value of data items beside report table 7.1 (1 = necessary)", head, rows, right=(2, 4, 5, 6))
    for cluster in dict.fromkeys(v.cluster for v in values):
        for one in modes:
            agreed = experiment.agreement([v for v in values if (v.cluster, v.mode) == (cluster, one)])
            say(f"{cluster}, {one}: rank correlation with the report {agreed:.2f}")


def attacks(
    names: Annotated[list[str] | None, typer.Argument(help="Attack scenarios; all bundled ones if none.")] = None,
    settings: SetOption = None,
    mode: ModeOption = None,
    json_output: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Measure what attacks move, with V1G and V2X, and what each countermeasure saves."""
    from experiments.information import attacks as experiment

    with faults_to_exit():
        from agents.model import simulate
        from experiments.scenario import read_scenario
        from experiments.scenario.reader import bundled

        chosen = names or sorted(name for name in bundled() if name.startswith("attack_"))
        worlds = [read_scenario(name, settings or []).to_settings() for name in chosen]
        found: list[experiment.AttackEffect] = []
        days: dict[tuple[object, ...], object] = {}
        for world in worlds:
            label = world.security.attacks[0].kind if world.security.attacks else world.name
            with progress_bar(label, quiet=quiet or json_output) as tick:
                found += experiment.measure(world, simulate, modes=_modes(mode), progress=tick, quiet_days=days)
    if json_output:
        show_json([asdict(e) for e in found])
        return
    rows = [
        [e.attack, e.mode, e.countermeasure, f"{e.moved_mw:.1f}", f"{e.step_mw:.1f}",
         f"{e.switched_mw:.0f}", f"{1000 * e.frequency_hz:+.1f}",
         f"{e.voltage_min_pu:.3f}", f"{e.voltage_max_pu:.3f}", f"{e.loading_max_share:.2f}", f"{e.cost_eur:+.2f}",
         f"{e.missing_kwh:+.1f}", f"{e.owed_kwh:+.1f}"]
        for e in found
    ]  # fmt: skip
    head = ["attack", "mode", "countermeasure", "moved MW", "step MW", "switched MW", "mHz", "U min pu", "U max pu",
            "loading", "cost EUR", "missing kWh", "owed kWh"]  # fmt: skip
    show_table("Attacks and countermeasures", head, rows, right=tuple(range(3, 13)))


def share(
    folder: Annotated[Path, typer.Argument(help="Folder of a run.")],
    out_file: Annotated[Path, typer.Option("--out", help="CSV file to write.")],
    min_group: Annotated[int, typer.Option(help="Smallest group of drivers that is shown.", min=2)] = 10,
    sessions: Annotated[
        bool, typer.Option("--sessions", help="Single sessions under pseudonyms, instead of groups.")
    ] = False,
) -> None:
    """Write what may be shared of a run: means over groups of drivers, or sessions under pseudonyms."""
    with faults_to_exit():
        from experiments.information.sharing import pseudonymised, shareable
        from experiments.results import Results

        table = Results.open(folder).table("sessions").collect()
        if sessions:
            pseudonymised(table, secrets.token_bytes(32)).write_csv(out_file)
            say(f"{table.height} sessions under pseudonyms in {out_file}; the key was thrown away")
            return
        groups, hidden = shareable(table, min_group)
        groups.write_csv(out_file)
        say(f"{groups.height} groups of at least {min_group} drivers in {out_file}; {hidden} drivers are not shown")


def _modes(mode: list[str] | None) -> tuple[str, ...]:
    known = ("v1g", "v2x")
    wrong = [m for m in mode or () if m not in known]
    if wrong:
        raise typer.BadParameter(f"{', '.join(wrong)}: give v1g or v2x")
    return tuple(mode) if mode else known
