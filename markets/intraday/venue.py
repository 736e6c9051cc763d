"""The continuous market of a horizon: one book for every 15-, 30- and 60-minute product, with its own gates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from markets.calendar import Horizon
from markets.intraday.book import OrderBook
from markets.intraday.orders import BookTerms, Order, Product, Refusal, Trade

LENGTHS = (1, 2, 4)


class ContinuousMarket:
    """Books of all products, opened when first used.

    Parameters
    ----------
    horizon : Horizon
        The periods that can be traded.
    terms : BookTerms, optional
        Price band, tick, volume step and self-trade rule; its gates are replaced by those of each product.
    gate_min : float
        Minutes between the end of trade and delivery (lever ``intraday_gate_closure_min``).
    opens_hour : float
        Local hour of the day before delivery at which trade in a product begins.

    Attributes
    ----------
    refusals : list of Refusal
        Orders for products that do not exist (``"unknown_product"``) and refused baskets; each book lists its own.
    """

    def __init__(
        self, horizon: Horizon, terms: BookTerms | None = None, *, gate_min: float = 5.0, opens_hour: float = 15.0
    ) -> None:
        self.horizon = horizon
        self.terms = terms if terms is not None else BookTerms()
        self.gate_min, self.opens_hour = gate_min, opens_hour
        self.refusals: list[Refusal] = []
        self._books: dict[Product, OrderBook] = {}

    def is_known(self, product: Product) -> bool:
        """Whether a product exists: 15, 30 or 60 minutes that start on a multiple of their length, in the horizon."""
        first, length = product.first_period, product.n_periods
        return length in LENGTHS and first % length == 0 and 0 <= first <= self.horizon.n_periods - length

    def book(self, product: Product) -> OrderBook:
        """Give the book of a product.

        Raises
        ------
        KeyError
            For a product that does not exist.
        """
        if not self.is_known(product):
            raise KeyError(product)
        if product not in self._books:
            day = int(self.horizon.day_of[product.first_period])
            opens = 15.0 * self.horizon.period_at(day - 1, self.opens_hour)
            closes = product.start_min - self.gate_min
            self._books[product] = OrderBook(product, replace(self.terms, opens_min=opens, closes_min=closes))
        return self._books[product]

    def submit(self, product: Product, order: Order, time_min: float) -> list[Trade]:
        """Enter an order; one for an unknown product, like one that breaks a rule of its book, is refused by name."""
        if not self.is_known(product):
            self.refusals.append(Refusal(time_min, order.order_id, order.owner, "unknown_product"))
            return []
        return self.book(product).submit(order, time_min)

    def submit_basket(self, legs: Sequence[tuple[Product, Order]], time_min: float) -> list[list[Trade]]:
        """Enter a linked basket: all its orders trade completely at once, or none does anything.

        Parameters
        ----------
        legs : sequence of (Product, Order)
            One order per product; whatever their kind, none may rest.
        time_min : float
            Time of entry.

        Returns
        -------
        list of list of Trade
            Trades of every leg; empty lists where the basket was refused (see :attr:`refusals`): ``"unknown_product"``,
            ``"repeated_product"`` or ``"basket_not_filled"``.
        """
        products = [product for product, _ in legs]
        unknown = [not self.is_known(p) for p in products]
        repeated = [p in products[:k] for k, p in enumerate(products)]
        if any(unknown) or any(repeated):
            rules = zip(unknown, repeated, legs, strict=True)
            broken = [("unknown_product" if u else "repeated_product", order) for u, r, (_, order) in rules if u or r]
        elif all(self.book(product).is_fillable(order, time_min) for product, order in legs):
            return [self.book(product).submit(replace(order, kind="fok"), time_min) for product, order in legs]
        else:
            broken = [("basket_not_filled", order) for _, order in legs]
        self.refusals += [Refusal(time_min, order.order_id, order.owner, rule) for rule, order in broken]
        return [[] for _ in legs]

    def close_gates(self, time_min: float) -> int:
        """Drop what still rests in books whose gate has closed; gives the number of orders dropped."""
        closed = [b for b in self._books.values() if time_min >= b.terms.closes_min]
        return sum(b.expire(time_min) for b in closed)

    def close(self, first_period: int) -> list[OrderBook]:
        """Take out the books of all products whose delivery starts in a period."""
        starting = [Product(first_period, length) for length in LENGTHS]
        return [self._books.pop(product) for product in starting if product in self._books]

    @property
    def books(self) -> dict[Product, OrderBook]:
        """All books that have been used."""
        return dict(self._books)
