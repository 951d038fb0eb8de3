// The cases, whoever calls. A caller has
//   unary(method, request, options)   → { message, head(name), tail(name) }
//   stream(method, requests, options) → { messages, head(name), tail(name) }
// with options { header, timeoutMs, signal }; errors have `code`, `text` and `details`.
import assert from "node:assert/strict";
import { WANTED, areThere } from "./details.mjs";

const LIMIT = 4 << 20;
const ASKS = [27182, 8, 1828, 45904];
const GETS = [31415, 9, 2653, 58979];
const SPECIAL = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n";
const CANCELLED = 1, UNKNOWN = 2, INVALID_ARGUMENT = 3, DEADLINE_EXCEEDED = 4, RESOURCE_EXHAUSTED = 8, UNIMPLEMENTED = 12;

export const block = (size) => ({ body: new Uint8Array(size) });
const ask = (request, reply, intervalUs = 0) => ({
  responseParameters: [{ size: reply, intervalUs }],
  payload: block(request),
});
const sizeOf = (message) => message.payload?.body?.length ?? 0;

/** Requests that are sent one by one. */
function channel() {
  const waiting = [];
  let wake = () => {};
  let over = false;
  return {
    send(message) {
      waiting.push(message);
      wake();
    },
    close() {
      over = true;
      wake();
    },
    async *[Symbol.asyncIterator]() {
      for (;;) {
        while (waiting.length > 0) yield waiting.shift();
        if (over) return;
        await new Promise((resolve) => (wake = resolve));
      }
    },
  };
}

async function* all(messages) {
  yield* messages;
}

async function collect(messages) {
  const found = [];
  for await (const message of messages) found.push(message);
  return found;
}

async function failure(promise) {
  try {
    await promise;
  } catch (error) {
    if (error.code === undefined) throw error;
    return error;
  }
  throw new Error("it succeeded in place of failing");
}

async function failsWith(code, promise) {
  const error = await failure(promise);
  assert.equal(error.code, code, `code ${error.code}: ${error.text}`);
  return error;
}

async function large(caller, request, reply) {
  const answer = await caller.unary("UnaryCall", { responseSize: reply, payload: block(request) }, {});
  assert.equal(sizeOf(answer.message), reply);
}

async function statusIs(caller, message) {
  const responseStatus = { code: UNKNOWN, message };
  const unary = await failsWith(UNKNOWN, caller.unary("UnaryCall", { responseStatus }, {}));
  const stream = caller.stream("FullDuplexCall", all([{ responseStatus }]), {});
  const streamed = await failsWith(UNKNOWN, stream.then(({ messages }) => collect(messages)));
  assert.deepEqual([unary.text, streamed.text], [message, message]);
}

