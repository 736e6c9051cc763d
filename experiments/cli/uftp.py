"""The congestion management of a run as UFTP (Shapeshifter) messages: one XML file a message."""

from __future__ import annotations

import csv
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from experiments.cli.screen import BAD_INPUT, faults_to_exit, say

if TYPE_CHECKING:
    import polars as pl

    from markets.uftp.messages import Message

INDEX = "index.csv"


def uftp(
    folder: Annotated[Path, typer.Argument(help="Folder of a run.")],
    out: Annotated[Path, typer.Option("--out", help="New folder for the XML files and their index.csv.")],
    penalty: Annotated[
        float, typer.Option("--penalty", help="Fine in settlements, EUR per MW and ISP not delivered.", min=0.0)
    ] = 0.0,
) -> None:
    """Write the congestion management of a run as UFTP messages: prognoses, requests, offers, orders, settlement.

    Needs the extra flexpolder[uftp]. Orders are those of the run; activation factors have two decimals, as UFTP asks.
    """
    from markets.uftp.xml import is_available

    with faults_to_exit():
        if not is_available():
            say("writing UFTP XML needs the extra: pip install 'flexpolder[uftp]'")
            raise typer.Exit(BAD_INPUT)
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            say(f"{out} already holds files; choose another --out")
            raise typer.Exit(BAD_INPUT)
        messages = messages_of(folder, penalty)
        if not messages:
            say(f"no congestion was announced in {folder}: there is nothing to write")
            return
        _write(messages, out)


def _write(messages: list[Message], out: Path) -> None:
    from markets.uftp.exchange import rejected
    from markets.uftp.messages import Response, name_of
    from markets.uftp.xml import to_xml

    out.mkdir(parents=True, exist_ok=True)
    with (out / INDEX).open("w", newline="", encoding="utf-8") as stream:
        index = csv.writer(stream)
        index.writerow(("file", "time_utc", "sender", "recipient", "conversation_id", "message_id"))
        for k, message in enumerate(messages, start=1):
            kind = f"{message.answers}Response" if isinstance(message, Response) else name_of(message)
            file = f"{k:05d}_{kind}.xml"
            (out / file).write_text(to_xml(message), encoding="utf-8")
            who = message.sender_domain, message.recipient_domain, message.conversation_id, message.message_id
            index.writerow((file, message.time_stamp.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), *who))
    say(f"{len(messages)} messages in {out}, {len(rejected(messages))} rejected")


def messages_of(folder: Path, penalty_eur_per_mw: float = 0.0) -> list[Message]:
    """Messages of a stored run, empty where nothing was announced; FolderError if it is none."""
    from experiments.store.folder import read_manifest, read_table
    from markets.uftp.exchange import Order, Request, correspondence

    manifest = read_manifest(folder)
    clock = _Clock(read_table(folder, "periods"))
    point = _congestion_points(read_table(folder, "branches"), read_table(folder, "parties"), clock.first_day)
    asked, placed = read_table(folder, "flex_requests"), read_table(folder, "flex_orders")
    requests = [
        Request(
            clock.instant(r["gate_period"]), r["operator"], r["kind"], point(r), *clock.isp(r["period"]),
            r["needed_mw"], r["prognosis_mw"], r["metered_mw"],
        )
        for r in asked.iter_rows(named=True)
    ]  # fmt: skip
    orders = [
        Order(
            clock.instant(r["gate_period"]), r["operator"], r["kind"], point(r), r["order"], *clock.isp(r["period"]),
            r["offered_mw"], r["ordered_mw"], r["price_eur_per_mwh"],
        )
        for r in placed.iter_rows(named=True)
        if not r["rule"]
    ]  # fmt: skip
    domains = _domains(read_table(folder, "parties"))
    return correspondence(
        requests,
        orders,
        agr_domain=domains["csp"],
        operator_domains={role: domains[role] for role in ("dso", "tso")},
        months=clock.months(),
        seed=int(manifest.get("seed", 0)),
        penalty_eur_per_mw=penalty_eur_per_mw,
    )


class _Clock:
    """Instants, local days and ISPs of a run's periods."""

    def __init__(self, periods: pl.DataFrame) -> None:
        ordered = periods.sort("period")
        self._start: datetime = ordered["time_utc"][0]
        self._date: list[date] = ordered["time_utc"].dt.convert_time_zone("Europe/Amsterdam").dt.date().to_list()
        day = ordered["day"].to_list()
        first = {d: k for k, d in reversed(list(enumerate(day)))}
        self._isp = [k - first[d] + 1 for k, d in enumerate(day)]

    @property
    def first_day(self) -> date:
        return self._date[0]

    def instant(self, period: int) -> datetime:
        """Start of a period, also of one before the run."""
        return self._start + timedelta(minutes=15 * period)

    def isp(self, period: int) -> tuple[date, int]:
        """Local day and ISP, from 1."""
        return self._date[period], self._isp[period]

    def months(self) -> list[tuple[date, date]]:
        """First and last day of the run in each calendar month."""
        by_month: dict[tuple[int, int], list[date]] = {}
        for day in self._date:
            by_month.setdefault((day.year, day.month), []).append(day)
        return [(days[0], days[-1]) for days in by_month.values()]


def _domains(parties: pl.DataFrame) -> dict[str, str]:
    """Internet domain of each role's company: its name under the reserved top-level domain ``example``."""
    found: dict[str, str] = {}
    for account in parties["account"].to_list():
        role, _, company = account.partition(": ")
        slug = "-".join("".join(c if c.isascii() and c.isalnum() else " " for c in company.lower()).split())
        found.setdefault(role, f"{slug or role}.example")
    return found


def _congestion_points(branches: pl.DataFrame, parties: pl.DataFrame, first_day: date) -> Any:
    """Entity address of the element of a row: the operator's domain and the element's name."""
    names = dict(zip(branches["branch_index"].to_list(), branches["branch"].to_list(), strict=True))
    domains = _domains(parties)

    def address(row: dict[str, Any]) -> str:
        return f"ea1.{first_day:%Y-%m}.{domains[row['operator']]}:{names[row['branch_index']]}"

    return address
