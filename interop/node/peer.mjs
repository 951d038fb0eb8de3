// grpc.testing.TestService by connect-node or grpc-js, and the cases with them as the client.
//
//   node peer.mjs serve connect|grpc-js [--cert FILE --key FILE]
//   node peer.mjs call connect|grpc|grpcweb|grpc-js [--http1] [--json] [--ca FILE] [--pid N] ADDRESS CASE...
//
// serve prints its port; connect answers Connect, gRPC and gRPC-Web. call prints a line for each case.
import { parseArgs } from "node:util";
import { run } from "./cases.mjs";
import * as connect from "./connect.mjs";
import * as grpc from "./grpc.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    ca: { type: "string" },
    cert: { type: "string" },
    http1: { type: "boolean" },
    json: { type: "boolean" },
    key: { type: "string" },
    pid: { type: "string" },
  },
});
const [command, by, address, ...cases] = positionals;
if (command === "serve") {
  console.log(await (by === "grpc-js" ? grpc : connect).serve(values));
} else if (command === "call") {
  const caller = by === "grpc-js" ? grpc.caller(address, values) : connect.caller(by, address, values);
  const failed = await run(caller, cases, values.pid);
  process.exit(failed ? 1 : 0);
} else {
  console.error("usage: node peer.mjs serve|call …");
  process.exit(2);
}
