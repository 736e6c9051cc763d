"""Commands on physical stations: station, check, replay, demo, stop, secret."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from experiments.cli.screen import BAD_INPUT, INTERRUPTED, RUN_FAILED, say, show_json, show_table

app = typer.Typer(
    name="hil",
    help="Hardware in the loop: physical charging stations in the place of simulated ones.",
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

UrlArgument = Annotated[str, typer.Argument(help="Address of the central system; the identity is appended.")]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON on standard output instead of a table.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No lines of progress.")]


@app.command()
def station(
    url: UrlArgument = "ws://127.0.0.1:9000",
    station_id: Annotated[str, typer.Option("--id", help="Identity of the station.")] = "VIRTUAL-1",
    version: Annotated[str, typer.Option("--ocpp", help="1.6, 2.0.1 or 2.1.")] = "1.6",
    capacity_kwh: Annotated[float, typer.Option("--capacity", help="Battery of the car, kWh.")] = 60.0,
    soc: Annotated[float, typer.Option("--soc", min=0.0, max=1.0, help="State of charge at the start, share.")] = 0.3,
    interval_s: Annotated[float, typer.Option("--interval", help="Longest meter interval, s.")] = 10.0,
    factor: Annotated[float, typer.Option("--factor", help="How much faster than the clock the battery fills.")] = 1.0,
    discharge_kw: Annotated[float, typer.Option("--discharge", help="Most power back to the grid (2.1), kW.")] = 0.0,
    plug_after_s: Annotated[float, typer.Option("--plug-after", help="When the car comes, s.")] = 1.0,
    fault: Annotated[list[str] | None, typer.Option("--fault", help="Misbehave; `--fault list` names all.")] = None,
    password: Annotated[str, typer.Option(envvar="FLEXPOLDER_STATION_PASSWORD", help="Basic authentication.")] = "",
    ca: Annotated[Path | None, typer.Option("--ca", help="Authority that signed the central system.")] = None,
    certificate: Annotated[Path | None, typer.Option("--cert", help="Own certificate (profile 3).")] = None,
    private_key: Annotated[Path | None, typer.Option("--key", help="Own private key.")] = None,
    remote: Annotated[bool, typer.Option("--remote", help="Wait for a remote start.")] = False,
    seconds: Annotated[float | None, typer.Option("--seconds", help="End after this time.")] = None,
    quiet: QuietOption = False,
) -> None:
    """Be a virtual charging station with a car, until interrupted."""
    import asyncio

    from agents.hardware.virtual.car import Car
    from agents.hardware.virtual.station import FAULTS, StationOptions, VirtualStation

    if fault == ["list"]:
        show_table("Faults", ("fault", "meaning"), list(FAULTS.items()))
        return
    _refuse_unknown("fault", fault or [], tuple(FAULTS))
    _refuse_unknown("OCPP version", [version], ("1.6", "2.0.1", "2.1"))
    car = Car(capacity_kwh, soc, factor=factor, discharge_kw=discharge_kw)
    options = StationOptions(
        url, station_id, version, car, meter_interval_s=interval_s, starts="remote" if remote else "plug",
        faults=frozenset(fault or ()), password=password, ca=ca, certificate=certificate, private_key=private_key,
    )  # fmt: skip
    virtual = VirtualStation(options, (lambda line: None) if quiet else say)

    async def live() -> None:
        asyncio.get_running_loop().call_later(plug_after_s, virtual.plug)
        await asyncio.wait_for(virtual.run(), seconds)

    try:
        asyncio.run(live())
    except TimeoutError:
        return
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


@app.command()
def check(
    target: Annotated[
        str,
        typer.Argument(
            help="ws://HOST:PORT[/IDENTITY] to wait there for a station, wss://HOST:PORT/IDENTITY with TLS; "
            "modbus://HOST:PORT?unit=N to call a SunSpec device; `station` to check the virtual station."
        ),
    ] = "ws://127.0.0.1:9000",
    max_kw: Annotated[
        float, typer.Option("--max-kw", help="Least limit of connection, station and cable, kW.")
    ] = 11.04,
    safe_kw: Annotated[float, typer.Option("--safe-kw", help="Power when nobody steers, kW.")] = 4.14,
    phases: Annotated[int, typer.Option("--phases", help="Conductors of the socket, 1 or 3.")] = 3,
    lease_s: Annotated[float, typer.Option("--lease", help="Time in which it must fall back, s.")] = 10.0,
    interval_s: Annotated[float, typer.Option("--interval", help="Meter interval asked for, s.")] = 2.0,
    wait_s: Annotated[float, typer.Option("--wait", help="Longest wait for the station, s.")] = 60.0,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse messages that break their schema.")] = False,
    with_reset: Annotated[bool, typer.Option("--with-reset", help="Also unlock the plug and restart.")] = False,
    certificate: Annotated[Path | None, typer.Option("--cert", help="Our certificate (wss).")] = None,
    private_key: Annotated[Path | None, typer.Option("--key", help="Our private key (wss).")] = None,
    station_ca: Annotated[
        Path | None, typer.Option("--station-ca", help="Authority of the station's certificate (security profile 3).")
    ] = None,
    secrets: Annotated[
        Path | None, typer.Option("--secrets", help="File of hashed passwords (security profiles 1 and 2).")
    ] = None,
    folder: Annotated[Path, typer.Option("--out", help="Where the recording goes.")] = Path("results/hil-check"),
    state: Annotated[Path, typer.Option("--state", help="Where proofs are kept.")] = Path("results/hil-state"),
    json_output: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Exercise one station and print what it keeps of what it promises; exit code 3 if something fails."""
    from experiments.hil.check import CheckOptions, run_check

    options = CheckOptions(
        target,
        max_kw,
        safe_kw,
        phases,
        lease_s,
        interval_s,
        wait_s,
        strict,
        folder,
        state,
        with_reset,
        certificate,
        private_key,
        station_ca,
        secrets,
    )
    with _faults_to_exit():
        findings = run_check(options, (lambda line: None) if quiet else say)
    if json_output:
        show_json([vars(f) for f in findings])
    else:
        show_table("Compliance", ("check", "outcome", "detail"), [(f.name, f.outcome, f.detail) for f in findings])
    if any(f.outcome == "fail" for f in findings):
        raise typer.Exit(RUN_FAILED)


