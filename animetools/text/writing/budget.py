"""What a run may ask of a service that takes money, and what it has cost so far."""

import asyncio
from dataclasses import dataclass

MILLION = 1_000_000
AROUND = 64  # tokens that a service may put around a prompt


class Spent(Exception):  # noqa: N818  it is no error
    """Nothing more may be asked; the message says what is used up."""


@dataclass(frozen=True)
class Limits:
    """The most requests, and the most money at these prices of a million tokens; None is no limit."""

    max_requests: int | None = None
    max_cost: float | None = None
    price_in: float = 0.0
    price_out: float = 0.0

    def cost(self, tokens_in: int, tokens_out: int) -> float:
        """What a request costs."""
        return (tokens_in * self.price_in + tokens_out * self.price_out) / MILLION

    def worst(self, prompt: str, max_tokens: int) -> float:
        """The most that a request may cost: no token is shorter than a byte."""
        return self.cost(len(prompt.encode()) + AROUND, max_tokens)


class Budget:
    """Keeps within the limits, for any number of tasks of one event loop.

    A request sets aside the most that it may cost, and pays what it did cost when it is over: so
    the limit holds whatever comes back, and whatever is on its way.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.requests = 0
        self.spent = 0.0
        self.aside = 0.0
        self.flying = 0
        self.changed = asyncio.Condition()

    async def take(self, worst: float) -> None:
        """Begin a request; waits where one that is on its way may leave enough.

        Raises Spent.
        """
        async with self.changed:
            while not self._fits(self.aside + worst):
                if not (self.flying and self._fits(worst)):
                    raise Spent(self._used_up(worst))
                await self.changed.wait()
            self.requests += 1
            self.flying += 1
            self.aside += worst

    async def settle(self, worst: float, cost: float) -> None:
        """A request is over."""
        async with self.changed:
            self.flying -= 1
            self.aside = self.aside - worst if self.flying else 0.0
            self.spent += cost
            self.changed.notify_all()

    def _fits(self, more: float) -> bool:
        limits = self.limits
        if limits.max_requests is not None and self.requests >= limits.max_requests:
            return False
        return limits.max_cost is None or self.spent + more <= limits.max_cost

    def _used_up(self, worst: float) -> str:
        limits = self.limits
        if limits.max_requests is not None and self.requests >= limits.max_requests:
            return f"--max-requests {limits.max_requests} are used up"
        return (
            f"--max-cost {limits.max_cost:g} is used up: {self.spent:.6f} is spent, and the next"
            f" request may cost {worst:.6f}"
        )
