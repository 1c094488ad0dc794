"""For task queues: a task that is delivered twice sends, and pays, once.

>>> @creditgate.authorized(
...     lambda message_id, account, text: client.authorize(
...         account, reservation_id=message_id, attempts_max=5, body=text
...     )
... )
... def send(hold, message_id, account, text):
...     print(f"to the carrier, as {hold.reservation_id}: {text}")

>>> send("message-1", "acme/field", "Your table is ready")
to the carrier, as message-1: Your table is ready
>>> send("message-1", "acme/field", "Your table is ready")  # delivered again, and done before
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack, ExitStack
from functools import wraps
from typing import Any, Concatenate, Final, ParamSpec, TypeVar, overload

from creditgate._holds import Hold
from creditgate.errors import AlreadyCommitted

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
HoldT = TypeVar("HoldT", bound=Hold)

_log: Final = logging.getLogger(__name__)


@overload
def authorized(
    authorization: Callable[Arguments, AbstractContextManager[HoldT]],
) -> Callable[[Callable[Concatenate[HoldT, Arguments], Result]], Callable[Arguments, Result | None]]: ...


@overload
def authorized(
    authorization: Callable[Arguments, AbstractAsyncContextManager[HoldT]],
) -> Callable[
    [Callable[Concatenate[HoldT, Arguments], Coroutine[Any, Any, Result]]],
    Callable[Arguments, Coroutine[Any, Any, Result | None]],
]: ...


def authorized(authorization: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate a function that sends, so that each call runs inside the authorization made of its arguments.

    `authorization` takes the arguments of the call, and makes a `client.authorize(…)` of them. Its `reservation_id`
    must be the message's own id, the same whenever this message is delivered. The function gets the hold before these
    arguments; returning commits it and an exception gives it back, as leaving the block does in `Client.authorize`.

    What that raises this raises too, but for one thing: where the message of this id was sent before, the task is done,
    and the call returns None instead of `AlreadyCommitted`. So it does where a denial is not to be raised.

    With an asyncio client it decorates a coroutine function.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(f"{function.__qualname__} is a generator: its hold would be settled before it runs")
        if inspect.iscoroutinefunction(function):
            return _without_hold(_run_async(authorization, function), function)
        return _without_hold(_run(authorization, function), function)

    return decorate


def _run(authorization: Callable[..., Any], function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def run(*args: object, **kwargs: object) -> object:
        with ExitStack() as stack:
            try:
                hold: Hold = stack.enter_context(authorization(*args, **kwargs))
            except AlreadyCommitted as settled:
                _log_skipped(function, settled)
                return None
            return function(hold, *args, **kwargs) if hold.allowed else None

    return run


def _run_async(authorization: Callable[..., Any], function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    async def run(*args: object, **kwargs: object) -> object:
        async with AsyncExitStack() as stack:
            try:
                hold: Hold = await stack.enter_async_context(authorization(*args, **kwargs))
            except AlreadyCommitted as settled:
                _log_skipped(function, settled)
                return None
            return await function(hold, *args, **kwargs) if hold.allowed else None

    return run


def _without_hold(run: Callable[..., Any], function: Callable[..., Any]) -> Callable[..., Any]:
    """Show the arguments that callers give, as queues look at them: all but the first."""
    signature = inspect.signature(function)
    _, *parameters = signature.parameters.values()
    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]  # where PEP 362 looks for it
    return run


def _log_skipped(function: Callable[..., Any], settled: AlreadyCommitted) -> None:
    _log.info("%s is not run again: %s", function.__qualname__, settled)
