// connect-node: Connect, gRPC and gRPC-Web.
import { readFileSync } from "node:fs";
import http2 from "node:http2";
import { create, createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { ConnectError, decodeBinaryHeader, encodeBinaryHeader } from "@connectrpc/connect";
import {
  connectNodeAdapter, createConnectTransport, createGrpcTransport, createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { block } from "./cases.mjs";
import { details } from "./details.mjs";

const set = readFileSync(new URL("../proto/test.binpb", import.meta.url));
const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, set));
const service = (name) => registry.getService(`grpc.testing.${name}`);
const method = (name, of = "TestService") => service(of).methods.find((method) => method.name === name);
const LIMIT = 4 << 20;

function headers(header = {}) {
  const written = new Headers();
  for (const [name, value] of Object.entries(header)) {
    written.set(name, typeof value === "string" ? value : encodeBinaryHeader(value));
  }
  return written;
}

const get = (of) => (name) => {
  const value = of().get(name);
  return name.endsWith("-bin") ? decodeBinaryHeader(value ?? "") : value;
};

function plain(error) {
  const status = ConnectError.from(error);
  return Object.assign(new Error(status.rawMessage), {
    code: status.code,
    text: status.rawMessage,
    details: status.details.map((detail) => ({ type: detail.type, value: detail.value })),
  });
}

async function* readable(messages) {
  try {
    yield* messages;
  } catch (error) {
    throw plain(error);
  }
}

/** A client by connect, grpc or grpcweb. */
export function caller(by, address, { ca, http1, json }) {
  const options = {
    baseUrl: `${ca ? "https" : "http"}://${address}`,
    httpVersion: http1 ? "1.1" : "2",
    nodeOptions: ca ? { ca: readFileSync(ca) } : {},
    useBinaryFormat: !json,
  };
  const make = { connect: createConnectTransport, grpc: createGrpcTransport, grpcweb: createGrpcWebTransport }[by];
  const transport = make(options);
  return {
    async unary(name, request, { header, signal, timeoutMs, service }) {
      const called = method(name, service);
      try {
        const answer = await transport.unary(called, signal, timeoutMs, headers(header), create(called.input, request));
        return { message: answer.message, head: get(() => answer.header), tail: get(() => answer.trailer) };
      } catch (error) {
        throw plain(error);
      }
    },
    async stream(name, requests, { header, signal, timeoutMs }) {
      const called = method(name);
      const typed = (async function* () {
        for await (const request of requests) yield create(called.input, request);
      })();
      try {
        const answer = await transport.stream(called, signal, timeoutMs, headers(header), typed);
        const messages = readable(answer.message);
        return { messages, head: get(() => answer.header), tail: get(() => answer.trailer) };
      } catch (error) {
        throw plain(error);
      }
    },
  };
}

function echo(context) {
  for (const [name, to] of [
    ["x-grpc-test-echo-initial", context.responseHeader],
    ["x-grpc-test-echo-trailing-bin", context.responseTrailer],
  ]) {
    const value = context.requestHeader.get(name);
    if (value) to.set(name, value);
  }
}

function wished(status) {
  if (!status?.code) return;
  const error = new ConnectError(status.message, status.code);
  error.details = details(status.message);
  throw error;
}

async function* answers(request, signal) {
  for (const { size, intervalUs } of request.responseParameters) {
    if (intervalUs > 0) {
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, intervalUs / 1000);
        signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
      });
    }
    yield { payload: block(size) };
  }
  wished(request.responseStatus);
}

const implementation = {
  emptyCall: () => ({}),
  unaryCall(request, context) {
    echo(context);
    wished(request.responseStatus);
    return { payload: block(request.responseSize) };
  },
  async streamingInputCall(requests) {
    let aggregatedPayloadSize = 0;
    for await (const request of requests) aggregatedPayloadSize += request.payload?.body.length ?? 0;
    return { aggregatedPayloadSize };
  },
  async *streamingOutputCall(request, context) {
    echo(context);
    yield* answers(request, context.signal);
  },
  async *fullDuplexCall(requests, context) {
    echo(context);
    for await (const request of requests) yield* answers(request, context.signal);
  },
};

/** Serves; the port. */
export async function serve({ cert, key }) {
  const adapter = connectNodeAdapter({
    routes: (router) => router.service(service("TestService"), implementation),
    readMaxBytes: LIMIT,
    writeMaxBytes: LIMIT,
    // Node's own 404 is none of gRPC.
    fallback: (request, response) => response.writeHead(404).end(),
  });
  const server = cert
    ? http2.createSecureServer({ cert: readFileSync(cert), key: readFileSync(key), allowHTTP1: true }, adapter)
    : http2.createServer(adapter);
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server.address().port;
}
