/**
 * A client of Motet services for browsers and Node 22 and newer: calls and streams over one WebSocket.
 *
 *     import { connect } from "http://localhost:8080/motet.js";
 *     const greeter = connect().service("greeter");
 *     console.log(await greeter.hello({ name: "Ada" }));
 *     for await (const tick of greeter.count({ to: 3 })) console.log(tick);
 *
 * What is said on the wire is JSON-RPC 2.0, with notifications named rpc.* for streams.
 */

/** How many messages of a stream may be under way before their reader asks for more. */
const WINDOW = 32;

/** How often a call is sent again that certainly did not run, and how long to wait before, in ms. */
const ATTEMPTS = 3;
const PAUSE = 100;

/** The codes of errors by number. */
const CODES = [
  "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
  "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
  "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
];
const STANDARD = { "-32601": "UNIMPLEMENTED", "-32602": "INVALID_ARGUMENT" };

/** Why a call failed. */
export class MotetError extends Error {
  /**
   * @param {string} code such as "NOT_FOUND"
   * @param {string} message what went wrong, for people
   * @param {object} more reason, details, executed ("yes", "no" or "unknown"), retryAfter (ms), trailers
   */
  constructor(code, message, more = {}) {
    super(message);
    this.name = "MotetError";
    this.code = code;
    this.executed = "unknown";
    Object.assign(this, more);
  }

  /** The error of a response. */
  static of({ code, message, data = {} }, trailers) {
    const name = CODES[-32000 - code] ?? STANDARD[code] ?? "INTERNAL";
    const { reason, details, executed = "unknown", retry_after_ms: retryAfter } = data ?? {};
    return new MotetError(name, message, { reason, details, executed, retryAfter, trailers });
  }
}

/**
 * A connection to a server, opened by the first call and again after it was lost.
 * @param {string | URL} [url] the server, such as "http://localhost:8080"; by default the one that this script is from
 * @param {{ timeout?: number, metadata?: object }} [options] what calls have that say nothing else
 * @returns {Motet}
 */
export function connect(url = new URL("/", import.meta.url), options = {}) {
  return new Motet(url, options);
}

export class Motet {
  #url;
  #options;
  #opening;
  #calls = new Map();
  #next = 1;

