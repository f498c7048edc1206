"""An import from its beginning to its account, and the looks at it before and after."""

from dataclasses import dataclass, field, replace

from ringback.client import Transport
from ringback.clock import Clock, now
from ringback.importing.bullmq.account import Account, close
from ringback.importing.bullmq.moving import Mover, Patience, Watch
from ringback.importing.bullmq.post import Post
from ringback.importing.bullmq.redis_ledger import Ledger
from ringback.importing.bullmq.redis_queue import RedisQueue
from ringback.importing.bullmq.returning import Returned, Returner
from ringback.importing.bullmq.survey import Survey, Tell, survey
from ringback.importing.bullmq.wishes import Wishes

WEEK_S = 7 * 86_400


def _silent(_step: str, _count: int) -> None:
    """Nobody watches."""


@dataclass(slots=True)
class Import:
    """The import of one queue.

    Attributes:
        queue: where jobs are.
        transport: to the broker.
        wishes: where to and how.
        parallelism: of the queue they go into; None leaves it as it is, a new one gets 1.
        pause: whether BullMQ's queue is paused first.
        patience: how long to wait for workers.
        keep_s: seconds that moved jobs are kept in Redis.
        watch: told of every step.
        clock: tells the time.
    """

    queue: RedisQueue
    transport: Transport
    wishes: Wishes
    parallelism: int | None = None
    pause: bool = True
    patience: Patience = field(default_factory=Patience)
    keep_s: int = WEEK_S
    watch: Watch = _silent
    clock: Clock = now

    def look(self, tell: Tell = lambda _: None) -> Survey:
        """Return what the queue holds and what would become of it."""
        return survey(self.queue, self.wishes, self.clock(), tell)

    def suit(self) -> str | None:
        """Take into account what the broker cannot do; says what was changed.

        Raises:
            Refused: the broker says no.
            BrokerUnreachable: it gives no answer.
        """
        wished = "letter" in (self.wishes.failed, self.wishes.stalled)
        if not wished or ("://" in self.wishes.destination and Post(self.transport).takes_letters()):
            return None
        failed = "park" if self.wishes.failed == "letter" else self.wishes.failed
        stalled = "park" if self.wishes.stalled == "letter" else self.wishes.stalled
        self.wishes = replace(self.wishes, failed=failed, stalled=stalled)
        return (
            "this broker takes no dead letters from outside (or the destination is a URL group): "
            f"jobs that failed go into the paused queue {self.wishes.parked!r} instead"
        )

    def carry_out(self) -> Account:
        """Move the queue and return the account; run again after a crash, it goes on.

        Raises:
            RingbackError: the broker or the ledger stops it.
        """
        ledger, post = Ledger(self.queue, self.keep_s), Post(self.transport)
        mover = Mover(self.queue, ledger, post, self.wishes, self.patience, self.watch, self.clock)
        ledger.begin(self.clock())
        if self.pause:
            mover.quiet()
        before = self.look()
        baseline = ledger.remember(before.baseline(paused=self.pause))
        if self.wishes.into:
            post.make_queue(self.wishes.into, self.parallelism, paused=False)
        if any(action == "park" for _, action in before.moves):
            post.make_queue(self.wishes.parked, None, paused=True)
        mover.move()
        return close(ledger.rows(), baseline, self.look(), post.known(f"import-{ledger.token}"))

    def roll_back(self, wait_s: float = 30) -> Returned:
        """Put back what has not run at the broker.

        Raises:
            RingbackError: the broker stops it; run it again to go on.
        """
        ledger, post = Ledger(self.queue, self.keep_s), Post(self.transport)
        return Returner(ledger, post, self.transport, wait_s, self.watch, self.clock).roll_back()
