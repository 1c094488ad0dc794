"""What the holds of both clients have in common: what was answered, and what settles it; pure."""

from __future__ import annotations

from typing import Final, cast

from creditgate import answers, errors
from creditgate._requests import SIZES
from creditgate.fields import Measured, Traffic, UsageFields
from creditgate.terms import Decision, ExpiryAction, ReservationState

RELEASE_TIMEOUT_S: Final = 1.0
"""Longest that an exception waits for the hold's release; after that, the hold's expiry gives the credits back."""

REASON_CHARACTERS_MAX: Final = 128
"""Most characters of a release's reason that a server takes."""


class Hold:
    """What Reserve answered inside `authorize`, and whether somebody has begun to settle it."""

    def __init__(self, account_id: str, usage: UsageFields, answer: answers.Reserved) -> None:
        self.account_id = account_id
        self.answer = answer
        self.expire_time = answer.expire_time
        """When the hold expires, as far as is known here; None when DENIED."""
        self.has_captured = False
        """Whether a part was captured by a commit that kept the hold open: leaving the block gives the rest back."""
        self._usage = usage
        self._settling = 0

    @property
    def settled(self) -> bool:
        """Whether the hold is no longer the block's to settle.

        It is from the first commit or release on, whatever becomes of it: what follows an attempt to commit must not
        release, for the message has been sent. A commit that has kept the hold open gives it back to the block.
        """
        return self._settling > 0

    @property
    def last_credits(self) -> int | None:
        """What leaving the block commits: all that is held (None), or nothing more where parts were captured."""
        return 0 if self.has_captured else None

    @property
    def allowed(self) -> bool:
        """Whether to send. False only where `authorize` was asked not to raise."""
        return self.answer.allowed

    @property
    def decision(self) -> Decision:
        """What was decided."""
        return self.answer.decision

    @property
    def denial(self) -> answers.Denial | None:
        """Why not; also set when ALLOWED_MONITORED."""
        return self.answer.denial

    @property
    def reservation_id(self) -> str:
        """The reservation's id."""
        return self.answer.reservation_id

    @property
    def state(self) -> ReservationState | None:
        """The reservation's state when it was answered: PENDING, or None when DENIED."""
        return self.answer.state

    @property
    def credits(self) -> int:
        """Credits that are held."""
        return self.answer.credits

    @property
    def recipients_granted(self) -> int:
        """To how many recipients to send."""
        return self.answer.recipients_granted

    @property
    def cost(self) -> answers.Cost | None:
        """What the whole usage costs."""
        return self.answer.cost

    @property
    def balance(self) -> answers.Balance:
        """The account's balance after the hold."""
        return self.answer.balance

    @property
    def replayed(self) -> bool:
        """Whether this id had been granted before: by an earlier attempt of this call, or by another worker."""
        return self.answer.replayed

    @property
    def is_to_be_given_back(self) -> bool:
        """Whether an exception releases it: one that was replayed may be another worker's, who is sending by it."""
        return not (self.settled or self.replayed)

    def _check_held(self) -> None:
        """Raise `Denied` if nothing is held."""
        if not self.allowed:
            raise errors.denied(self.answer)

    def _begin_settling(self) -> None:
        """Note that somebody settles the hold. Raise `Denied` if nothing is held."""
        self._check_held()
        self._settling += 1

    def _keep_open(self) -> None:
        """Note that a part was captured, and that the rest is still to be settled."""
        self.has_captured = True
        self._settling -= 1

    def _actual(self, measured: Measured) -> Traffic:
        """Return the usage that was granted, with what was `measured` in place of its size; nothing for nothing."""
        if not measured:
            return {}
        granted = {name: value for name, value in self._usage.items() if name != "labels"}
        if self.decision is Decision.ALLOWED_PARTIAL:
            granted["recipient_count"] = self.recipients_granted
        if any(name in measured for name in SIZES):
            granted = {name: value for name, value in granted.items() if name not in SIZES}
        return cast("Traffic", {**granted, **measured})


class AttemptsToSend:
    """The attempts to send one message, which hold its credits one after the other, each under an id of its own."""

    def __init__(
        self, reservation_id: str | None, attempts_max: int, expiry_action: ExpiryAction, *, again_after_expiry: bool
    ) -> None:
        if again_after_expiry and expiry_action is ExpiryAction.COMMIT:
            raise TypeError("an attempt whose expiry commits is paid for: another one after that would be paid again")
        if again_after_expiry and attempts_max < 2:  # noqa: PLR2004 -- the first, and one again
            raise TypeError("again_after_expiry lets another attempt follow: give attempts_max too, of 2 or more")
        self.id = reservation_id
        """The id of this attempt: the message's, then `message~2`, `message~3` and so on."""
        self._message_id = reservation_id
        self._attempts_max = attempts_max
        self._number = 1
        self._over = {ReservationState.RELEASED, *([ReservationState.EXPIRED] if again_after_expiry else [])}

    def go_on_after(self, answer: answers.Reserved) -> bool:
        """Go on to the next attempt if this one is over without having sent. Tell whether there is one."""
        if self._message_id is None or answer.state not in self._over or self._number >= self._attempts_max:
            return False
        self._number += 1
        self.id = f"{self._message_id}~{self._number}"
        return True


def is_open(answer: answers.Reserved, *, raise_on_denial: bool) -> bool:
    """Tell whether there is something to settle. Raise `Denied`, if asked to, and `AlreadySettled`."""
    if not answer.allowed:
        if raise_on_denial:
            raise errors.denied(answer)
        return False
    if answer.state is not None and answer.state is not ReservationState.PENDING:
        raise errors.already_settled(answer.reservation_id, answer.state)
    return True


def reason_of(error: BaseException) -> str:
    """Return what the journal is told of an exception that released a hold."""
    return type(error).__name__[:REASON_CHARACTERS_MAX]


def not_released(hold: Hold, failure: Exception) -> str:
    """Say, for whoever reads the exception that left the block, what became of its hold."""
    return (
        f"hold {hold.reservation_id} of {hold.account_id} could not be released ({failure}); "
        f"it expires at {hold.expire_time}"
    )
