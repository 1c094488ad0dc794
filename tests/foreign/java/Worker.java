import com.creditgate.v1.AuthorizationServiceGrpc;
import com.creditgate.v1.AuthorizationServiceGrpc.AuthorizationServiceBlockingStub;
import com.creditgate.v1.Channel;
import com.creditgate.v1.CommitRequest;
import com.creditgate.v1.Decision;
import com.creditgate.v1.Denial;
import com.creditgate.v1.ReserveRequest;
import com.creditgate.v1.ReserveResponse;
import com.creditgate.v1.Usage;
import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.ErrorInfo;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/** What a Java team would write: only compiled, to hold the names of packages, classes and methods. */
final class Worker {
  private final AuthorizationServiceBlockingStub gate;

  Worker(io.grpc.Channel channel) {
    gate = AuthorizationServiceGrpc.newBlockingStub(channel);
  }

  /** Gives why the message may not be sent, or nothing when it was sent. */
  Optional<Denial> deliver(String account, String id, String text, Runnable send) {
    ReserveResponse reserved =
        gate.withDeadlineAfter(5, TimeUnit.SECONDS)
            .reserve(
                ReserveRequest.newBuilder()
                    .setAccountId(account)
                    .setReservationId(id)
                    .setUsage(Usage.newBuilder().setChannel(Channel.CHANNEL_SMS).setBody(text))
                    .build());
    if (reserved.getDecision() == Decision.DECISION_DENIED) {
      return Optional.of(reserved.getDenial());
    }
    send.run();
    gate.commit(CommitRequest.newBuilder().setAccountId(account).setReservationId(id).build());
    return Optional.empty();
  }

  /** Reads the reason of an error; empty where somebody else made it. */
  static String reason(StatusRuntimeException failure) throws InvalidProtocolBufferException {
    for (Any detail : StatusProto.fromThrowable(failure).getDetailsList()) {
      if (detail.is(ErrorInfo.class)) {
        return detail.unpack(ErrorInfo.class).getReason();
      }
    }
    return "";
  }
}
