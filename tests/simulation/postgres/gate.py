"""The gate in front of the server: one statement at a time goes through, in the order that the seed has given them.

A statement waits for a moment of virtual time before it is let through, so that transactions of all brokers are interleaved in
every way. It is run to its end while virtual time stands still. Where it waits for a lock it is set aside, and others go on; it
ends when the server lets it, which is looked for whenever locks were given back. A connection may be cut before any statement,
and between a commit and its answer.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import asyncpg

from ringback.broker.changes import Changes
from ringback.broker.operations import nodes
from ringback.broker.records import Node
from ringback.broker.stores.postgres import store
from ringback.broker.stores.postgres.statements import LOCK_ABSENT, absent_lock
from simulation.postgres.aside import Aside
from simulation.postgres.backstage import Backstage
from simulation.postgres.order import Order
from simulation.postgres.session import Session, Step, lost
from simulation.verdict import Broken

_PACES = (0.001, 0.01, 0.03, 0.1)
"""Virtual seconds that a statement waits, about; all of one transaction are of the same kind, so that some dawdle."""
_HESITATES, _HESITATES_S = 0.25, 0.8
"""How likely it is that one who has looked what is there hesitates to take it, and for how many virtual seconds at most."""
_PATIENCE_S = 10.0
"""Virtual seconds a statement waits for a lock, at most; as the store tells the server."""
_IDLE_S = 2.0
"""Virtual seconds a session may stand idle in a transaction; as the store tells the server."""
_UNHEARD_S = 11.0
"""Virtual seconds after which a connection that says nothing is given up; as the store tells its driver."""
_ANSWER_LOST = 0.002
"""How likely it is that a connection is lost between a commit and its answer."""
_DOOR = absent_lock(Node, (nodes._DOOR,))
_SAID = {
    asyncpg.DeadlockDetectedError: "a deadlock was broken",
    asyncpg.LockNotAvailableError: "a record was made by somebody else meanwhile and is locked",
    asyncpg.DivisionByZeroError: "a lease that was believed in was gone",
    asyncpg.QueryCanceledError: "a statement waited for a lock for too long",
}
"""What it means that the server has refused a statement."""


class Gate:
    """Lets statements through.

    Args:
        backstage: the server.
        chance: decides when.
        seen: how often what has happened.
        order: in which order records are locked.
        on_durable: called after each commit with the session, what it wrote, and whether its broker hears of it.
    """

    def __init__(
        self,
        backstage: Backstage,
        chance: random.Random,
        seen: Counter[str],
        order: Order,
        on_durable: Callable[[Session, list[Changes], bool], None],
    ) -> None:
        self._backstage = backstage
        self._chance = chance
        self.seen = seen
        self.order = order
        self._on_durable = on_durable
        self._loop = asyncio.get_running_loop()
        self._aside = Aside(backstage)
        self.sessions: list[Session] = []
        self.news: list[tuple[Session, Callable[[], None]]] = []
        self.calm = False

    def later(self, what: Callable[[], None]) -> None:
        """Do something outside of any task, at once."""
        self._loop.call_soon(what)

    def connect(self, store: Any) -> Session:
        """Return a new connection; outside of any task."""
        session = Session(self, store, self._backstage.take())
        self.sessions.append(session)
        return session

    def ask(self, session: Session, how: str, *values: Any) -> "asyncio.Future[Any]":
        """Have a statement run when its turn comes."""
        step = Step(session, how, values, self._loop.create_future())
        if session.is_cut:
            step.answer.set_exception(lost())
            return step.answer
        if session.step is not None and not session.step.answer.cancelled():
            step.answer.set_exception(asyncpg.InterfaceError("another operation is in progress"))
            return step.answer
        session.step = step
        if step.statement.startswith("BEGIN"):
            session.pace = self._chance.choice(_PACES)
        self._queue(step)
        return step.answer

    def release(self, steps: list[Step]) -> None:
        """Let statements that were held back come to the gate again."""
        for step in steps:
            self._queue(step)

    def cut(self, session: Session) -> None:
        """Cut a connection: its transaction is rolled back, what it had asked for is answered by nobody."""
        if session.is_cut:
            return
        step = session.step
        if step is not None and step.task is None and step.is_commit and self._chance.random() < 0.5:
            self._perform(step, heard=False)
        session.is_cut = True
        self.seen["a transaction was cut off in the middle"] += session.in_transaction and not self.calm
        self.sessions.remove(session)
        if session.idle is not None:
            session.idle.cancel()
        if step is not None and step in self._aside:
            task = self._aside.give_up(step)
            if task.exception() is None and step.is_commit:
                self._commit(session, heard=False)
        self._recycle(session)
        if step is not None:
            self._answer(step, error=lost())
        for callback in session.on_end:
            self._loop.call_soon(callback, session)
        self._follow()

    def end(self) -> None:
        """The history is over: give all connections back."""
        self._chance = random.Random(0)
        self._on_durable = lambda *_: None
        for session in [*self.sessions]:
            self.cut(session)

    def is_waiting(self) -> bool:
        """Whether statements wait for locks."""
        return bool(self._aside)

    def _queue(self, step: Step) -> None:
        pause = self._chance.uniform(0, 2) * (step.session.pace or self._chance.choice(_PACES))
        if "SKIP LOCKED" in step.statement and self._chance.random() < _HESITATES:
            pause += self._chance.uniform(0, _HESITATES_S)
        self._loop.call_later(pause, self._come, step)

    def _come(self, step: Step) -> None:
        session = step.session
        if step.answer.done() or session.is_cut:
            if session.step is step:
                session.step = None
            return
        if session.store.cut_off:
            session.store.held_back.append(step)
            self._loop.call_later(_UNHEARD_S, self._give_up, step)
            return
        self._perform(step, heard=True)
        if not step.keeps_locks:
            self._follow()

    def _give_up(self, step: Step) -> None:
        if not step.answer.done() and step in step.session.store.held_back:
            step.session.store.held_back.remove(step)
            step.session.step = None
            self._answer(step, error=TimeoutError())

    def _perform(self, step: Step, *, heard: bool) -> None:
        session = step.session
        if session.idle is not None:
            session.idle.cancel()
        if step.statement.startswith("BEGIN"):
            session.in_transaction = True
        session.tells |= "pg_notify" in step.statement or step.statement.startswith("NOTIFY")
        if self._aside.run(step):
            self._finish(step, heard=heard)
        else:
            self.seen["a statement waited for a lock"] += 1
            self.seen["a broker waited at the door"] += step.statement == LOCK_ABSENT and step.values[1] == [_DOOR]
            self._loop.call_later(_PATIENCE_S, self._time_out, step)

    def _time_out(self, step: Step) -> None:
        if step in self._aside:
            self._aside.give_up(step)
            self._finish(step, heard=True)
            self._follow()

    def _finish(self, step: Step, *, heard: bool) -> None:
        session, task = step.session, step.task
        assert task is not None
        error = task.exception()
        was_commit = step.is_commit and error is None
        transaction = session.transaction
        tries = transaction.tries if transaction is not None else 0
        if error is not None:
            session.in_the_way = isinstance(error, store._IN_THE_WAY)
            self.seen[_SAID.get(type(error), f"the server said {type(error).__name__}")] += 1
            self.seen["a transaction was held up again"] += session.in_the_way and tries > 0
        if step.statement in ("COMMIT", "ROLLBACK"):
            session.in_transaction = False
        if was_commit:
            self.seen["what was held up was tried again and is durable"] += tries > 0
            is_lost = heard and not self.calm and self._chance.random() < _ANSWER_LOST
            self._commit(session, heard=heard and not is_lost)
            if is_lost:
                self.seen["an answer to a commit was lost"] += 1
                self.cut(session)
                return
        session.step = None
        if was_commit or step.statement.startswith("NOTIFY"):
            self._pass_news(session)
        if not heard:
            return
        if session.in_transaction:
            session.idle = self._loop.call_later(_IDLE_S, self._hang_up, session)
        self._answer(step, error=error) if error else self._answer(step, result=task.result())

    def _hang_up(self, session: Session) -> None:
        self.seen["a session stood idle in a transaction for too long"] += 1
        self.cut(session)

    def _commit(self, session: Session, *, heard: bool) -> None:
        transaction = session.transaction
        if transaction is not None and transaction.applied:
            self._on_durable(session, transaction.applied, heard)

    def _follow(self) -> None:
        """See who has got the locks that were given back."""
        while self._aside and (steps := self._aside.released()):
            for step in steps:
                self._finish(step, heard=True)

    def _answer(self, step: Step, *, result: Any = None, error: BaseException | None = None) -> None:
        def tell() -> None:
            if step.answer.done():
                return
            if error is not None:
                step.answer.set_exception(error)
            else:
                step.answer.set_result(result)

        step.session.store.hear(tell)

    def _pass_news(self, session: Session) -> None:
        """Have listeners hear what a commit has told them, each after a while."""
        if not session.tells:
            return
        session.tells = False
        for one in self.sessions:
            if one.hears:
                self._backstage.run(one.real.execute("SELECT 1"))  # what was told comes before the answer to this
        news, self.news = self.news, []
        for one, hear in sorted(news, key=lambda piece: self.sessions.index(piece[0])):
            self._loop.call_later(self._chance.uniform(0, 0.05), self._tell, one, hear)

    def _tell(self, session: Session, hear: Callable[[], None]) -> None:
        if session.is_cut or session.store.cut_off:
            self.seen["a notice was lost"] += 1
        else:
            hear()

    def _recycle(self, session: Session) -> None:
        """The server ends the session; another one begins anew."""
        backstage, real = self._backstage, session.real
        if session.in_transaction:
            backstage.run(real.execute("ROLLBACK"))
            session.in_transaction = False
        for channel, heard in session.hears:
            backstage.run(real.remove_listener(channel, heard))
        if session.real.is_closed():
            raise Broken("the server has ended a session by itself") from None
        backstage.give(real)
