"""Batches: requests of `Batch`, and frames of `Stream`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from creditgate_server.rpc.parse import authorization as parse
from creditgate_server.rpc.parse.checks import Checks, InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from creditgate.v1 import authorization_pb2 as pb
    from creditgate_server.credit.operations import Batched

OPERATIONS_MAX: Final = 1000
"""Operations of a batch: some 50 ms of this process."""

ATOMIC_OPERATIONS_MAX: Final = 32
"""Operations of an atomic batch, which the store does in one step, and nobody else's meanwhile: some milliseconds."""

TAG_CHARACTERS_MAX: Final = 128

_KINDS: Final[Mapping[str, Callable[[Any], Batched]]] = {
    "quote": parse.parse_quote,
    "reserve": parse.parse_reserve,
    "commit": parse.parse_commit,
    "release": parse.parse_release,
    "extend": parse.parse_extend,
    "charge": parse.parse_charge,
    "refund": parse.parse_refund,
}


@dataclass(frozen=True, slots=True)
class Item:
    """One operation of a batch, or what is wrong with it.

    `method` is the one that it stands for ("" where it says none), `path` its place, such as `operations[3].reserve`.
    """

    tag: str
    method: str
    path: str
    operation: Batched | InvalidRequest


def check_operations(operations: Sequence[pb.Operation]) -> None:
    """Check how many operations a batch has. Raises InvalidRequest."""
    if not 1 <= len(operations) <= OPERATIONS_MAX:
        raise InvalidRequest((("operations", f"must be 1 to {OPERATIONS_MAX:,}"),))


def parse_operations(operations: Sequence[pb.Operation], first: int = 0) -> list[Item]:
    """Read operations, of which the first stands at `first` of its batch; what is wrong with one is its own."""
    return [_parse_operation(operation, number) for number, operation in enumerate(operations, first)]


def parse_atomic(operations: Sequence[pb.Operation]) -> list[Item]:
    """Read the operations of an atomic batch. Raises InvalidRequest, of all of them at once."""
    if len(operations) > ATOMIC_OPERATIONS_MAX:
        raise InvalidRequest((("operations", f"must be at most {ATOMIC_OPERATIONS_MAX} where atomic"),))
    items = parse_operations(operations)
    checks = Checks()
    for operation, item in zip(operations, items, strict=True):
        if isinstance(item.operation, InvalidRequest):
            for field, message in item.operation.violations:
                checks.refuse(field, message)
            continue
        if operation.HasField("quote"):
            checks.refuse(item.path, "must not be in an atomic batch: it has no id")
        if operation.HasField("reserve") and not operation.reserve.reservation_id:
            checks.refuse(f"{item.path}.reservation_id", "is required where atomic")
        if isinstance(items[0].operation, InvalidRequest):
            continue
        checks.organisation(f"{item.path}.account_id", item.operation.account_id, items[0].operation.account_id)
    checks.finish()
    return items


def _parse_operation(operation: pb.Operation, number: int) -> Item:
    place = f"operations[{number}]"
    kind = operation.WhichOneof("operation")
    if kind is None:
        return Item(operation.tag, "", place, InvalidRequest(((place, f"must have one of {', '.join(_KINDS)}"),)))
    path = f"{place}.{kind}"
    wrong: tuple[tuple[str, str], ...] = ()
    if len(operation.tag) > TAG_CHARACTERS_MAX:
        wrong = ((f"{place}.tag", f"must not exceed {TAG_CHARACTERS_MAX} characters"),)
    parsed: Batched | InvalidRequest
    try:
        parsed = _KINDS[kind](getattr(operation, kind))
    except InvalidRequest as error:
        wrong += tuple((f"{path}.{field}", message) for field, message in error.violations)
    return Item(operation.tag, kind.capitalize(), path, InvalidRequest(wrong) if wrong else parsed)
