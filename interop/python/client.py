"""The cases, grpcio being the client: python client.py ADDRESS [--ca FILE] [--pid N] [CASE ...]"""

import argparse
import concurrent.futures
import os
import signal
import sys
import threading

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from grpc.testing import test_pb2 as pb
from grpc.testing import test_pb2_grpc as rpc

LIMIT = 4 << 20
REQUESTS = [27182, 8, 1828, 45904]
REPLIES = [31415, 9, 2653, 58979]
SPECIAL = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"


def block(size):
    return pb.Payload(body=b"\0" * size)


def ask(request, reply):
    wish = pb.ResponseParameters(size=reply)
    return pb.StreamingOutputCallRequest(response_parameters=[wish], payload=block(request))


def fails_with(code, call):
    try:
        call()
    except grpc.RpcError as error:
        assert error.code() == code, f"{error.code()}: {error.details()}"
        return error
    raise AssertionError(f"it succeeded in place of {code}")


def empty_unary(stub):
    assert stub.EmptyCall(pb.Empty(), timeout=10) == pb.Empty()


def large_unary(stub, request=271828, reply=314159):
    answer = stub.UnaryCall(pb.SimpleRequest(response_size=reply, payload=block(request)), timeout=20)
    assert len(answer.payload.body) == reply


def client_streaming(stub):
    requests = (pb.StreamingInputCallRequest(payload=block(size)) for size in REQUESTS)
    assert stub.StreamingInputCall(requests, timeout=10).aggregated_payload_size == 74922


def server_streaming(stub):
    wishes = [pb.ResponseParameters(size=size) for size in REPLIES]
    replies = stub.StreamingOutputCall(pb.StreamingOutputCallRequest(response_parameters=wishes), timeout=10)
    assert [len(reply.payload.body) for reply in replies] == REPLIES


def ping_pong(stub):
    sizes = []

    def requests():
        for number, (request, reply) in enumerate(zip(REQUESTS, REPLIES)):
            while len(sizes) < number:
                pass
            yield ask(request, reply)

    for reply in stub.FullDuplexCall(requests(), timeout=10):
        sizes.append(len(reply.payload.body))
    assert sizes == REPLIES


def empty_stream(stub):
    assert list(stub.FullDuplexCall(iter(()), timeout=10)) == []


def cancel_after_begin(stub):
    never = threading.Event()

    def requests():
        never.wait(20)
        yield from ()

    call = stub.StreamingInputCall.future(requests())
    call.cancel()
    never.set()
    assert call.cancelled()


def cancel_after_first_response(stub):
    over = threading.Event()

    def requests():
        yield ask(27182, 31415)
        over.wait(20)

    call = stub.FullDuplexCall(requests(), timeout=10)
    next(call)
    call.cancel()
    over.set()
    fails_with(grpc.StatusCode.CANCELLED, lambda: next(call))


def timeout_on_sleeping_server(stub):
    over = threading.Event()

    def requests():
        yield ask(27182, 31415)
        over.wait(20)

    try:
        fails_with(grpc.StatusCode.DEADLINE_EXCEEDED, lambda: list(stub.FullDuplexCall(requests(), timeout=0.001)))
    finally:
        over.set()


def custom_metadata(stub):
    sent = (("x-grpc-test-echo-initial", "test_initial_metadata_value"), ("x-grpc-test-echo-trailing-bin", b"\xab\xab\xab"))

    def check(call):
        assert dict(call.initial_metadata())["x-grpc-test-echo-initial"] == "test_initial_metadata_value"
        assert dict(call.trailing_metadata())["x-grpc-test-echo-trailing-bin"] == b"\xab\xab\xab"

    request = pb.SimpleRequest(response_size=314159, payload=block(271828))
    _, call = stub.UnaryCall.with_call(request, metadata=sent, timeout=10)
    check(call)
    call = stub.FullDuplexCall(iter([ask(271828, 314159)]), metadata=sent, timeout=10)
    assert len(list(call)) == 1
    check(call)


def status_is(stub, message):
    status = pb.EchoStatus(code=2, message=message)
    unary = fails_with(
        grpc.StatusCode.UNKNOWN, lambda: stub.UnaryCall(pb.SimpleRequest(response_status=status), timeout=10)
    )
    request = pb.StreamingOutputCallRequest(response_status=status)
    stream = fails_with(
        grpc.StatusCode.UNKNOWN, lambda: list(stub.FullDuplexCall(iter([request]), timeout=10))
    )
    assert unary.details() == stream.details() == message, (unary.details(), stream.details())


