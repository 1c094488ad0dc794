"""Results of `Batch` and `Stream`: each operation's as its own method would have answered, or an error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from creditgate.v1 import authorization_pb2 as pb
from creditgate_server.credit import operations as ask
from creditgate_server.rpc.render import authorization as render

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from google.protobuf.message import Message

    from creditgate.v1 import error_reason_pb2

_ANSWERS: Final[Mapping[type[ask.Batched], tuple[str, Callable[[Any, Any], Message]]]] = {
    ask.Quote: ("quote", render.render_quote),
    ask.Reserve: ("reserve", render.render_reserve),
    ask.Commit: ("commit", render.render_commit),
    ask.Release: ("release", render.render_release),
    ask.Extend: ("extend", render.render_extend),
    ask.Charge: ("charge", render.render_charge),
    ask.Refund: ("refund", render.render_refund),
}


def render_result(tag: str, operation: ask.Batched, outcome: object) -> pb.Result:
    """Render the answer to one operation."""
    name, render_answer = _ANSWERS[type(operation)]
    result = pb.Result(tag=tag)
    getattr(result, name).CopyFrom(render_answer(operation, outcome))
    return result


def render_error(tag: str, error: error_reason_pb2.Error) -> pb.Result:
    """Render that an operation failed."""
    return pb.Result(tag=tag, error=error)
