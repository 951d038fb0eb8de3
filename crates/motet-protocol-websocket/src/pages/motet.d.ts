// Types of motet.js, the client of Motet services for browsers and Node 22 and newer. Those of a service are beside it:
// /greeter.d.ts for the service greeter.

/** The services whose types are known; the files of services add theirs. */
export interface Services {}

/** The names of gRPC's codes. */
export type Code =
  | "CANCELLED" | "UNKNOWN" | "INVALID_ARGUMENT" | "DEADLINE_EXCEEDED" | "NOT_FOUND" | "ALREADY_EXISTS"
  | "PERMISSION_DENIED" | "RESOURCE_EXHAUSTED" | "FAILED_PRECONDITION" | "ABORTED" | "OUT_OF_RANGE" | "UNIMPLEMENTED"
  | "INTERNAL" | "UNAVAILABLE" | "DATA_LOSS" | "UNAUTHENTICATED";

/** Texts by key; a key that ends in -bin holds base64. */
export type Metadata = Record<string, string | string[]>;

/** Why a call failed. */
export class MotetError extends Error {
  readonly code: Code;
  /** For programs, such as "GreetError.NameTooLong". */
  readonly reason?: string;
  /** The fields of that error. */
  readonly details?: any;
  /** Whether the handler ran. */
  readonly executed: "yes" | "no" | "unknown";
  /** How long to wait before another try, in ms. */
  readonly retryAfter?: number;
  readonly trailers?: Metadata;
}

export interface CallOptions {
  /** Cancels the call. */
  signal?: AbortSignal;
  /** How long the call may take, in ms. */
  timeout?: number;
  metadata?: Metadata;
}

/** What every call has. */
export interface Running {
  /** The metadata of the reply, once there are any. */
  readonly metadata: Metadata;
  /** What came with the end of the reply. */
  readonly trailers: Metadata;
  /** Ends the call. */
  cancel(reason?: unknown): void;
}

/** A call with one reply. */
export interface Call<Reply> extends Promise<Reply>, Running {}

/** A call with a stream of replies; leaving the loop cancels it. */
export interface Stream<Reply> extends AsyncIterable<Reply>, Running {}

/** The sending side of a stream of requests. */
export interface Sending<Request> {
  /** Sends a message; resolves when there is room for the next one. */
  send(message: Request): Promise<void>;
  /** Says that no more messages follow. */
  end(): void;
}

/** A call with a stream of requests and one reply. */
export interface Upload<Request, Reply> extends Call<Reply>, Sending<Request> {}

/** A call with both streams. */
export interface Chat<Request, Reply> extends Stream<Reply>, Sending<Request> {}

/** Messages to send. */
export type Messages<Request> = AsyncIterable<Request> | Iterable<Request>;

/** A connection to a server, opened by the first call and again after it was lost. */
export interface Motet {
  /** The methods of a service. */
  service<Name extends keyof Services>(name: Name): Services[Name];
  service(name: string): Record<string, (params?: any, options?: CallOptions) => any>;
  /** Makes a call of a method such as "greeter/hello": await it for a reply, iterate over it for a stream of them. */
  call(method: string, params?: any, options?: CallOptions): Call<any> & Stream<any> & Sending<any>;
  /** Ends the connection and the calls on it. */
  close(): void;
}

/** Connects to a server such as "http://localhost:8080"; by default the one that motet.js is from. */
export function connect(url?: string | URL, options?: Omit<CallOptions, "signal">): Motet;
