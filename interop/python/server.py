"""grpc.testing.TestService by grpcio: python server.py [--cert FILE --key FILE]; prints its port."""

import argparse
import time
from concurrent import futures

import grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status
from grpc.testing import test_pb2 as pb
from grpc.testing import test_pb2_grpc as rpc


def echo(context):
    for key, value in context.invocation_metadata():
        if key == "x-grpc-test-echo-initial":
            context.send_initial_metadata(((key, value),))
        elif key == "x-grpc-test-echo-trailing-bin":
            context.set_trailing_metadata(((key, value),))


def detail(message):
    packed = any_pb2.Any()
    if message == "with a reason":
        packed.Pack(error_details_pb2.ErrorInfo(reason="Interop.Detailed", domain="motet.test"))
    elif message == "with violations":
        violation = error_details_pb2.BadRequest.FieldViolation(field="payload", description="it is a test")
        packed.Pack(error_details_pb2.BadRequest(field_violations=[violation]))
    else:
        return None
    return packed


def wished(request, context):
    wish = request.response_status
    if packed := detail(wish.message):
        status = status_pb2.Status(code=wish.code, message=wish.message, details=[packed])
        context.abort_with_status(rpc_status.to_status(status))
    if wish.code:
        codes = {code.value[0]: code for code in grpc.StatusCode}
        context.abort(codes[request.response_status.code], request.response_status.message)


def block(size):
    return pb.Payload(body=b"\0" * size)


class Service(rpc.TestServiceServicer):
    def EmptyCall(self, request, context):
        return pb.Empty()

    def UnaryCall(self, request, context):
        echo(context)
        wished(request, context)
        return pb.SimpleResponse(payload=block(request.response_size))

    def StreamingInputCall(self, requests, context):
        return pb.StreamingInputCallResponse(aggregated_payload_size=sum(len(r.payload.body) for r in requests))

    def StreamingOutputCall(self, request, context):
        echo(context)
        for wish in request.response_parameters:
            time.sleep(wish.interval_us / 1e6)
            yield pb.StreamingOutputCallResponse(payload=block(wish.size))
        wished(request, context)

    def FullDuplexCall(self, requests, context):
        echo(context)
        for request in requests:
            for wish in request.response_parameters:
                time.sleep(wish.interval_us / 1e6)
                yield pb.StreamingOutputCallResponse(payload=block(wish.size))
            wished(request, context)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--cert")
    arguments.add_argument("--key")
    given = arguments.parse_args()
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=50))
    rpc.add_TestServiceServicer_to_server(Service(), server)
    if given.cert:
        with open(given.cert, "rb") as cert, open(given.key, "rb") as key:
            credentials = grpc.ssl_server_credentials([(key.read(), cert.read())])
        port = server.add_secure_port("127.0.0.1:0", credentials)
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    server.wait_for_termination()


main()
