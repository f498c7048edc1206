"""How it is with a job at the broker: its runs and their dead letters carry the job's label there."""

import json
from dataclasses import dataclass
from typing import Any, Literal

from qstash import QStash
from qstash.errors import QStashError

from ringback.client import DeadLetterFilter, LogFilter, WorkflowClient
from ringback.errors import Refused
from ringback_video.publishing import label_of

_FORBIDDEN = 489
"""A run answers it when trying again cannot help."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What the broker says.

    Attributes:
        where: `going`: it is at it, or will be; `failed`: a run's dead letter has what is needed to resume it; `gone`: it has
            nothing of the job that goes on; `silent`: it could not be asked.
        text: why, for a person.
        kind: what a run or message that goes on waits for, in the broker's words; empty if it does not say.
        run_id: the newest run, empty before there is one.
        dlq_id: the dead letter of a failed run.
        is_hopeless: whether the run has forbidden further tries.
        is_ending: whether its failure function is still to be called.
    """

    where: Literal["going", "failed", "gone", "silent"]
    text: str = ""
    kind: str = ""
    run_id: str = ""
    dlq_id: str = ""
    is_hopeless: bool = False
    is_ending: bool = False


def standing_of(client: WorkflowClient, queue: QStash, job_id: str, message_id: str | None) -> Standing:
    """Ask the broker about a job.

    Args:
        client: ringback's.
        queue: the official client.
        job_id: which.
        message_id: the message that starts it; None if it was not published.

    Raises:
        Exception: it cannot be asked; two clients stand in between.
    """
    label = label_of(job_id)
    runs = client.logs(LogFilter(labels=(label,)), count=1).items
    if not runs:
        return _message(client, queue, message_id)
    run_id, state = str(runs[0]["workflowRunId"]), runs[0]["workflowState"]
    if state == "RUN_STARTED":
        kind, text = _why(client, run_id)
        return Standing("going", text, kind, run_id)
    if state == "RUN_FAILED":
        letters = client.dead_letters(DeadLetterFilter(labels=(label,))).items
        for letter in letters:
            if letter["workflowRunId"] == run_id:
                return _failed(letter)
    return Standing("gone", f"the run has ended ({state}), but the job has not", run_id=run_id)


def _message(client: WorkflowClient, queue: QStash, message_id: str | None) -> Standing:
    """Before there is a run there is the message that starts it."""
    if message_id is None:
        return Standing("gone", "the broker knows nothing of it")
    kind, text = _why(client, message_id)
    if kind == "ended":
        return Standing("gone", f"the message that starts it: {text}")
    if not kind:
        try:
            text = f"the message that starts it is on its way to {queue.message.get(message_id).url}"
        except QStashError:
            return Standing("gone", "the broker no longer has the message that starts it")
    return Standing("going", text, kind)


def _why(client: WorkflowClient, id_: str) -> tuple[str, str]:
    """Return kind and text of the first cause; a broker that is not ours does not say."""
    try:
        causes = client.why(id_)["causes"]
    except Refused:
        return "", ""
    return (str(causes[0]["kind"]), str(causes[0]["text"])) if causes else ("", "")


def _failed(letter: dict[str, Any]) -> Standing:
    status = letter.get("responseStatus", 0)
    said = str(letter.get("responseBody", ""))
    try:
        text = str(json.loads(said)["message"])
    except (ValueError, KeyError, TypeError):
        text = f"Studio did not answer as it should (status {status})"
    return Standing(
        "failed",
        text,
        run_id=str(letter["workflowRunId"]),
        dlq_id=str(letter["dlqId"]),
        is_hopeless=status == _FORBIDDEN,
        is_ending=letter.get("failureFunctionState") == "CALLBACK_INPROGRESS",
    )
