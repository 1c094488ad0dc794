"""Batches under way; pure, and shared by both clients."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

from creditgate._failures import failure_of_operation
from creditgate.errors import CallFailed, InvalidRequest, OutcomeUnknown, Unavailable
from creditgate.operations import Operation
from creditgate.retries import Attempts
from creditgate.v1 import authorization_pb2

AnswerT = TypeVar("AnswerT")


class Batch(Generic[AnswerT]):
    """The operations of one batch, and what became of each. It only decides; the clients call and wait.

    What could not be decided for the moment is asked for again, within the deadline of the call, and with it what
    stands behind it for the same account: their order is kept. Of an atomic batch it is always all.
    """

    def __init__(self, operations: Iterable[Operation[AnswerT]], *, atomic: bool) -> None:
        self._operations = tuple(operations)
        self._atomic = atomic
        self._places = list(range(len(self._operations)))
        self._results: dict[int, AnswerT | CallFailed] = {}
        self._is_answered = False

    @property
    def has_commits(self) -> bool:
        """Whether it pays for what was sent."""
        return any(operation.message.HasField("commit") for operation in self._operations)

    def request(self) -> authorization_pb2.BatchRequest:
        """Ask for all that is not decided yet."""
        messages = [self._operations[place].message for place in self._places]
        return authorization_pb2.BatchRequest(operations=messages, atomic=self._atomic)

    def take(self, response: authorization_pb2.BatchResponse) -> None:
        """Take the answer to the last request."""
        self._is_answered = True
        for place, result in zip(self._places, response.results, strict=True):
            is_error = result.HasField("error")
            self._note(place, failure_of_operation(result.error) if is_error else self._operations[place].read(result))

    def fail(self, failure: CallFailed) -> None:
        """Take the failure of the last request as that of all its operations. Raise it if that is all there is."""
        if not self._is_answered and not failure.repeatable:
            raise failure
        for place in self._places:
            self._note(place, failure)

    def wait_s(self, attempts: Attempts) -> float | None:
        """Return how many seconds to wait before the next request; None: there is none, `results` are final.

        Raise what the call fails with if it never got an answer.
        """
        undecided = [failure for place in self._places if (failure := self._undecided(place))]
        if not undecided:
            return None
        try:
            wait_s = attempts.wait_s_after(max(undecided, key=lambda failure: failure.retry_delay_s))
        except CallFailed:
            if self._is_answered:
                return None
            raise
        self._places = self._to_repeat()
        return wait_s

    def results(self) -> list[AnswerT | CallFailed]:
        """Return what became of each operation, in their order."""
        return [self._results[place] for place in range(len(self._operations))]

    def _undecided(self, place: int) -> CallFailed | None:
        result = self._results[place]
        return result if isinstance(result, CallFailed) and result.repeatable else None

    def _to_repeat(self) -> list[int]:
        if self._atomic:
            return self._places
        accounts = set[str]()
        places = []
        for place in self._places:
            account_id = self._operations[place].account_id
            if self._undecided(place):
                accounts.add(account_id)
            # What is wrong in itself stays so, and names its place among all.
            if account_id in accounts and not isinstance(self._results[place], InvalidRequest):
                places.append(place)
        return places

    def _note(self, place: int, result: AnswerT | CallFailed) -> None:
        if isinstance(result, Unavailable) and isinstance(self._results.get(place), OutcomeUnknown):
            # That the last attempt had no effect says nothing about an earlier one whose answer was lost.
            return
        self._results[place] = result
