"""Tasks of a Django project, for the tests beside this file."""

from typing import Any

from django_tasks import task

done: list[Any] = []


@task()
def charge(order: int, amount: str = "0") -> None:
    done.append((order, amount))


@task(takes_context=True)
def flaky(context: Any, order: int) -> None:
    done.append((order, context.attempt))
    if context.attempt < 2:
        raise OSError("away")


@task()
async def in_a_loop(order: int) -> None:
    done.append(order)


@task(queue_name="mails")
def mail(number: int) -> None:
    done.append(number)
