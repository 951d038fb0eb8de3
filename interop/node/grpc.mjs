// grpc-js.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import grpc from "@grpc/grpc-js";
import loader from "@grpc/proto-loader";
import { block } from "./cases.mjs";
import { details, ofStatus, toStatus } from "./details.mjs";

const folder = fileURLToPath(new URL("../proto", import.meta.url));
const loaded = loader.loadSync("grpc/testing/test.proto", { includeDirs: [folder], defaults: true });
const { testing } = grpc.loadPackageDefinition(loaded).grpc;

function metadata(header = {}) {
  const written = new grpc.Metadata();
  for (const [name, value] of Object.entries(header)) {
    written.set(name, typeof value === "string" ? value : Buffer.from(value));
  }
  return written;
}

function plain(error) {
  if (typeof error.code !== "number") return error;
  const [bytes] = error.metadata?.get("grpc-status-details-bin") ?? [];
  const found = bytes ? ofStatus(bytes) : [];
  return Object.assign(new Error(error.details), { code: error.code, text: error.details, details: found });
}

async function* readable(call) {
  try {
    yield* call;
  } catch (error) {
    throw plain(error);
  }
}

async function write(call, requests) {
  for await (const request of requests) {
    if (!call.writable) return;
    if (!call.write(request)) await new Promise((resolve) => call.once("drain", resolve).once("close", resolve));
  }
  call.end();
}

/** A client. */
export function caller(address, { ca }) {
  const credentials = ca ? grpc.credentials.createSsl(readFileSync(ca)) : grpc.credentials.createInsecure();
  // A client has no limit of what it sends unless told.
  const options = { "grpc.max_send_message_length": -1 };
  const clients = {
    TestService: new testing.TestService(address, credentials, options),
    UnimplementedService: new testing.UnimplementedService(address, credentials, options),
  };
  const settings = ({ timeoutMs }) => (timeoutMs ? { deadline: Date.now() + timeoutMs } : {});
  const watch = (call, signal) => {
    const seen = { head: new grpc.Metadata(), tail: new grpc.Metadata() };
    call.on("metadata", (found) => (seen.head = found));
    call.on("status", (status) => (seen.tail = status.metadata));
    signal?.addEventListener("abort", () => call.cancel());
    return { head: (name) => seen.head.get(name)[0], tail: (name) => seen.tail.get(name)[0] };
  };
  return {
    unary(name, request, wishes) {
      return new Promise((resolve, reject) => {
        const client = clients[wishes.service ?? "TestService"];
        let message;
        const call = client[name](request, metadata(wishes.header), settings(wishes), (error, found) => {
          if (error) reject(plain(error));
          else message = found;
        });
        const seen = watch(call, wishes.signal);
        call.on("status", (status) => status.code === 0 && setImmediate(() => resolve({ message, ...seen })));
      });
    },
    async stream(name, requests, wishes) {
      const client = clients.TestService;
      const kind = testing.TestService.service[name];
      if (!kind.responseStream) {
        const answer = new Promise((resolve, reject) => {
          const done = (error, message) => (error ? reject(plain(error)) : resolve(message));
          const call = client[name](metadata(wishes.header), settings(wishes), done);
          watch(call, wishes.signal);
          write(call, requests);
        });
        const message = await answer;
        return { messages: (async function* () { yield message; })() };
      }
      let call;
      if (kind.requestStream) {
        call = client[name](metadata(wishes.header), settings(wishes));
        write(call, requests);
      } else {
        const [request] = await (async () => { for await (const one of requests) return [one]; })();
        call = client[name](request, metadata(wishes.header), settings(wishes));
      }
      return { messages: readable(call), ...watch(call, wishes.signal) };
    },
  };
}

function echo(call) {
  const trailing = new grpc.Metadata();
  const [head] = call.metadata.get("x-grpc-test-echo-initial");
  if (head) {
    const initial = new grpc.Metadata();
    initial.set("x-grpc-test-echo-initial", head);
    call.sendMetadata(initial);
  }
  for (const value of call.metadata.get("x-grpc-test-echo-trailing-bin")) {
    trailing.set("x-grpc-test-echo-trailing-bin", value);
  }
  return trailing;
}

function wished(status, trailing) {
  if (!status?.code) return null;
  if (details(status.message).length > 0) trailing.set("grpc-status-details-bin", toStatus(status.code, status.message));
  return { code: status.code, details: status.message, metadata: trailing };
}

async function answer(call, request, trailing) {
  for (const { size, intervalUs } of request.responseParameters) {
    if (intervalUs > 0) await new Promise((resolve) => setTimeout(resolve, intervalUs / 1000));
    if (call.cancelled) return null;
    call.write({ payload: block(size) });
  }
  return wished(request.responseStatus, trailing);
}

const implementation = {
  EmptyCall: (call, done) => done(null, {}),
  UnaryCall(call, done) {
    const trailing = echo(call);
    const error = wished(call.request.responseStatus, trailing);
    if (error) done(error);
    else done(null, { payload: block(call.request.responseSize) }, trailing);
  },
  async StreamingInputCall(call, done) {
    let aggregatedPayloadSize = 0;
    try {
      for await (const { payload } of call) aggregatedPayloadSize += payload?.body.length ?? 0;
      done(null, { aggregatedPayloadSize });
    } catch {
      // The caller has gone.
    }
  },
  async StreamingOutputCall(call) {
    const trailing = echo(call);
    const error = await answer(call, call.request, trailing);
    if (error) call.emit("error", error);
    else call.end(trailing);
  },
  async FullDuplexCall(call) {
    const trailing = echo(call);
    try {
      for await (const request of call) {
        const error = await answer(call, request, trailing);
        if (error) return void call.emit("error", error);
      }
      call.end(trailing);
    } catch {
      // The caller has gone.
    }
  },
};

/** Serves; the port. */
export async function serve({ cert, key }) {
  const server = new grpc.Server();
  server.addService(testing.TestService.service, implementation);
  const credentials = cert
    ? grpc.ServerCredentials.createSsl(null, [{ cert_chain: readFileSync(cert), private_key: readFileSync(key) }])
    : grpc.ServerCredentials.createInsecure();
  return new Promise((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", credentials, (error, port) => (error ? reject(error) : resolve(port)));
  });
}
