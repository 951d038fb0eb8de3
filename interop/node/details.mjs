// What errors carry: google.rpc, as far as the cases use it.
import protobuf from "protobufjs";

const { root } = protobuf.parse(`
  syntax = "proto3";
  package google.rpc;
  message ErrorInfo { string reason = 1; string domain = 2; }
  message BadRequest {
    message FieldViolation { string field = 1; string description = 2; }
    repeated FieldViolation field_violations = 1;
  }
  message Any { string type_url = 1; bytes value = 2; }
  message Status { int32 code = 1; string message = 2; repeated Any details = 3; }
`);
const type = (name) => root.lookupType(`google.rpc.${name}`);
const write = (name, value) => ({ type: `google.rpc.${name}`, value: type(name).encode(value).finish() });

const REASON = "Interop.Detailed";

/** What asks for an error with details. */
export const WANTED = ["with a reason", "with violations"];

/** The details of an error of this message, as `{type, value}`. */
export function details(message) {
  switch (message) {
    case WANTED[0]:
      return [write("ErrorInfo", { reason: REASON, domain: "motet.test" })];
    case WANTED[1]:
      return [write("BadRequest", { fieldViolations: [{ field: "payload", description: "it is a test" }] })];
    default:
      return [];
  }
}

/** Whether what a peer sent is what the message asked for. */
export function areThere(message, found) {
  const read = (name) => {
    const detail = found.find((detail) => detail.type === `google.rpc.${name}`);
    return detail && type(name).decode(detail.value);
  };
  if (message === WANTED[0]) return read("ErrorInfo")?.reason === REASON;
  const violations = read("BadRequest")?.fieldViolations ?? [];
  return violations.length === 1 && violations[0].field === "payload";
}

/** The value of `grpc-status-details-bin`. */
export function toStatus(code, message) {
  const any = ({ type, value }) => ({ typeUrl: `type.googleapis.com/${type}`, value });
  return Buffer.from(type("Status").encode({ code, message, details: details(message).map(any) }).finish());
}

/** The details in a value of `grpc-status-details-bin`. */
export function ofStatus(bytes) {
  const any = ({ typeUrl, value }) => ({ type: typeUrl.split("/").pop(), value });
  return type("Status").decode(bytes).details.map(any);
}