  constructor(url, options) {
    this.#url = new URL(url);
    this.#url.protocol = this.#url.protocol.replace(/^http/, "ws");
    if (!/^wss?:$/.test(this.#url.protocol)) throw new TypeError('connect: give the address of the server, such as "http://localhost:8080"');
    if (this.#url.pathname === "/") this.#url.pathname = "/-/ws";
    this.#options = options;
  }

  /** The methods of a service, each a function of parameters and options. */
  service(name) {
    const methods = (_, method) =>
      typeof method === "symbol" || method === "then" ? undefined : (params, options) => this.call(`${name}/${method}`, params, options);
    return new Proxy({}, { get: methods });
  }

  /**
   * Makes a call.
   * @param {string} method such as "greeter/hello"
   * @param {object | Array | AsyncIterable | Iterable} [params] by name or by position; messages for a method that takes a stream
   * @param {{ signal?: AbortSignal, timeout?: number, metadata?: object }} [options] the timeout is in ms
   * @returns {Call} await it for a reply, iterate over it for a stream of them
   */
  call(method, params, options = {}) {
    return new Call(this, method, params, { ...this.#options, ...options });
  }

  /** Ends the connection and the calls on it. */
  close() {
    this.#opening?.then((socket) => socket.close(1000), () => {});
  }

  /** @internal A number for a call, and a socket to put it on. */
  async _open(call) {
    const socket = await (this.#opening ??= this.#connect());
    const id = this.#next++;
    this.#calls.set(id, call);
    return { id, say: (message) => socket.readyState === 1 && socket.send(JSON.stringify({ jsonrpc: "2.0", ...message })) };
  }

  /** @internal */
  _forget(id) {
    this.#calls.delete(id);
  }

  #connect() {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(this.#url, "jsonrpc");
      let open = false;
      socket.onopen = () => {
        open = true;
        resolve(socket);
      };
      socket.onmessage = ({ data }) => this.#hear(JSON.parse(data));
      socket.onclose = ({ code, reason }) => {
        this.#opening = undefined;
        // A server that goes away (1001) has answered all that it took.
        const executed = !open || code === 1001 ? "no" : "unknown";
        const text = open ? `the connection was closed${reason && ": " + reason} (${code})` : `no connection to ${this.#url.origin}`;
        const lost = new MotetError("UNAVAILABLE", text, { executed });
        reject(lost);
        const calls = [...this.#calls.values()];
        this.#calls.clear();
        for (const call of calls) call._lost(lost);
      };
    });
  }

  #hear({ id, method, params, result, error, motet }) {
    const call = this.#calls.get(method ? params?.id : id);
    switch (method) {
      case undefined:
        if (!call) return;
        this.#calls.delete(id);
        call._answered(result, error && MotetError.of(error, motet?.trailers), motet);
        break;
      case "rpc.head": return call?._head(params.metadata);
      case "rpc.message": return call?._message(params.message);
      case "rpc.credit": return call?._credit(params.credit);
    }
  }
}

/** A call: a promise of its reply, and the stream of its replies. */
export class Call {
  /** The metadata of the reply, once there are any, and what came with its end. */
  metadata = {};
  trailers = {};
  #motet;
  #method;
  #params;
  #messages;
  #options;
  #deadline;
  #timer;
  #wire;
  #attempts = 0;
  #said = false;
  #ended = false;
  #room = WINDOW;
  #turn = Promise.resolve();
  #waiting = [];
  #received = [];
  #read = 0;
  #readers = [];
  #outcome;
  #settle;
  #result;

  constructor(motet, method, params, options) {
    this.#motet = motet;
    this.#method = method;
    if (isStream(params)) this.#messages = params;
    else this.#params = params;
    this.#options = options;
    this.#result = new Promise((resolve, reject) => (this.#settle = { resolve, reject }));
    // Whoever iterates hears of an error there.
    this.#result.catch(() => {});
    const { signal, timeout } = options;
    if (signal?.aborted) return void this.#finish(undefined, signal.reason);
    signal?.addEventListener("abort", this.#abort);
    if (timeout !== undefined) {
      this.#deadline = performance.now() + timeout;
      const late = () => this.#giveUp(new MotetError("DEADLINE_EXCEEDED", `${method}: the caller's limit of ${timeout} ms passed`));
      this.#timer = setTimeout(late, timeout);
    }
    this.#start();
  }

  then(resolved, rejected) {
    return this.#result.then(resolved, rejected);
  }

  catch(rejected) {
    return this.#result.catch(rejected);
  }

  finally(ended) {
    return this.#result.finally(ended);
  }

  /** The messages of the reply; leaving the loop early cancels the call. */
  [Symbol.asyncIterator]() {
    return {
      next: () => this.#next(),
      return: async (value) => {
        this.cancel();
        return { done: true, value };
      },
    };
  }

  /** Sends a message of the request; resolves once it is sent, which waits for room on the server. */
  send(message) {
    if (this.#ended) return Promise.reject(new TypeError("the stream of requests has ended"));
    const sent = this.#turn.then(async () => {
      await this.#until(() => this.#wire && this.#room > 0);
      if (this.#outcome?.error) throw this.#outcome.error;
      this.#room--;
      this.#said = true;
      this.#note("message", { message });
    });
    this.#turn = sent.catch(() => {});
    return sent;
  }

  /** Says that no more messages follow. */
  end() {
    if (this.#ended) return;
    this.#ended = true;
    this.#turn = this.#turn.then(async () => {
      await this.#until(() => this.#wire);
      this.#said = true;
      this.#note("end");
    });
  }

  /** Ends the call. */
  cancel(reason = new MotetError("CANCELLED", "the caller has cancelled the call")) {
    this.#giveUp(reason);
  }

  #abort = () => this.cancel(this.#options.signal.reason);

  async #start() {
    try {
      const wire = await this.#motet._open(this);
      if (this.#outcome) return this.#motet._forget(wire.id);
      this.#wire = wire;
    } catch (error) {
      return this._lost(error);
    }
    const { metadata } = this.#options;
    const timeout_ms = this.#deadline && Math.max(0, this.#deadline - performance.now());
    this.#wire.say({ id: this.#wire.id, method: this.#method, params: this.#params, motet: { timeout_ms, metadata, credit: WINDOW } });
    this.#wake();
    const messages = this.#messages;
    this.#messages = undefined;
    if (messages) this.#pump(messages);
  }

  /** Waits until something is so, or the call is over. */
  async #until(what) {
    while (!this.#outcome && !what()) await new Promise((go) => this.#waiting.push(go));
  }

  async #pump(messages) {
    try {
      for await (const message of messages) {
        if (this.#outcome) return;
        await this.send(message);
      }
      this.end();
    } catch (error) {
      this.#giveUp(error);
    }
  }

  #note(name, params) {
    this.#wire?.say({ method: "rpc." + name, params: { id: this.#wire.id, ...params } });
  }

  #next() {
    if (this.#received.length) {
      if (++this.#read * 2 >= WINDOW) {
        if (!this.#outcome) this.#note("credit", { credit: this.#read });
        this.#read = 0;
      }
      return Promise.resolve({ done: false, value: this.#received.shift() });
    }
    if (this.#outcome?.error && !this.#outcome.told) {
      this.#outcome.told = true;
      return Promise.reject(this.#outcome.error);
    }
    if (this.#outcome) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve, reject) => this.#readers.push(() => this.#next().then(resolve, reject)));
  }

  #giveUp(reason) {
    if (this.#outcome) return;
    if (this.#wire) {
      this.#note("cancel");
      this.#motet._forget(this.#wire.id);
    }
    this.#finish(undefined, reason);
  }

  #finish(result, error) {
    if (this.#outcome) return;
    this.#outcome = { error };
    clearTimeout(this.#timer);
    this.#options.signal?.removeEventListener("abort", this.#abort);
    if (error) this.#settle.reject(error);
    else this.#settle.resolve(result);
    this.#wake();
    for (const read of this.#readers.splice(0)) read();
  }

  #wake() {
    for (const go of this.#waiting.splice(0)) go();
  }

  /** @internal The connection was lost; what certainly did not run is sent again. */
  _lost(error) {
    this.#wire = undefined;
    if (error.executed !== "no" || this.#said || this.#outcome || ++this.#attempts >= ATTEMPTS) return this.#finish(undefined, error);
    setTimeout(() => this.#outcome || this.#start(), PAUSE * 2 ** this.#attempts);
  }

  /** @internal */
  _answered(result, error, motet) {
    if (motet?.metadata) this.metadata = motet.metadata;
    if (motet?.trailers) this.trailers = motet.trailers;
    this.#finish(result, error);
  }

  /** @internal */
  _head(metadata = {}) {
    this.metadata = metadata;
  }

  /** @internal */
  _message(message) {
    this.#received.push(message);
    this.#readers.shift()?.();
  }

  /** @internal */
  _credit(credit) {
    this.#room += credit;
    this.#wake();
  }
}

/** Whether parameters are messages to send: anything to iterate over, but for lists, which are parameters by position. */
function isStream(params) {
  if (typeof params !== "object" || params === null || Array.isArray(params)) return false;
  return Symbol.asyncIterator in params || Symbol.iterator in params;
}
