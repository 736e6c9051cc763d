"""One party's UFTP correspondence: what it sent, what it accepted, and its answers."""

from __future__ import annotations

from datetime import date, datetime

import numpy as np

from markets.uftp.messages import (
    DPrognosis,
    FlexOfferRevocation,
    FlexOrder,
    FlexRequest,
    FlexSettlement,
    Message,
    Response,
    name_of,
    new_id,
)
from markets.uftp.validation import Known, Terms, faults


class Mailbox:
    """Keeps the messages of one party and answers those that come in.

    Parameters
    ----------
    terms : Terms
        Market the party takes part in.
    rng : np.random.Generator
        Source of the answers' identifiers.
    """

    def __init__(self, terms: Terms, rng: np.random.Generator) -> None:
        self.terms = terms
        self.log: list[tuple[Message, Response | None]] = []
        self._rng = rng
        self._messages: dict[str, Message] = {}
        self._revoked: set[str] = set()
        self._ordered: set[str] = set()
        self._revisions: dict[tuple[str, str, str, date], int] = {}
        self._unsettled: set[str] = set()

    @property
    def known(self) -> Known:
        """What later messages may refer to."""
        return Known(self._messages, self._revoked, self._ordered, self._revisions, self._unsettled)

    def sent(self, message: Message) -> None:
        """Note an own message that its receiver accepted, so that later messages may refer to it."""
        self._note(message)
        self.log.append((message, None))

    def receive(self, message: Message, now: datetime) -> Response:
        """Check a message that came in, keep it when acceptable, and answer.

        Parameters
        ----------
        message : Message
            What came in.
        now : datetime
            Aware instant of receipt.

        Returns
        -------
        Response
            Accepted, or rejected with all reasons separated by semicolons. A copy of an accepted message is
            accepted again ("Already Submitted") and changes nothing.
        """
        reasons = faults(message, self.terms, self.known, now)
        is_repeat = reasons == ["Already Submitted"]
        if not reasons:
            self._note(message)
        response = Response(
            message_id=new_id(self._rng),
            conversation_id=message.conversation_id,
            sender_domain=self.terms.own_domain,
            recipient_domain=message.sender_domain,
            time_stamp=now,
            answers=name_of(message),
            reference_id=message.message_id,
            is_accepted=not reasons or is_repeat,
            rejection_reason="; ".join(reasons) if reasons else None,
        )
        self.log.append((message, response))
        return response

    def _note(self, message: Message) -> None:
        self._messages[message.message_id] = message
        if isinstance(message, DPrognosis | FlexRequest):
            key = (name_of(message), message.sender_domain, message.congestion_point, message.period)
            self._revisions[key] = max(message.revision, self._revisions.get(key, message.revision))
        elif isinstance(message, FlexOfferRevocation):
            self._revoked.add(message.flex_offer_id)
        elif isinstance(message, FlexOrder):
            self._unsettled.add(message.order_reference)
            if message.flex_offer_id is not None:
                self._ordered.add(message.flex_offer_id)
        elif isinstance(message, FlexSettlement):
            self._unsettled -= {s.order_reference for s in message.settlements}