def status_code_and_message(stub):
    status_is(stub, "test status message")


def special_status_message(stub):
    status_is(stub, SPECIAL)


def unimplemented_method(stub):
    fails_with(grpc.StatusCode.UNIMPLEMENTED, lambda: stub.UnimplementedCall(pb.Empty(), timeout=10))


def unimplemented_service(stub):
    other = rpc.UnimplementedServiceStub(stub.channel)
    fails_with(grpc.StatusCode.UNIMPLEMENTED, lambda: other.UnimplementedCall(pb.Empty(), timeout=10))


def largest_message(stub):
    large_unary(stub, LIMIT - 1024, 3141590)


def message_over_the_limit(stub):
    request = pb.SimpleRequest(response_size=1, payload=block(LIMIT + 1))
    fails_with(grpc.StatusCode.RESOURCE_EXHAUSTED, lambda: stub.UnaryCall(request, timeout=20))
    request = pb.SimpleRequest(response_size=LIMIT + 1)
    fails_with(grpc.StatusCode.RESOURCE_EXHAUSTED, lambda: stub.UnaryCall(request, timeout=20))
    empty_unary(stub)


def thousand_calls(stub):
    request = pb.SimpleRequest(response_size=1000, payload=block(1000))
    calls = [stub.UnaryCall.future(request, timeout=60) for _ in range(1000)]
    for call in concurrent.futures.as_completed([wrap(call) for call in calls]):
        assert len(call.result().payload.body) == 1000


def wrap(call):
    future = concurrent.futures.Future()

    def done(call):
        try:
            future.set_result(call.result())
        except grpc.RpcError as error:
            future.set_exception(error)

    call.add_done_callback(done)
    return future


def error_details(stub):
    for message, expected in [
        ("with a reason", error_details_pb2.ErrorInfo),
        ("with violations", error_details_pb2.BadRequest),
    ]:
        status = pb.EchoStatus(code=3, message=message)
        request = pb.StreamingOutputCallRequest(response_status=status)
        for call in [
            lambda: stub.UnaryCall(pb.SimpleRequest(response_status=status), timeout=10),
            lambda: list(stub.FullDuplexCall(iter([request]), timeout=10)),
        ]:
            error = fails_with(grpc.StatusCode.INVALID_ARGUMENT, call)
            found = expected()
            assert any(detail.Unpack(found) for detail in rpc_status.from_call(error).details), error
            if expected is error_details_pb2.ErrorInfo:
                assert found.reason == "Interop.Detailed", found
            else:
                assert [violation.field for violation in found.field_violations] == ["payload"], found


def peer_killed(stub):
    over = threading.Event()

    def requests():
        yield ask(8, 9)
        over.wait(20)

    call = stub.FullDuplexCall(requests(), timeout=10)
    next(call)
    os.kill(stub.pid, signal.SIGKILL)
    fails_with(grpc.StatusCode.UNAVAILABLE, lambda: next(call))
    over.set()


STANDARD = [
    empty_unary, large_unary, client_streaming, server_streaming, ping_pong, empty_stream, cancel_after_begin,
    cancel_after_first_response, timeout_on_sleeping_server, custom_metadata, status_code_and_message,
    special_status_message, unimplemented_method, unimplemented_service,
]
MORE = [error_details, largest_message, message_over_the_limit, thousand_calls, peer_killed]


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("address")
    arguments.add_argument("--ca")
    arguments.add_argument("--pid", type=int)
    arguments.add_argument("cases", nargs="*")
    given = arguments.parse_args()
    if given.ca:
        with open(given.ca, "rb") as file:
            channel = grpc.secure_channel(given.address, grpc.ssl_channel_credentials(file.read()))
    else:
        channel = grpc.insecure_channel(given.address)
    stub = rpc.TestServiceStub(channel)
    stub.channel, stub.pid = channel, given.pid
    failed = False
    for case in STANDARD + MORE:
        if given.cases and case.__name__ not in given.cases:
            continue
        try:
            case(stub)
            print(case.__name__, "ok", flush=True)
        except Exception as error:  # every failure is a line of the table
            failed = True
            print(case.__name__, "FAILED", repr(error)[:300].replace("\n", " "), flush=True)
    sys.exit(failed)


main()
