//! What a reader of the banner can paste.

/// What a line shows, and the line, with `motet` for this program.
pub(super) const LINES: &[(&str, &str)] = &[
    ("what runs on this machine", "motet services"),
    ("one of them: its methods, messages and constraints", "motet describe bank"),
    ("a call", r#"motet call greeter hello '{"name":"world"}'"#),
    ("a constraint that does not hold: the service is not asked", r#"motet call greeter hello '{"name":""}'"#),
    ("an error with a type, its fields shown", r#"motet call bank withdraw '{"account":"ada","amount":500}'"#),
    ("a closure instead of a trait", r#"motet call words reverse '{"text":"stressed"}'"#),
    ("many replies", r#"motet stream clock ticks '{"every_ms":300,"count":3}'"#),
    ("many requests, one a line", r#"printf '{"value":%d}\n' 1 2 3 | motet stream totals sum"#),
    (
        "both at once; without the printf, type lines yourself",
        r#"printf '{"text":"%s"}\n' hello bye | motet stream chat talk"#,
    ),
    ("what was called, how often and how fast", "motet stats"),
    ("how they are", "motet health"),
];

/// A call without this program, where the demo speaks HTTP/JSON without TLS.
pub(super) fn curl(app: &motet::RunningApp) -> Option<String> {
    crate::run::paste::curl(&app.endpoints(), "greeter/hello", r#"{"name":"world"}"#)
}