@app.command()
def replay(
    recording: Annotated[Path, typer.Argument(help="A recording (.parquet), or the folder of one run.")],
    json_output: JsonOption = False,
) -> None:
    """Run a recorded session again without hardware; exit code 3 if it would have gone otherwise."""
    from agents.hardware.replay import replay as again

    if not recording.exists():
        say(f"{recording}: no such file or folder")
        raise typer.Exit(BAD_INPUT)
    found = again(recording)
    outcome = found.outcome()
    if json_output:
        show_json(outcome)
    else:
        rows = [
            (
                name,
                str(p["sessions"]),
                f"{p['believed_kwh']:.4f}",
                f"{p['booked_kwh']:.4f}",
                str(p["suspect"]),
                str(len(p["events"])),
            )
            for name, p in outcome["points"].items()
        ]
        head = ("station", "sessions", "believed kWh", "booked kWh", "suspect", "events")
        show_table("Replay", head, rows, right=(1, 2, 3, 4, 5))
        say(f"{found.calls} calls, {len(found.differences)} of them otherwise")
        for line in found.differences[:20]:
            say(f"  {line}")
    if found.differences:
        raise typer.Exit(RUN_FAILED)


@app.command()
def demo(
    folder: Annotated[Path, typer.Option("--out", help="Folder to write.")] = Path("results/hil-demo"),
    seconds: Annotated[
        float, typer.Option("--seconds", min=8.0, max=3600.0, help="Length of the hour on the wall clock, s.")
    ] = 60.0,
    quiet: QuietOption = False,
) -> None:
    """An hour of market time with 500 simulated points and three station programs that follow a redispatch."""
    from experiments.hil.demo import NoRedispatch, run_demo

    with _faults_to_exit():
        try:
            result = run_demo(folder, seconds, (lambda line: None) if quiet else say)
        except NoRedispatch as fault:
            say(str(fault))
            raise typer.Exit(RUN_FAILED) from None
    show_table("Measured", ("figure", "value"), [(k, f"{v:.2f}") for k, v in result.figures.items()], right=(1,))
    say(f"wrote {result.folder}/run (with report); power only, not metered (hold mode)")
    if not result.has_followed:
        say("a station did not follow the redispatch")
        raise typer.Exit(RUN_FAILED)


@app.command()
def stop(
    folder: Annotated[
        Path, typer.Argument(help="`hardware_port.folder` of the run, or the state folder of a check.")
    ] = Path("results/hardware"),
    release: Annotated[bool, typer.Option("--release", help="Take the emergency stop back.")] = False,
) -> None:
    """Emergency stop: within half a second every station of a run is told zero and every session ends; it stays set."""
    from agents.hardware.keep import stop_button

    state = folder / "state" if (folder / "state").is_dir() else folder
    if not state.is_dir():
        say(f"{folder}: no such folder of a run")
        raise typer.Exit(BAD_INPUT)
    if release:
        stop_button(state).unlink(missing_ok=True)
    else:
        stop_button(state).touch()
    say(f"emergency stop {'taken back' if release else 'set'}: {stop_button(state)}")


@app.command()
def secret(
    station_id: Annotated[str, typer.Argument(help="Identity of the station.")],
    file: Annotated[Path, typer.Option("--file", help="File of hashed passwords.")],
) -> None:
    """Make a password for a station: it is shown once, only its hash is kept."""
    from agents.hardware.guard import add_secret

    with _faults_to_exit():
        password = add_secret(file, station_id)
    typer.echo(password)


def _refuse_unknown(what: str, given: list[str], known: tuple[str, ...]) -> None:
    for name in given:
        if name not in known:
            say(f"{what} {name!r} is not one of {', '.join(known)}")
            raise typer.Exit(BAD_INPUT)


def _faults_to_exit() -> _Faults:
    return _Faults()


class _Faults:
    """Turns what a user can mend into one line and an exit code."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, trace: object) -> None:
        from agents.hardware.guard import GuardError
        from agents.hardware.keep import LeaseHeld
        from agents.hardware.pipe import HardwareFault

        if isinstance(fault, GuardError | LeaseHeld | HardwareFault | OSError):
            say(str(fault))
            raise typer.Exit(BAD_INPUT) from None
        if isinstance(fault, KeyboardInterrupt):
            raise typer.Exit(INTERRUPTED) from None
