"""Those who look after dead letters: they send messages again, let failed runs go on, and delete what is of no use any more."""

import asyncio
from collections.abc import Container
from typing import TYPE_CHECKING

from ringback.broker.ids import position
from ringback.broker.records import DeadLetter, Message, Run
from simulation.endpoints import FLOW
from simulation.users import LABEL, acknowledged
from simulation.verdict import Broken, hold
from simulation.witness import Enqueued

if TYPE_CHECKING:
    from simulation.world import World
    from support.inprocess import Answered

_PAGE = 1
"""How many letters a page has: so few that there are several pages."""


class Menders:
    """All of them.

    Args:
        world: where they are.
    """

    def __init__(self, world: "World") -> None:
        self._world = world
        self._ever: list[DeadLetter] = []
        self._counted = 0

    async def send_again(self) -> None:
        """Send the message of one dead letter again; somebody else may have taken it meanwhile."""
        letter = self._one(of_run=False)
        if letter is None:
            return
        self._world.known.letters_again.add(letter.pos)
        self._world.tell(f"the dead letter of {letter.message:x} is to be sent again")
        answer, asked = await self._call("POST", f"/v2/dlq/retry/{position(letter.pos)}")
        with self._world.judging():
            if self._is_taken(answer, 201, letter):
                self._sent_again([letter], [answer.json], asked)

    async def send_many_again(self) -> None:
        """Send those with a label again, page by page, or some by their ids."""
        known = self._world.known
        before, filter_ = self._some(known.letters_again, of_run=False)
        self._world.tell(f"dead letters are to be sent again: {filter_}")
        cursor: str | None = ""
        while cursor is not None and before:
            answer, asked = await self._call("POST", f"/v2/dlq/retry?{filter_}{cursor}")
            if answer.status != 201:
                return
            made = answer.json["responses"]
            with self._world.judging():
                seqs = {_seq(one["messageId"]) for one in made}
                self._sent_again(self._sources(seqs), made, asked)
            cursor = _next(answer)
        self._are_gone(before, "sent again")

    async def delete(self) -> None:
        """Delete one dead letter, of a message or of a run."""
        of_run = self._world.chance.random() < 0.4
        letter = self._one(of_run=of_run)
        if letter is None:
            return
        self._world.known.letters_deleted.add(letter.pos)
        self._world.tell(f"the dead letter of {letter.message:x} is to be deleted")
        way = "/v2/workflows/dlq" if of_run else "/v2/dlq"
        answer, _ = await self._call("DELETE", f"{way}/{position(letter.pos)}")
        with self._world.judging():
            if self._is_taken(answer, 200, letter):
                hold(letter.pos not in self._world.account.graves.came_of, f"{letter.message:x} is deleted and sent")
                self._count(1)

    async def delete_many(self) -> None:
        """Delete those with a label, page by page, or some by their ids."""
        of_run = self._world.chance.random() < 0.4
        before, filter_ = self._some(self._world.known.letters_deleted, of_run=of_run)
        self._world.tell(f"dead letters are to be deleted: {filter_}")
        way, cursor = "/v2/workflows/dlq" if of_run else "/v2/dlq", ""
        after: str | None = cursor
        while after is not None and before:
            answer, _ = await self._call("DELETE", f"{way}?{filter_}{after}")
            if answer.status != 200:
                return
            with self._world.judging():
                self._count(answer.json["deleted"])
            after = _next(answer)
        self._are_gone(before, "deleted")

    async def mend_run(self) -> None:
        """Let a failed run go on where it failed, or from its beginning."""
        letter, how = self._one(of_run=True), self._world.chance.choice(("resume", "restart"))
        if letter is None:
            return
        self._world.known.runs_again.add(letter.pos)
        self._world.tell(f"the failed run of {letter.message:x}: {how}")
        answer, _ = await self._call("POST", f"/v2/workflows/dlq/{how}/{position(letter.pos)}")
        with self._world.judging():
            if self._is_taken(answer, 200, letter):
                self._begun_again([letter], [answer.json["workflowRunId"]], how)

    async def mend_runs(self) -> None:
        """Let the failed runs with a label go on, page by page, or some by their ids."""
        known, how = self._world.known, self._world.chance.choice(("resume", "restart"))
        before, filter_ = self._some(known.runs_again, of_run=True)
        self._world.tell(f"failed runs, {how}: {filter_}")
        after: str | None = ""
        while after is not None and before:
            answer, _ = await self._call("POST", f"/v2/workflows/dlq/{how}?{filter_}{after}")
            if answer.status != 200:
                return
            runs = [one["workflowRunId"] for one in answer.json["workflowRuns"]]
            with self._world.judging():
                self._begun_again(self._sources(set(runs)), runs, how)
            after = _next(answer)
        self._are_gone(before, "begun again")

    async def _call(self, method: str, target: str) -> "tuple[Answered, float]":
        node, asked = self._world.any_node(), asyncio.get_running_loop().time()
        assert node is not None
        answer = await node.call(method, target)
        allowed = (200, 201, 404, 503) if self._world.limits.dlq_retention_ms > 100_000 else (200, 201, 400, 404, 503)
        if answer.status not in allowed:
            self._world.accuse(Broken(f"{method} {target}: {answer.status} {answer.json}"))
        return answer, asked

    def _letters(self, *, of_run: bool) -> list[DeadLetter]:
        """Return the letters there are; whoever was ever there is remembered."""
        found = [one for one in self._world.account.rows[DeadLetter].values() if isinstance(one, DeadLetter)]
        new = {one.pos for one in self._ever}
        self._ever += [one for one in found if one.pos not in new]
        return [one for one in found if bool(one.run) == of_run]

    def _one(self, *, of_run: bool) -> DeadLetter | None:
        """Return one, now and then one that was there, if anybody can be asked."""
        found, chance = self._letters(of_run=of_run), self._world.chance
        if chance.random() < 0.1:
            found = [one for one in self._ever if bool(one.run) == of_run]
        return chance.choice(found) if found and self._world.any_node() is not None else None

    def _some(self, asked: set[int | str], *, of_run: bool) -> tuple[list[DeadLetter], str]:
        """Return letters and the filter that asks for them; none if nobody can be asked."""
        found, chance = self._letters(of_run=of_run), self._world.chance
        if not found or self._world.any_node() is None:
            return [], ""
        if chance.random() < 0.5:
            chosen = chance.sample(found, min(len(found), 3))
            asked.update(one.pos for one in chosen)
            return chosen, "&".join(f"dlqIds={position(one.pos)}" for one in chosen)
        asked.add(LABEL)
        filter_ = f"label={LABEL}&count={_PAGE}"
        return [one for one in found if LABEL in self._labels(one)], filter_ + (f"&workflowUrl={FLOW}" * of_run)

    def _labels(self, letter: DeadLetter) -> tuple[str, ...]:
        rows = self._world.account.rows
        about = rows[Run].get((letter.run,)) if letter.run else rows[Message].get((letter.message,))
        if isinstance(about, Run):
            return about.options.labels
        return about.labels if isinstance(about, Message) else ()

    def _is_taken(self, answer: "Answered", good: int, letter: DeadLetter) -> bool:
        """Whether a call has taken a letter; one that says that there is none must be right."""
        is_there = (letter.pos,) in self._world.account.rows[DeadLetter]
        hold(answer.status != 404 or not is_there, f"the dead letter of {letter.message:x} is there and was not found")
        hold(answer.status != good or not is_there, f"the dead letter of {letter.message:x} was taken and is there")
        self._world.seen["a dead letter was gone when it was asked for"] += answer.status == 404
        return answer.status == good

    def _sources(self, made: Container[int | str | None]) -> list[DeadLetter]:
        """Return the letters that these messages or runs have come of; some may have come up after the call was made."""
        graves = self._world.account.graves
        return [one for one in graves.taken.values() if graves.came_of.get(one.pos) in made]

    def _sent_again(self, letters: list[DeadLetter], answers: list[dict[str, str]], asked: float) -> None:
        came_of = self._world.account.graves.came_of
        made = {_seq(one["messageId"]) for one in answers}
        hold({came_of.get(one.pos) for one in letters} == made, "what was sent again does not come of its dead letter")
        for one in answers:
            message = self._world.account.message(_seq(one["messageId"]))
            acknowledged(self._world, one, message.body)
            if message.queue:
                enqueued = self._world.witness.enqueued.setdefault(message.queue, [])
                enqueued.append(Enqueued(message.seq, asked, asyncio.get_running_loop().time()))

    def _begun_again(self, letters: list[DeadLetter], runs: list[str], how: str) -> None:
        graves, known = self._world.account.graves, self._world.known
        hold({graves.came_of.get(one.pos) for one in letters} == set(runs), "a run does not come of its dead letter")
        for letter in letters:
            run = str(graves.came_of[letter.pos])
            first, had = graves.begun_with[run]
            hold(first == (1 if how == "restart" else had), f"{run}, {how}: it began with {first} of {had} entries")
            known.runs.append(run)
            old = self._world.account.rows[Run].get((letter.run,))
            if isinstance(old, Run) and old.run_id in known.labelled:
                known.labelled.add(run)
            self._world.tell(f"run {run} is acknowledged")

    def _count(self, deleted: int) -> None:
        self._counted += deleted
        gone = self._world.account.graves.deleted
        hold(self._counted <= gone, f"{self._counted} dead letters were deleted by what was answered, {gone} are gone")

    def _are_gone(self, before: list[DeadLetter], what: str) -> None:
        left = [one for one in before if (one.pos,) in self._world.account.rows[DeadLetter]]
        if left:
            self._world.accuse(
                Broken(f"the dead letter of {left[0].message:x} was to be {what} with others, and is there")
            )
        self._world.seen[f"many dead letters were {what}"] += len(before) > _PAGE


def _seq(message_id: str) -> int:
    return int(message_id.removeprefix("msg_"), 16)


def _next(answer: "Answered") -> str | None:
    cursor = answer.json.get("cursor")
    return f"&cursor={cursor}" if cursor else None
