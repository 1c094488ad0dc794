import { setTimeout as sleep } from "node:timers/promises";

import { type DescMessage, type MessageShape } from "@bufbuild/protobuf";
import { ConnectError, createClient, type Interceptor } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";

import { AuthorizationService } from "./gen/creditgate/v1/authorization_pb.js";
import { ErrorInfoSchema, RetryInfoSchema } from "./gen/google/rpc/error_details_pb.js";
import { type Gate } from "./worker.js";

const TIMEOUT_MS = 5_000; // of a call with all its attempts: longer than a restart of the server
const ATTEMPTS_MAX = 20;
const BACKOFF_MS = 50;
const BACKOFF_MS_MAX = 1_000;

/** Connects to a Creditgate server, such as 127.0.0.1:50051. Calls are repeated. */
export function connect(target: string): Gate {
  const transport = createGrpcTransport({
    baseUrl: `http://${target}`, // a sidecar serves its own machine only
    defaultTimeoutMs: TIMEOUT_MS,
    interceptors: [repeat],
    pingIntervalMs: 30_000, // the server hangs up on whoever pings more than every 20 seconds
  });
  return createClient(AuthorizationService, transport);
}

/**
 * Makes a call again when it may succeed then. That is safe for every method: what moves credits carries an id, under
 * which it takes effect once.
 */
const repeat: Interceptor = (next) => async (request) => {
  const deadline = Date.now() + TIMEOUT_MS;
  for (let attempt = 1; ; attempt++) {
    try {
      return await next(request);
    } catch (failure) {
      const delay = repeatAfterMs(failure);
      // Full jitter: workers who failed together do not come back together.
      const wait = (delay ?? 0) + Math.random() * Math.min(BACKOFF_MS * 2 ** (attempt - 1), BACKOFF_MS_MAX);
      if (delay === undefined || request.stream || attempt === ATTEMPTS_MAX || Date.now() + wait > deadline) {
        throw failure;
      }
      await sleep(wait);
    }
  }
};

/**
 * How long to wait before a call is made again; undefined where that would not help. Where it may, Creditgate says so
 * by a RetryInfo; what has no ErrorInfo did not come from it, but from a connection that failed, one way or another.
 */
function repeatAfterMs(failure: unknown): number | undefined {
  const delay = detail(failure, RetryInfoSchema)?.retryDelay;
  if (delay) {
    return Number(delay.seconds) * 1_000 + delay.nanos / 1e6;
  }
  return errorInfo(failure) ? undefined : 0;
}

/**
 * What an error of Creditgate says: a name of ErrorReason, and the ids and bounds that belong to it. Undefined where
 * somebody else made the error.
 */
export function errorInfo(failure: unknown): MessageShape<typeof ErrorInfoSchema> | undefined {
  const info = detail(failure, ErrorInfoSchema);
  return info?.domain === "creditgate" ? info : undefined;
}

function detail<Desc extends DescMessage>(failure: unknown, schema: Desc): MessageShape<Desc> | undefined {
  return ConnectError.from(failure).findDetails(schema)[0];
}