const CASES = {
  empty_unary: async (caller) => {
    await caller.unary("EmptyCall", {}, {});
  },
  large_unary: (caller) => large(caller, 271828, 314159),
  client_streaming: async (caller) => {
    const requests = all(ASKS.map((size) => ({ payload: block(size) })));
    const { messages } = await caller.stream("StreamingInputCall", requests, {});
    const [answer] = await collect(messages);
    assert.equal(answer.aggregatedPayloadSize, 74922);
  },
  server_streaming: async (caller) => {
    const request = { responseParameters: GETS.map((size) => ({ size, intervalUs: 0 })) };
    const { messages } = await caller.stream("StreamingOutputCall", all([request]), {});
    assert.deepEqual((await collect(messages)).map(sizeOf), GETS);
  },
  ping_pong: async (caller) => {
    const requests = channel();
    const sent = caller.stream("FullDuplexCall", requests, {});
    requests.send(ask(ASKS[0], GETS[0]));
    const { messages } = await sent;
    const sizes = [];
    for await (const message of messages) {
      sizes.push(sizeOf(message));
      if (sizes.length === ASKS.length) requests.close();
      else requests.send(ask(ASKS[sizes.length], GETS[sizes.length]));
    }
    assert.deepEqual(sizes, GETS);
  },
  empty_stream: async (caller) => {
    const { messages } = await caller.stream("FullDuplexCall", all([]), {});
    assert.deepEqual(await collect(messages), []);
  },
  cancel_after_begin: async (caller) => {
    const stop = new AbortController();
    const requests = channel();
    const sent = caller.stream("StreamingInputCall", requests, { signal: stop.signal });
    setTimeout(() => stop.abort(), 20);
    await failsWith(CANCELLED, sent.then(({ messages }) => collect(messages)));
    requests.close();
  },
  cancel_after_first_response: async (caller) => {
    const stop = new AbortController();
    const requests = channel();
    const sent = caller.stream("FullDuplexCall", requests, { signal: stop.signal });
    requests.send(ask(27182, 31415));
    const { messages } = await sent;
    const reading = (async () => {
      for await (const message of messages) {
        assert.equal(sizeOf(message), 31415);
        stop.abort();
      }
    })();
    await failsWith(CANCELLED, reading);
    requests.close();
  },
  timeout_on_sleeping_server: async (caller) => {
    const requests = channel();
    requests.send(ask(27182, 31415, 5_000_000));
    const sent = caller.stream("FullDuplexCall", requests, { timeoutMs: 20 });
    await failsWith(DEADLINE_EXCEEDED, sent.then(({ messages }) => collect(messages)));
    requests.close();
  },
  custom_metadata: async (caller) => {
    const header = {
      "x-grpc-test-echo-initial": "test_initial_metadata_value",
      "x-grpc-test-echo-trailing-bin": new Uint8Array([0xab, 0xab, 0xab]),
    };
    const check = ({ head, tail }) => {
      assert.equal(head("x-grpc-test-echo-initial"), "test_initial_metadata_value");
      assert.deepEqual([...tail("x-grpc-test-echo-trailing-bin")], [0xab, 0xab, 0xab]);
    };
    const request = { responseSize: 314159, payload: block(271828) };
    check(await caller.unary("UnaryCall", request, { header }));
    const duplex = await caller.stream("FullDuplexCall", all([ask(271828, 314159)]), { header });
    assert.equal((await collect(duplex.messages)).length, 1);
    check(duplex);
  },
  status_code_and_message: (caller) => statusIs(caller, "test status message"),
  special_status_message: (caller) => statusIs(caller, SPECIAL),
  unimplemented_method: async (caller) => {
    await failsWith(UNIMPLEMENTED, caller.unary("UnimplementedCall", {}, {}));
  },
  unimplemented_service: async (caller) => {
    await failsWith(UNIMPLEMENTED, caller.unary("UnimplementedCall", {}, { service: "UnimplementedService" }));
  },
  error_details: async (caller) => {
    for (const message of WANTED) {
      const responseStatus = { code: INVALID_ARGUMENT, message };
      const unary = await failsWith(INVALID_ARGUMENT, caller.unary("UnaryCall", { responseStatus }, {}));
      const duplex = caller.stream("FullDuplexCall", all([{ responseStatus }]), {});
      const streamed = await failsWith(INVALID_ARGUMENT, duplex.then(({ messages }) => collect(messages)));
      for (const { details } of [unary, streamed]) assert.ok(areThere(message, details), JSON.stringify(details));
    }
  },
  largest_message: (caller) => large(caller, LIMIT - 1024, 3141590),
  message_over_the_limit: async (caller) => {
    for (const [request, reply] of [[LIMIT + 1, 1], [1, LIMIT + 1]]) {
      await failsWith(RESOURCE_EXHAUSTED, large(caller, request, reply));
    }
    await large(caller, 1, 1);
  },
  thousand_calls: async (caller) => {
    await Promise.all(Array.from({ length: 1000 }, () => large(caller, 1000, 1000)));
  },
  peer_killed: async (caller, pid) => {
    const requests = channel();
    const sent = caller.stream("FullDuplexCall", requests, {});
    requests.send(ask(8, 9));
    const { messages } = await sent;
    const reading = (async () => {
      for await (const message of messages) {
        assert.equal(sizeOf(message), 9);
        process.kill(Number(pid), "SIGKILL");
      }
    })();
    await failure(reading);
    requests.close();
  },
};

/** Runs the cases of these names and prints a line for each. Whether one failed. */
export async function run(caller, names, pid) {
  let failed = false;
  for (const name of names) {
    if (!(name in CASES)) continue;
    const late = new Promise((_, reject) => setTimeout(() => reject(new Error("no end of it")), 30_000).unref());
    try {
      await Promise.race([CASES[name](caller, pid), late]);
      console.log(name, "ok");
    } catch (error) {
      failed = true;
      console.log(name, "FAILED", String(error?.text ?? error?.message ?? error).replaceAll("\n", " ").slice(0, 300));
    }
  }
  return failed;
}
