package main

import (
	"context"
	"math/rand/v2"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"
)

const (
	timeout     = 5 * time.Second // of a call with all its attempts: longer than a restart of the server
	attemptsMax = 20
	backoffMin  = 50 * time.Millisecond
	backoffMax  = time.Second
)

// Dial connects to a Creditgate server, such as 127.0.0.1:50051 or unix:/run/creditgate.sock. Calls are repeated.
func Dial(target string) (*grpc.ClientConn, error) {
	return grpc.NewClient(target,
		grpc.WithTransportCredentials(insecure.NewCredentials()), // a sidecar serves its own machine only
		grpc.WithUnaryInterceptor(repeat),
		// The server hangs up on whoever pings more than every 20 seconds.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 30 * time.Second, Timeout: 5 * time.Second}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: backoffMin, Multiplier: 2, Jitter: 0.2, MaxDelay: backoffMax},
			MinConnectTimeout: backoffMax,
		}),
	)
}

// repeat makes a call again when it may succeed then. That is safe for every method: what moves credits carries an id,
// under which it takes effect once.
func repeat(
	ctx context.Context, method string, request, response any,
	conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption,
) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	deadline, _ := ctx.Deadline()

	for attempt := 1; ; attempt++ {
		err := invoke(ctx, method, request, response, conn, options...)
		delay, repeatable := repeatAfter(err)
		if !repeatable || attempt == attemptsMax {
			return err
		}
		// Full jitter: workers who failed together do not come back together.
		wait := delay + rand.N(min(backoffMin<<(attempt-1), backoffMax))
		if time.Until(deadline) < wait {
			return err // it says more than that the time is up
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return err
		}
	}
}

// repeatAfter says how long to wait before a call is made again, and whether that may help at all. Where it may,
// Creditgate says so by a RetryInfo; what has no ErrorInfo did not come from it, but from a connection that failed.
func repeatAfter(err error) (time.Duration, bool) {
	for _, detail := range status.Convert(err).Details() {
		if retry, ok := detail.(*errdetails.RetryInfo); ok {
			return retry.GetRetryDelay().AsDuration(), true
		}
	}
	return 0, status.Code(err) == codes.Unavailable && ErrorInfo(err) == nil
}

// ErrorInfo is what an error of Creditgate says: a name of ErrorReason, and the ids and bounds that belong to it. It is
// nil where somebody else made the error.
func ErrorInfo(err error) *errdetails.ErrorInfo {
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok && info.GetDomain() == "creditgate" {
			return info
		}
	}
	return nil
}
