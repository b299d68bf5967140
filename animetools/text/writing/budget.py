"""How many requests a run may make of a paid service, what they may cost, and what they did."""

import asyncio
from dataclasses import dataclass

MILLION = 1_000_000
EXTRA = 64  # tokens that a service may add around a prompt


class BudgetExhausted(Exception):  # noqa: N818  not an error
    """No more requests may be made; the message says which limit was reached."""


@dataclass(frozen=True)
class Limits:
    """The most requests, and the most money, by prices per million tokens; None is no limit."""

    max_requests: int | None = None
    max_cost: float | None = None
    price_in: float = 0.0
    price_out: float = 0.0

    def cost(self, tokens_in: int, tokens_out: int) -> float:
        """The cost of a request."""
        return (tokens_in * self.price_in + tokens_out * self.price_out) / MILLION

    def worst(self, prompt: str, max_tokens: int) -> float:
        """The most that a request may cost: a token is at least a byte."""
        return self.cost(len(prompt.encode()) + EXTRA, max_tokens)


class Budget:
    """Keeps the limits, for any number of tasks of one event loop.

    A request reserves the most that it may cost, and pays what it did cost when it is over: so the
    limit holds whatever the answers are, also while several requests are pending.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.requests = 0
        self.spent = 0.0
        self.reserved = 0.0
        self.pending = 0
        self.changed = asyncio.Condition()

    async def take(self, worst: float) -> None:
        """Begin a request; waits if a pending one may leave enough.

        Raises BudgetExhausted.
        """
        async with self.changed:
            while not self._fits(self.reserved + worst):
                if not (self.pending and self._fits(worst)):
                    raise BudgetExhausted(self._reason(worst))
                await self.changed.wait()
            self.requests += 1
            self.pending += 1
            self.reserved += worst

    async def settle(self, worst: float, cost: float) -> None:
        """End a request."""
        async with self.changed:
            self.pending -= 1
            self.reserved = self.reserved - worst if self.pending else 0.0
            self.spent += cost
            self.changed.notify_all()

    def _fits(self, more: float) -> bool:
        limits = self.limits
        if limits.max_requests is not None and self.requests >= limits.max_requests:
            return False
        return limits.max_cost is None or self.spent + more <= limits.max_cost

    def _reason(self, worst: float) -> str:
        limits = self.limits
        if limits.max_requests is not None and self.requests >= limits.max_requests:
            return f"--max-requests {limits.max_requests} is used up"
        return (
            f"--max-cost {limits.max_cost:g} is used up: {self.spent:.6f} is spent, and the next"
            f" request may cost {worst:.6f}"
        )
