"""The accounts of budgets and credits: in memory, exact, opened from the ledger when they are first asked for.

    open      spent = what the database holds + what is on its way there, in the moment in which the ledger answers
    count     from then on the ledger tells every outcome, whoever's request it is of
    claim     what a request would reserve; `policy.budget` decides

Reservations are here only: when the process dies there is none left, and what was spent is read again.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import NamedTuple

from anyrouter.core.budget import Budget, BudgetOwner, BudgetPeriod
from anyrouter.core.ledger import Intent, Outcome
from anyrouter.policy.authorize import is_model_allowed
from anyrouter.policy.budget import CREDITS, Book, Claim, CostBound, counts_model
from anyrouter.policy.day_limit import DAY_MS
from anyrouter.relay.ports import Ledger, ModelUsage, UsageQuestion
from anyrouter.relay.terms import Terms

_MAX_BOOKS = 100_000

BookName = tuple[str, BudgetPeriod, tuple[str, ...] | None]


class Opening(NamedTuple):
    """What has to be read before a request can be judged. `take` is given the answer and the time, in the moment when it is there."""

    name: object
    question: UsageQuestion
    take: Callable[[Mapping[str, ModelUsage], int], None]


class BudgetState(NamedTuple):
    """A budget, and what of it is spent and reserved in its current period, which ends at `end_ms` (None: never)."""

    budget: Budget
    spent: int
    reserved: int
    end_ms: int | None

    @property
    def left(self) -> int:
        """What can be spent yet, not below 0."""
        return max(0, self.budget.limit_nanousd - self.spent - self.reserved)


class Purse:
    """The accounts that requests count against. `read_granted` tells what credits an organisation was given, in nano-USD."""

    def __init__(self, ledger: Ledger, read_granted: Callable[[str], Awaitable[int]] | None = None) -> None:
        self._ledger, self._read_granted = ledger, read_granted
        self._books: dict[BookName, Book] = {}
        self._by_owner: dict[str, list[Book]] = {}
        self._credits: dict[str, Budget] = {}
        self._version = 0

    def list_openings(self, terms: Terms, now_ms: int) -> list[Opening]:
        """The books that are not open yet."""
        openings = []
        for budget in self.list_budgets(terms):
            name = _name(budget)
            if name not in self._books:
                start_ms = Book(budget.period, None, 0, now_ms).account.start_ms
                question = UsageQuestion(budget.organisation_id, budget.owner, budget.owner_id, start_ms // DAY_MS)
                openings.append(Opening(name, question, self._opener(budget, now_ms)))
        return openings

    def lacks_credits(self, terms: Terms) -> bool:
        """Whether what an organisation was given has to be read."""
        return terms.credits_of is not None and terms.credits_of not in self._credits

    async def read_credits(self, organisation_id: str) -> None:
        """Read what it was given. StorageUnavailable."""
        version = self._version
        granted = 0 if self._read_granted is None else await self._read_granted(organisation_id)
        if version == self._version:  # else it is asked again
            self._credits[organisation_id] = _credits(organisation_id, granted)

    def forget_credits(self, organisation_ids: Iterable[str]) -> None:
        """Something has changed there: what was given is read again before the next request."""
        self._version += 1
        for organisation_id in organisation_ids:
            self._credits.pop(organisation_id, None)

    def list_claims(self, terms: Terms, bounds: tuple[CostBound, ...], now_ms: int) -> list[Claim]:
        """The accounts that a request counts against which may go to these targets. Everything is open."""
        claims = []
        for budget in self.list_budgets(terms):
            own = bounds if budget.models is None else tuple(bound for bound in bounds if counts_model(budget, bound.model))
            if own:
                claims.append(Claim(budget, self._books[_name(budget)].turn(now_ms), own))
        return claims

    def list_states(self, terms: Terms, now_ms: int) -> list[BudgetState]:
        """How the budgets stand, credits last. Everything is open."""
        states = []
        for budget in self.list_budgets(terms):
            account = self._books[_name(budget)].turn(now_ms)
            end_ms = None if budget.period is BudgetPeriod.TOTAL else account.end_ms
            states.append(BudgetState(budget, account.spent, account.reserved, end_ms))
        return states

    def count(self, intent: Intent, outcome: Outcome) -> None:
        """Told of everything that the ledger takes: what was charged is spent."""
        cost = outcome.cost_nanousd
        if cost:
            for owner_id in (intent.rotation_group, intent.environment_id, intent.organisation_id):
                for book in self._by_owner.get(owner_id, ()):
                    book.count(intent.model, intent.created_at_ms, cost)

    @property
    def reserved_nanousd(self) -> int:
        """What is reserved in all accounts together: what is reserved in several counts in each."""
        return sum(book.account.reserved for book in self._books.values())

    def list_budgets(self, terms: Terms) -> tuple[Budget, ...]:
        """The budgets that count, and prepaid credits as one more."""
        if terms.credits_of is None:
            return terms.budgets
        return (*terms.budgets, self._credits.get(terms.credits_of) or _credits(terms.credits_of, 0))

    def _opener(self, budget: Budget, asked_ms: int) -> Callable[[Mapping[str, ModelUsage], int], None]:
        def open_book(usage: Mapping[str, ModelUsage], now_ms: int) -> None:
            spent = sum(used.cost for model, used in usage.items() if budget.models is None or is_model_allowed(budget.models, model))
            book = Book(budget.period, budget.models, spent, asked_ms)
            if now_ms >= book.account.end_ms:
                return  # the sum is of a period that is over, and may have some of the next one
            if len(self._books) >= _MAX_BOOKS:
                self._close_idle()
            self._books[_name(budget)] = book
            self._by_owner.setdefault(budget.owner_id, []).append(book)
            self._ledger.watch(self.count)

        return open_book

    def _close_idle(self) -> None:
        """Forget the books that nothing is reserved in: they are opened again when they are needed."""
        self._books = {name: book for name, book in self._books.items() if book.account.reserved}
        self._by_owner = {}
        for name, book in self._books.items():
            self._by_owner.setdefault(name[0], []).append(book)


def _name(budget: Budget) -> BookName:
    """Budgets that count the same have one book: a limit that is changed leaves what was spent."""
    return budget.owner_id, budget.period, budget.models


def _credits(organisation_id: str, granted: int) -> Budget:
    return Budget(
        id=CREDITS,
        organisation_id=organisation_id,
        owner=BudgetOwner.ORGANISATION,
        owner_id=organisation_id,
        limit_nanousd=granted,
        period=BudgetPeriod.TOTAL,
    )
