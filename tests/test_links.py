"""Links: what arrives, when, and what the receiver's gate refuses."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.information.envelope import PERIOD_S, Certificate, Envelope
from agents.information.failures import FAILURES, Outage, Outages
from agents.information.gate import DAY_S, REASONS
from agents.information.protocols import PROTOCOLS
from agents.links import Links, Quality
from agents.messages import (
    MESSAGES,
    Activation,
    ContractPrice,
    Message,
    MeterValues,
    SessionEnded,
    SmartChargingSignal,
    StationLimit,
)
from agents.role import Knowledge

N = 6


def holder(role: str, party: str = "") -> Any:
    return SimpleNamespace(role=role, party=party or role, knowledge=Knowledge())


@dataclass
class Post:
    """Links with one holder of every role that matters here."""

    links: Links = field(default_factory=Links)

    def __post_init__(self) -> None:
        names = sorted({n for m in MESSAGES.values() for n in (m.sender, m.receiver)})
        self.roles = {name: holder(name) for name in names}
        for role in self.roles.values():
            self.links.connect(role)

    def got(self, kind: type[Message]) -> list[Any]:
        return self.roles[kind.receiver].knowledge.take(kind)


def meter_values(n: int = N, kw: float = 4.0) -> MeterValues:
    return MeterValues(np.arange(n), np.full(n, kw), np.arange(n))


def limits(kw: float = 4.0) -> StationLimit:
    return StationLimit(np.arange(N), np.full(N, kw), np.full(N, 2.0))


def sample(kind: type) -> Any:
    """A sound message of any type: three rows, small numbers."""
    made = {}
    for f in fields(kind):
        is_array = str(f.type) == "np.ndarray"
        is_whole = f.name.endswith("_row") or f.name.startswith("is_")
        made[f.name] = np.arange(3) if is_array and is_whole else np.full(3, 0.5) if is_array else 1
    return kind(**made)


# --- what arrives ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", MESSAGES.values(), ids=MESSAGES)
def test_every_message_reaches_its_receiver_and_is_counted(kind):
    post = Post()
    post.links.send(sample(kind), kind.sender)
    assert len(post.got(kind)) == 1
    traffic = post.links.traffic[kind]
    assert (traffic.count, traffic.delivered, traffic.lost) == (1, traffic.items, 0)
    assert traffic.delay_s / traffic.delivered == pytest.approx(PROTOCOLS[kind.protocol].delay_s)
    assert not post.links.gate.refused


def test_every_protocol_is_declared_with_a_source_and_every_declared_one_is_used():
    used = {kind.protocol for kind in MESSAGES.values()}
    assert used <= set(PROTOCOLS)
    assert all(p.source and p.delay_s < PERIOD_S for p in PROTOCOLS.values())


def test_a_slow_protocol_delivers_in_the_period_in_which_the_message_is_due():
    post = Post(Links(quality={"OCPP": Quality(delay_s=2.5 * PERIOD_S)}))
    post.links.send(meter_values(), "charging_point")
    arrived = []
    for period in range(5):
        post.links.open(period)
        arrived.append(len(post.got(MeterValues)))
    assert arrived == [0, 0, 1, 0, 0]
    assert post.links.traffic[MeterValues].on_time == 0


def test_a_lossy_protocol_loses_its_share_of_stations_not_whole_batches():
    post = Post(Links(quality={"OCPP": Quality(1.0, loss_share=0.25)}))
    for _ in range(200):
        post.links.send(meter_values(40), "charging_point")
    got = sum(len(m.cp_row) for m in post.got(MeterValues))
    assert 0.70 < got / (200 * 40) < 0.80
    assert post.links.traffic[MeterValues].lost == 200 * 40 - got


def test_what_the_wire_doubles_is_taken_once():
    post = Post(Links(quality={"OCPP": Quality(1.0, twice_share=1.0)}))
    for _ in range(5):
        post.links.send(meter_values(), "charging_point")
    assert len(post.got(MeterValues)) == 5
    assert post.links.gate.refused == {("MeterValues", "twice"): 5 * N}


def test_messages_that_overtake_each_other_are_refused_when_they_come_late():
    slow = Quality(1.0, jitter_s=5 * PERIOD_S, is_fifo=False)
    post = Post(Links(quality={"OCPP": slow}, rng=np.random.default_rng(3)))
    taken = []
    for period in range(60):
        post.links.open(period)
        post.links.send(meter_values(kw=float(period)), "charging_point")
        taken += [m.power_kw[0] for m in post.got(MeterValues)]
    assert taken == sorted(taken)
    assert post.links.gate.refused["MeterValues", "out_of_order"] > 0


def test_with_a_queue_nothing_overtakes_and_nothing_is_refused():
    slow = Quality(1.0, jitter_s=5 * PERIOD_S)
    post = Post(Links(quality={"OCPP": slow}, rng=np.random.default_rng(3)))
    taken = []
    for period in range(200):
        post.links.open(period)
        if period < 60:
            post.links.send(meter_values(kw=float(period)), "charging_point")
        taken += [m.power_kw[0] for m in post.got(MeterValues)]
    assert taken == [float(k) for k in range(60)]


# --- failures --------------------------------------------------------------------------------------------------------


def outage(name: str, first: int, last: int, hit: Any = True) -> Outages:
    is_hit = np.broadcast_to(np.asarray(hit), N).copy()
    return Outages([Outage(FAILURES[name], first, last, is_hit)], np.arange(N))


def test_after_an_outage_everything_that_waited_comes_once_and_in_order():
    post = Post()
    post.links.equip(outages=outage("cpo", 2, 5))
    taken = []
    for period in range(8):
        post.links.open(period)
        taken += [(period, m.power_kw[0]) for m in post.got(MeterValues)]
        post.links.send(meter_values(kw=float(period)), "charging_point")
        taken += [(period, m.power_kw[0]) for m in post.got(MeterValues)]
    assert taken == [(0, 0.0), (1, 1.0), (5, 2.0), (5, 3.0), (5, 4.0), (5, 5.0), (6, 6.0), (7, 7.0)]
    assert not post.links.gate.refused


def test_orders_are_not_kept_for_a_station_that_cannot_be_reached():
    post = Post()
    post.links.equip(outages=outage("station", 0, 4, [True, False, False, False, False, True]))
    for period in range(6):
        post.links.open(period)
        post.links.send(limits(float(period)), "cpo")
        rows = np.concatenate([m.cp_row for m in post.got(StationLimit)])
        assert rows.tolist() == ([1, 2, 3, 4] if period < 4 else [0, 1, 2, 3, 4, 5])
    assert post.links.traffic[StationLimit].lost == 2 * 4


@given(
    first=st.integers(0, 10),
    length=st.integers(1, 10),
    name=st.sampled_from(["station", "cpo", "mobile_network"]),
    hit=st.lists(st.booleans(), min_size=N, max_size=N),
)
@settings(max_examples=60, deadline=None)
def test_no_reading_is_lost_or_doubled_by_any_outage(first, length, name, hit):
    post = Post()
    post.links.equip(outages=outage(name, first, first + length, hit))
    got = np.zeros((25, N), dtype=int)
    for period in range(25):
        post.links.open(period)
        if period < 20:
            post.links.send(meter_values(kw=float(period)), "charging_point")
        for message in post.got(MeterValues):
            got[message.power_kw.astype(int), message.cp_row] += 1
    assert (got[:20] == 1).all()


# --- the gate --------------------------------------------------------------------------------------------------------


def refused(post: Post, envelope: Envelope) -> str:
    """Put an envelope on the wire; the reason it was refused for. Nothing else may have changed."""
    before = dict(post.links.gate.refused)
    known = {name: dict(role.knowledge._newest) for name, role in post.roles.items()}
    post.links.put_on_wire(envelope)
    assert known == {name: dict(role.knowledge._newest) for name, role in post.roles.items()}
    new = [key[1] for key, n in post.links.gate.refused.items() if n != before.get(key, 0)]
    assert len(new) == 1
    return new[0]


def envelope(post: Post, content: Any, sequence: int = 0, **changes: Any) -> Envelope:
    return replace(post.links.envelope_of(content, content.sender, sequence), **changes)


rows = st.integers(0, N - 1)
amounts = st.one_of(st.floats(1.1e6, 1e300), st.floats(-1e300, -1.1e6), st.just(np.inf), st.just(-np.inf))


@given(name=st.text(min_size=1, max_size=12).filter(lambda s: s != "charging_point"))
@settings(max_examples=30, deadline=None)
def test_strangers_are_refused(name):
    post = Post()
    assert refused(post, envelope(post, meter_values(), party=name)) == "unknown_sender"


@given(role=st.sampled_from(sorted({m.sender for m in MESSAGES.values()} - {"charging_point"})))
@settings(max_examples=15, deadline=None)
def test_a_role_cannot_speak_for_another(role):
    post = Post()
    assert refused(post, envelope(post, meter_values(), sender_role=role)) == "unknown_sender"


@given(late_s=st.floats(1.0, 1e7))
@settings(max_examples=20, deadline=None)
def test_an_expired_certificate_is_refused(late_s):
    post = Post()
    post.links.now_s = 1e7
    old = Certificate("charging_point", "market root", 1e7 - late_s)
    assert refused(post, envelope(post, meter_values(), certificate=old)) == "expired_certificate"


@given(signer=st.text(max_size=12).filter(lambda s: s != "charging_point"))
@settings(max_examples=20, deadline=None)
def test_a_signature_by_anybody_else_is_refused(signer):
    post = Post()
    assert refused(post, envelope(post, meter_values(), signed_by=signer)) == "bad_signature"


def test_a_root_that_the_receiver_does_not_trust_is_refused():
    post = Post()
    post.links.directory.distrusted.add(("cpo", "other root"))
    foreign = Certificate("charging_point", "other root")
    assert refused(post, envelope(post, meter_values(), certificate=foreign)) == "untrusted_root"
    assert (
        refused(post, envelope(post, meter_values(), certificate=Certificate("charging_point", ""))) == "untrusted_root"
    )


@given(row=rows, kw=amounts)
@settings(max_examples=40, deadline=None)
def test_a_row_with_an_impossible_value_is_refused_and_the_others_pass(row, kw):
    post = Post()
    power = np.full(N, 3.0)
    power[row] = kw
    post.links.send(MeterValues(np.arange(N), power, np.arange(N)), "charging_point")
    (taken,) = post.got(MeterValues)
    assert taken.cp_row.tolist() == [k for k in range(N) if k != row]
    assert post.links.gate.refused == {("MeterValues", "impossible_value"): 1}


@given(mw=amounts)
@settings(max_examples=20, deadline=None)
def test_a_message_about_one_thing_with_an_impossible_value_is_refused_whole(mw):
    post = Post()
    assert refused(post, envelope(post, Activation(3, mw))) == "impossible_value"


@given(state=st.integers().filter(lambda k: not -1 <= k <= 2))
@settings(max_examples=20, deadline=None)
def test_a_regulation_state_that_does_not_exist_is_refused(state):
    from agents.messages import BalanceDelta

    post = Post()
    assert refused(post, envelope(post, BalanceDelta(3, 10.0, state, 50.0))) == "impossible_value"


@given(
    bad=st.sampled_from([None, "text", 3.0, [1.0] * N, np.array(["a"] * N), np.full(N - 1, 2.0), np.float64(2.0)]),
    kind=st.sampled_from([MeterValues, StationLimit, SessionEnded]),
)
@settings(max_examples=40, deadline=None)
def test_a_message_of_the_wrong_form_is_refused(bad, kind):
    post = Post()
    first, *others = [f.name for f in fields(kind)]
    values = {first: np.arange(N)} | {name: np.full(N, 1.0) for name in others}
    values[others[-1]] = bad
    assert refused(post, envelope(post, sample(kind), message=kind(**values))) == "wrong_schema"


@given(thing=st.one_of(st.none(), st.text(), st.integers(), st.dictionaries(st.text(max_size=3), st.integers())))
@settings(max_examples=30, deadline=None)
def test_what_is_no_message_at_all_is_refused(thing):
    post = Post()
    assert refused(post, envelope(post, meter_values(), message=thing)) == "wrong_schema"


@given(times=st.integers(2, 5))
@settings(max_examples=5, deadline=None)
def test_the_same_message_is_taken_once(times):
    post = Post()
    sent = envelope(post, meter_values(), 7)
    post.links.put_on_wire(sent)
    for _ in range(times - 1):
        assert refused(post, sent) == "twice"
    assert len(post.got(MeterValues)) == 1


@given(order=st.permutations(list(range(6))))
@settings(max_examples=40, deadline=None)
def test_only_messages_newer_than_all_before_are_taken(order):
    post = Post()
    taken, newest = [], -1
    for sequence in order:
        post.links.put_on_wire(envelope(post, meter_values(kw=float(sequence)), sequence))
        taken += [int(m.power_kw[0]) for m in post.got(MeterValues)]
        newest = max(newest, sequence)
    expected = [s for k, s in enumerate(order) if s == max(order[: k + 1])]
    assert taken == expected
    assert post.links.gate.refused.get(("MeterValues", "out_of_order"), 0) == N * (6 - len(expected))


@given(late_s=st.floats(1.0, 1e6))
@settings(max_examples=20, deadline=None)
def test_a_message_that_comes_a_day_late_is_refused(late_s):
    post = Post()
    post.links.now_s = 2e6
    old = envelope(post, meter_values(), sent_s=2e6 - DAY_S - late_s)
    assert refused(post, old) == "a_day_late"


def test_an_outage_of_more_than_a_day_leaves_readings_that_nobody_takes():
    post = Post()
    post.links.equip(outages=outage("cpo", 0, 100))
    for period in range(101):
        post.links.open(period)
        post.links.send(meter_values(), "charging_point")
    assert post.links.gate.refused == {("MeterValues", "a_day_late"): 5 * N}
    assert len(post.got(MeterValues)) == 96


def test_without_verification_forgeries_and_repetitions_are_believed():
    post = Post(Links(is_verified=False))
    forged = envelope(post, limits(), 0, signed_by="nobody")
    for _ in range(2):
        post.links.put_on_wire(forged)
    assert len(post.got(StationLimit)) == 2


def test_sound_messages_of_every_kind_pass_and_every_reason_can_happen():
    assert len(set(REASONS)) == len(REASONS) == 9
    post = Post()
    price = ContractPrice(0, np.full(96, np.nan), np.full(96, 0.1))
    post.links.send(price, "supplier")
    post.links.send(SmartChargingSignal(np.zeros(0, dtype=int), np.zeros(0)), "aggregator")
    post.links.send(StationLimit(np.arange(2), np.full(2, np.inf), np.full(2, 3.0)), "cpo")
    assert not post.links.gate.refused


def test_batches_can_be_split_without_touching_what_runs_apart():
    rates = sample(MESSAGES["ChargeRates"])
    part = rates.take(np.array([True, False, True]))
    assert part.cp_row.tolist() == [0, 2]
    assert part.ended_session_row.tolist() == [0, 1, 2]
