"""The service that is a trait in Rust, by grpcio: from the .proto that Motet wrote for it.

python rows.py call ADDRESS ROWS.JSON prints a line for each case; python rows.py serve ROWS.JSON prints its port."""

import sys
from concurrent import futures

import grpc
from google.protobuf import empty_pb2, json_format

import rows_pb2 as pb
import rows_pb2_grpc as rpc


def sample(path):
    with open(path, encoding="utf-8") as file:
        return json_format.Parse(file.read(), pb.Rows())


def call(address, own):
    stub = rpc.RowServiceStub(grpc.insecure_channel(address))

    def check_sample():
        found = stub.Sample(empty_pb2.Empty(), timeout=10)
        assert found == own, found
        # What is there without a value is not what is absent.
        assert found.HasField("zero") and not found.HasField("absent"), found
        assert found.shape.WhichOneof("kind") == "circle", found.shape
        assert [shape.WhichOneof("kind") for shape in found.shapes] == ["nothing", "named", "between"], found.shapes

    def check_each():
        assert list(stub.Each(iter([own, own]), timeout=10)) == [own, own]

    def check_sum():
        found = stub.Sum(pb.SumRequest(numbers=[1, 2, 3], more=-10), timeout=10)
        assert found.value == -4, found

    failed = False
    for name, case in [
        ("rows_sample", check_sample),
        ("rows_check", lambda: stub.Check(own, timeout=10)),
        ("rows_each", check_each),
        ("rows_sum", check_sum),
    ]:
        try:
            case()
            print(name, "ok", flush=True)
        except Exception as error:  # every failure is a line of the table
            failed = True
            print(name, "FAILED", repr(error)[:300].replace("\n", " "), flush=True)
    sys.exit(failed)


class Service(rpc.RowServiceServicer):
    def __init__(self, own):
        self.own = own

    def Sample(self, request, context):
        return self.own

    def Check(self, request, context):
        if request != self.own:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(request))
        return empty_pb2.Empty()

    def Each(self, requests, context):
        yield from requests

    def Sum(self, request, context):
        return pb.ValueInt64(value=sum(request.numbers) + request.more)


def serve(own):
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
    rpc.add_RowServiceServicer_to_server(Service(own), server)
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()
    server.wait_for_termination()


if sys.argv[1] == "call":
    call(sys.argv[2], sample(sys.argv[3]))
else:
    serve(sample(sys.argv[2]))
