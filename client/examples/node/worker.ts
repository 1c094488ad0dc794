import type { Client } from "@connectrpc/connect";

import { type AuthorizationService } from "./gen/creditgate/v1/authorization_pb.js";
import { Decision, DenialReason } from "./gen/creditgate/v1/decision_pb.js";
import { ReservationState } from "./gen/creditgate/v1/reservation_pb.js";
import { Channel } from "./gen/creditgate/v1/usage_pb.js";

/** What a queue delivers: once, or again when it does not know what became of it. */
export interface Message {
  id: string;
  account: string;
  number: string;
  text: string;
}

/** Decides which messages can be paid for. */
export type Gate = Client<typeof AuthorizationService>;

/** Hands a text to the carrier. An exception means that it was not sent. */
export type Send = (number: string, text: string) => Promise<void>;

/** A message was sent but not paid: it must never be sent again, but its reservation be committed later. */
export class NotCommitted extends Error {}

/**
 * Reserves the credits of a message, sends it and commits them, or gives them back if it was not sent. Returns what
 * became of the message; throws when a call fails.
 *
 * The message's own id is that of the reservation. So a delivery that died, or whose answer was lost, is simply made
 * again: the answer then is the first one, with the state of today.
 */
export async function deliver(gate: Gate, send: Send, message: Message): Promise<string> {
  const reservation = { accountId: message.account, reservationId: message.id };
  const reserved = await gate.reserve({
    ...reservation,
    usage: {
      channel: Channel.SMS,
      size: { case: "body", value: message.text },
      recipient: message.number,
    },
  });

  if (reserved.decision === Decision.DENIED) {
    // An answer, no error. Nothing is left behind: after a top-up the same id may be granted.
    const { accountId, reason, shortfall } = reserved.denial!;
    return `denied by ${accountId}: ${DenialReason[reason]}, ${shortfall} short`;
  }
  if (reserved.state === ReservationState.COMMITTED) {
    return "sent before: the queue has delivered it twice";
  }
  if (reserved.state !== ReservationState.PENDING) {
    // Released: it was not sent. Expired: its worker died, so look first whether it was sent.
    return `ended before as ${ReservationState[reserved.state]}: a new attempt needs a new id`;
  }
  // PENDING, though replayed, after a lost answer, or after an earlier delivery that died, perhaps when it had sent. This
  // worker sends then; one that would rather send never than twice asks its carrier here.

  try {
    await send(message.number, message.text);
  } catch (failure) {
    const released = await gate.release({ ...reservation, reason: "not sent" }); // or it expires, which is the same
    return `not sent, ${released.restored} given back: ${failure}`;
  }

  try {
    const committed = await gate.commit(reservation);
    return `sent for ${committed.credits}, ${committed.balance?.available} left`;
  } catch (failure) {
    throw new NotCommitted(`sent, and not to be sent again; commit it later: ${failure}`, { cause: failure });
  }
}
