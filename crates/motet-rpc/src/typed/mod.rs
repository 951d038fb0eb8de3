//! What the generated code of service traits calls.
