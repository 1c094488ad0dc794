package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	creditgate "example.com/creditgate/worker/gen/creditgate/v1"
)

// Message is what a queue delivers: once, or again when it does not know what became of it.
type Message struct {
	ID, Account, Number, Text string
}

// ErrNotCommitted says that a message was sent but not paid: it must never be sent again, but its reservation be
// committed later.
var ErrNotCommitted = errors.New("sent, and not to be sent again; commit it later")

// Worker sends messages that can be paid for, and pays for each of them once.
type Worker struct {
	Gate creditgate.AuthorizationServiceClient

	// Send hands a text to the carrier. An error means that it was not sent.
	Send func(ctx context.Context, number, text string) error
}

// Deliver reserves the credits of a message, sends it and commits them, or gives them back if it was not sent. It says
// what became of the message; an error means that a call failed.
//
// The message's own id is that of the reservation. So a delivery that died, or whose answer was lost, is simply made
// again: the answer then is the first one, with the state of today.
func (w *Worker) Deliver(ctx context.Context, message Message) (string, error) {
	reserved, err := w.Gate.Reserve(ctx, &creditgate.ReserveRequest{
		AccountId:     message.Account,
		ReservationId: message.ID,
		Usage: &creditgate.Usage{
			Channel:   creditgate.Channel_CHANNEL_SMS,
			Size:      &creditgate.Usage_Body{Body: message.Text},
			Recipient: message.Number,
		},
	})
	if err != nil {
		return "", err
	}

	switch {
	case reserved.GetDecision() == creditgate.Decision_DECISION_DENIED:
		// An answer, no error. Nothing is left behind: after a top-up the same id may be granted.
		denial := reserved.GetDenial()
		reason := strings.TrimPrefix(denial.GetReason().String(), "DENIAL_REASON_")
		return fmt.Sprintf("denied by %s: %s, %d short", denial.GetAccountId(), reason, denial.GetShortfall()), nil

	case reserved.GetState() == creditgate.ReservationState_RESERVATION_STATE_COMMITTED:
		return "sent before: the queue has delivered it twice", nil

	case reserved.GetState() != creditgate.ReservationState_RESERVATION_STATE_PENDING:
		// Released: it was not sent. Expired: its worker died, so look first whether it was sent.
		state := strings.TrimPrefix(reserved.GetState().String(), "RESERVATION_STATE_")
		return fmt.Sprintf("ended before as %s: a new attempt needs a new id", state), nil
	}
	// PENDING, though replayed, after a lost answer, or after an earlier delivery that died, perhaps when it had sent.
	// This worker sends then; one that would rather send never than twice asks its carrier here.

	// From here on the outcome must be told, even if ctx ends.
	settle := context.WithoutCancel(ctx)

	if failure := w.Send(ctx, message.Number, message.Text); failure != nil {
		released, err := w.Gate.Release(settle, &creditgate.ReleaseRequest{
			AccountId:     message.Account,
			ReservationId: message.ID,
			Reason:        "not sent",
		})
		if err != nil {
			return "", fmt.Errorf("not sent (%v); its credits come back when the hold expires: %w", failure, err)
		}
		return fmt.Sprintf("not sent, %d given back: %v", released.GetRestored(), failure), nil
	}

	committed, err := w.Gate.Commit(settle, &creditgate.CommitRequest{
		AccountId:     message.Account,
		ReservationId: message.ID,
	})
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrNotCommitted, err)
	}
	return fmt.Sprintf("sent for %d, %d left", committed.GetCredits(), committed.GetBalance().GetAvailable()), nil
}
