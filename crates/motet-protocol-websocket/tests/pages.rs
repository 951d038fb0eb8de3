//! The client for browsers and its types, as the service gives them.

mod support;

use support::*;

#[tokio::test]
async fn the_script_and_its_types_are_served() {
    let (app, _) = start("").await;
    for path in ["/motet.js", "/-/motet.js"] {
        let (status, body) = get(&app, path, "").await;
        assert!(status == 200 && body.contains("export function connect("), "{path}: {status}");
    }
    let (status, body) = get(&app, "/motet.d.ts", "").await;
    assert!(status == 200 && body.contains("export function connect("), "{status}");
    let (_, head) = request(&app, "GET /motet.js HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(head.contains("content-type: text/javascript"), "{head}");
}

#[tokio::test]
async fn the_types_of_a_service_name_its_methods() {
    let (app, _) = start("").await;
    let (status, body) = get(&app, "/numbers.d.ts", "").await;
    assert_eq!(status, 200, "{body}");
    for part in [
        "numbers: Numbers;",
        "export interface Numbers {",
        "/** Gives the square of a number. */",
        "square(params: {\n  n: number;\n}, options?: CallOptions): Call<number>;",
        "}, options?: CallOptions): Stream<number>;",
        "sum(messages?: Messages<number>, options?: CallOptions): Upload<number, number>;",
        "moved(messages?: Messages<Point>, options?: CallOptions): Chat<Point, Point>;",
        "export type Point = {",
        "name?: string | null;",
    ] {
        assert!(body.contains(part), "{part}\n{body}");
    }
    assert_eq!(get(&app, "/none.d.ts", "").await.0, 404);
}

#[tokio::test]
async fn types_are_for_those_who_may_ask_and_no_page_of_others_reads_anything() {
    let (app, _) = start("").await;
    for path in ["/motet.js", "/numbers.d.ts"] {
        assert_eq!(get(&app, path, "Origin: https://evil.example\r\n").await.0, 403, "{path}");
    }
}
