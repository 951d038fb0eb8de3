// Drives a browser, and Node, through what examples/browser serves. Called by run: browser, program, folder of modules,
// folder for screenshots, Node 22 or newer.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createHttp } from "node:http";
import { createRequire } from "node:module";
import { createServer, connect as dial } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const [browserPath, program, modules, shots, node] = process.argv.slice(2).map((path) => resolve(path));
const { chromium } = createRequire(join(modules, "/"))("playwright-core");
const SOON = 30_000;

/** A port that was free a moment ago. */
const freePort = () =>
  new Promise((done) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** Waits until something is so. */
async function until(what, name) {
  const end = Date.now() + SOON;
  while (!(await what())) {
    assert.ok(Date.now() < end, `it did not come to be: ${name}`);
    await pause(20);
  }
}

const answers = (port) =>
  new Promise((done) => {
    const socket = dial(port, "127.0.0.1", () => done(socket.end() && true)).on("error", () => done(false));
  });

/** The example, listening. */
async function serve(port) {
  const child = spawn(program, ["--listen", `tcp://127.0.0.1:${port}`], { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.on("data", (data) => (said = (said + data).slice(-4000)));
  await until(() => child.exitCode !== null || answers(port), "the example listens");
  assert.equal(child.exitCode, null, said);
  const stop = () => new Promise((done) => child.exitCode === null ? child.once("exit", done).kill("SIGTERM") : done());
  return { stop, kill: () => child.kill("SIGKILL") };
}

const cases = [];
const test = (name, run) => cases.push([name, run]);

// ---- the example's page

test("the example's page greets, counts, stops and talks", async ({ page, base, shot }) => {
  await page.goto(base);
  await page.click("#greet button");
  await page.waitForSelector("#greeting:text('Good evening, Ada.')");
  await page.fill("#count input", "5");
  await page.click("#count button:text('Count')");
  await page.waitForSelector("#counted:text('Counted to 5.')");
  for (const line of ["It rains.", "Still."]) {
    await page.fill("#talk input", line);
    await page.click("#talk button");
    await page.waitForSelector(`#talked:has-text('“${line}”, you say?')`);
  }
  await page.fill("#greet input", "Moriarty");
  await page.click("#greet button");
  await page.waitForSelector("#greeting.bad:has-text('NOT_FOUND: Moriarty is not welcome here (GreetError.Stranger)')");
  await page.fill("#count input", "1000");
  await page.click("#count button:text('Count')");
  await page.waitForSelector("#counted:has-text('of 1000')");
  await shot("example");
  await page.click("#stop");
  await page.waitForSelector("#counted:text('Stopped.')");
});

test("the client connects again after its server was gone", async ({ page, base, restart }) => {
  await page.goto(base);
  await page.click("#greet button");
  await page.waitForSelector("#greeting:text('Good evening, Ada.')");
  await restart();
  await page.fill("#greet input", "Grace");
  await page.click("#greet button");
  await page.waitForSelector("#greeting:text('Good evening, Grace.')");
});

test("the client in the browser", async ({ page, base }) => {
  await page.goto(base);
  await checkClient((code) => page.evaluate(code));
});

/** What the client promises, told by a function that runs text where the client can be imported. */
async function checkClient(run, from = "/-/motet.js", at = "") {
  const say = (code) => run(`(async () => {
    const { connect, MotetError } = await import("${from}");
    const motet = connect(${at});
    const parlour = motet.service("parlour");
    const failure = async (promise) => { try { await promise; return "none"; } catch (error) { return error.code ?? error.name; } };
    const collect = async (stream) => { const all = []; for await (const one of stream) all.push(one); return all; };
    try { ${code} } finally { motet.close(); }
  })()`);
  assert.equal(await say(`return await parlour.greet({ name: "Ada" })`), "Good evening, Ada.");
  assert.equal(await say(`return (await parlour.greet(["Ada"]))`), "Good evening, Ada.", "by position");
  const error = await say(`try { await parlour.greet({ name: "Moriarty" }) } catch (e) {
    return [e instanceof MotetError, e.code, e.reason, e.details, e.executed] }`);
  assert.deepEqual(error, [true, "NOT_FOUND", "GreetError.Stranger", { name: "Moriarty" }, "yes"]);
  assert.equal(await say(`return await failure(parlour.none({}))`), "UNIMPLEMENTED");
  assert.equal(await say(`return await failure(parlour.greet({ name: 7 }))`), "INVALID_ARGUMENT");
  // More than one window, read at once and read slowly.
  assert.equal((await say(`return await collect(parlour.count({ to: 200, every_ms: 0 }))`)).length, 200);
  assert.equal(await say(`const stream = parlour.count({ to: 100, every_ms: 0 }); await new Promise(go => setTimeout(go, 300));
    return (await collect(stream)).length`), 100);
  assert.deepEqual(await say(`const all = []; for await (const n of parlour.count({ to: 1000, every_ms: 1 })) { all.push(n); if (n === 3) break; }
    return [all, await parlour.greet({ name: "Ada" })]`), [[1, 2, 3], "Good evening, Ada."]);
  // A stream of requests: from a list, by hand, more than one window, none at all, and one that is refused.
  assert.equal(await say(`return await parlour.listen([{ text: "a" }, { text: "b" }].values())`), 2);
  assert.equal(await say(`const call = parlour.listen(); for (let n = 0; n < 3; n++) await call.send({ text: "x" }); call.end(); return await call`), 3);
  assert.equal(await say(`return await parlour.listen(Array.from({ length: 100 }, () => ({ text: "x" })).values())`), 100);
  assert.equal(await say(`const call = parlour.listen(); call.end(); return await call`), 0);
  assert.equal(await say(`return await failure(parlour.listen([{ text: "a" }, { text: "" }].values()))`), "INVALID_ARGUMENT");
  // Both streams: by hand, from a list, and a hundred, which is more than one window.
  assert.deepEqual(await say(`const talk = parlour.talk(); talk.send({ text: "a" }); talk.send({ text: "b" }); talk.end();
    return (await collect(talk)).map(line => line.text)`), ["“a”, you say?", "“b”, you say?"]);
  assert.equal(await say(`return (await collect(parlour.talk(Array.from({ length: 100 }, (_, n) => ({ text: "x" + n })).values()))).length`), 100);
  assert.equal(await say(`async function* lines() { yield { text: "a" }; throw new RangeError("torn"); }
    return await failure(collect(parlour.talk(lines())))`), "RangeError");
  assert.equal(await say(`return await failure(collect(parlour.talk([{ text: "" }].values())))`), "INVALID_ARGUMENT");
  // Deadlines and signals.
  const slow = `parlour.count({ to: 10, every_ms: 5000 }`;
  assert.equal(await say(`return await failure(collect(${slow}, { timeout: 200 })))`), "DEADLINE_EXCEEDED");
  assert.equal(await say(`return await failure(collect(${slow}, { signal: AbortSignal.timeout(100) })))`), 23, "TimeoutError of the DOM");
  assert.equal(await say(`return await failure(parlour.greet({ name: "Ada" }, { signal: AbortSignal.abort() }))`), 20, "AbortError of the DOM");
  assert.equal(await say(`const stop = new AbortController(); setTimeout(() => stop.abort(new Error("enough")), 50);
    try { await collect(${slow}, { signal: stop.signal })) } catch (e) { return e.message }`), "enough");
  assert.equal(await say(`const stream = ${slow}); setTimeout(() => motet.close(), 100); return await failure(collect(stream))`), "UNAVAILABLE");
}

test(`the client in Node ${execFileSync(node, ["--version"]).toString().trim()}`, async ({ base, folder }) => {
  const file = join(folder, "motet.mjs");
  writeFileSync(file, await (await fetch(base + "/-/motet.js")).text());
  await checkClient(
    async (code) => {
      const text = `const result = await ${code}; process.stdout.write(JSON.stringify(result));`;
      writeFileSync(join(folder, "case.mjs"), text);
      return JSON.parse(execFileSync(node, [join(folder, "case.mjs")], { timeout: SOON }));
    },
    "./motet.mjs",
    JSON.stringify(base),
  );
});

// ---- the page to try

test("the page to try calls, shows an error, runs a stream and talks", async ({ page, base, shot }) => {
  await page.goto(base + "/-/try");
  await page.click("nav a:has-text('greet')");
  await page.fill("#field-name", "Ada");
  await page.click("main button:text('Call')");
  await page.waitForSelector("main pre:has-text('Good evening, Ada.')");
  await shot("try-reply");
  await page.fill("#field-name", "Moriarty");
  await page.click("main button:text('Call')");
  await page.waitForSelector(".status.bad:has-text('NOT_FOUND: Moriarty is not welcome here')");
  await shot("try-error");
  await page.click("nav a:has-text('count')");
  await page.fill("#field-to", "500");
  await page.fill("#field-every_ms", "20");
  await page.click("main button:text('Start')");
  await page.waitForSelector("main pre:has-text('{\"value\":5}')");
  await shot("try-stream");
  await page.click("main button:text('Stop')");
  await page.waitForSelector(".status.bad:has-text('stopped')");
  await page.click("nav a:has-text('talk')");
  for (const line of ["It rains.", "Still."]) {
    await page.fill("#field-text", line);
    await page.click("main button:text('Send')");
    await page.waitForSelector(`main pre:has-text('“${line}”, you say?')`);
  }
  await shot("try-talk");
  await page.click("main button:text('End of messages')");
  await page.waitForSelector(".status.good:has-text('ended: 2 replies')");
  await page.fill("#field-text", "");
  await page.click("main button:text('Send')");
  await page.waitForSelector(".status.bad:has-text('INVALID_ARGUMENT')");
  await shot("try-talk-error");
});

test("the page to try is usable in the dark and on a phone", async ({ page, base, shot }) => {
  await page.emulateMedia({ colorScheme: "dark" });
  await page.goto(base + "/-/try#parlour/greet");
  await page.waitForSelector("#field-name");
  await shot("try-dark");
  await page.setViewportSize({ width: 390, height: 780 });
  await shot("try-phone");
  const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
  assert.equal(wide, false, "nothing sticks out");
});

// ---- pages of others

/** What a page gets when it asks for all that there is: statuses by path. */
async function statuses(page, from, target) {
  // What the page itself may not see, the tools of the browser tell.
  const tools = await page.context().newCDPSession(page);
  const [asked, seen] = [new Map(), new Map()];
  tools.on("Network.requestWillBeSent", ({ requestId, request }) => asked.set(requestId, new URL(request.url).pathname));
  tools.on("Network.responseReceivedExtraInfo", ({ requestId, statusCode }) => seen.set(requestId, statusCode));
  // In no certain order.
  const status = (path) => [...seen].find(([id]) => asked.get(id) === path)?.[1];
  await tools.send("Network.enable");
  const refused = [];
  page.on("console", (message) => /Unexpected response code: (\d+)/.test(message.text()) && refused.push(RegExp.$1));
  await page.goto(from);
  const paths = ["/-/services", "/-/openapi.json", "/-/metrics", "/-/parlour.d.ts", "/-/motet.js"];
  for (const path of paths) await page.evaluate((url) => fetch(url).catch(() => {}), target + path);
  await page.evaluate((url) => fetch(url, { method: "POST", body: '{"name":"Ada"}' }).catch(() => {}), target + "/parlour/greet");
  for (const path of ["/-/ws", "/parlour/talk"]) {
    const outcome = await page.evaluate((url) => new Promise((done) => {
      const socket = new WebSocket(url);
      socket.onopen = () => done("open");
      socket.onerror = () => done("refused");
    }), target.replace("http", "ws") + path);
    assert.equal(outcome, "refused", path);
  }
  await until(() => refused.length === 2, "both refusals are told");
  assert.deepEqual(refused, ["403", "403"]);
  for (const path of [...paths, "/parlour/greet"]) {
    await until(() => status(path), `${path} of ${target} is answered`);
    assert.equal(status(path), 403, `${path} of ${target} asked from ${from}`);
  }
}

test("a page of another origin gets 403 everywhere", async ({ page, base }) => {
  const other = createHttp((_, answer) => answer.setHeader("content-type", "text/html").end("<title>Other</title>"));
  await new Promise((done) => other.listen(0, "127.0.0.1", done));
  try {
    await statuses(page, `http://127.0.0.1:${other.address().port}/`, base);
  } finally {
    other.close();
  }
});

test("a name that was rebound to this machine gets 403 everywhere", async ({ page, port }) => {
  const evil = `http://evil.example:${port}`;
  await statuses(page, evil + "/", evil);
});

// ---- types

test("the types hold what they say, by tsc", async ({ base, folder }) => {
  const types = join(folder, "types");
  mkdirSync(types);
  for (const file of ["motet.d.ts", "parlour.d.ts"]) writeFileSync(join(types, file), await (await fetch(`${base}/-/${file}`)).text());
  writeFileSync(join(types, "use.ts"), `
    import { connect, MotetError } from "./motet.js";
    import type { Line } from "./parlour.js";
    const parlour = connect("http://localhost").service("parlour");
    const greeting: string = await parlour.greet({ name: "Ada" }, { timeout: 5, metadata: { a: "1" } });
    for await (const n of parlour.count({ to: 3, every_ms: 1 })) { const twice: number = n * 2; void twice; }
    const line: Line = { text: greeting };
    const talk = parlour.talk();
    await talk.send(line);
    talk.end();
    for await (const { text } of talk) { const upper: string = text.toUpperCase(); void upper; }
    for await (const { text } of parlour.talk([line])) void text;
    const heard: number = await parlour.listen([line].values());
    void heard;
    // @ts-expect-error: there is no such method
    parlour.none();
    // @ts-expect-error: the name is a text
    parlour.greet({ name: 7 });
    // @ts-expect-error: something is missing
    parlour.count({ to: 3 });
    // @ts-expect-error: a stream is no promise
    parlour.count({ to: 3, every_ms: 1 }).then(() => {});
    connect().service("some other").anything({ a: 1 });
    const known = (error: unknown) => error instanceof MotetError && error.code === "NOT_FOUND";
    void known;
    export {};
  `);
  const options = ["--noEmit", "--strict", "--target", "es2022", "--module", "nodenext", "--lib", "es2022,dom,dom.asynciterable"];
  writeFileSync(join(types, "package.json"), '{"type":"module"}');
  const tsc = join(modules, "node_modules", "typescript", "bin", "tsc");
  try {
    execFileSync("node", [tsc, ...options, join(types, "use.ts")], { stdio: "pipe" });
  } catch (error) {
    assert.fail(String(error.stdout));
  }
});

// ---- the run

const folder = mkdtempSync(join(tmpdir(), "motet-browser-"));
mkdirSync(shots, { recursive: true });
const port = await freePort();
const base = `http://127.0.0.1:${port}`;
let server = await serve(port);
const restart = async () => {
  await server.stop();
  server = await serve(port);
};
const context = await chromium.launchPersistentContext(join(folder, "profile"), {
  executablePath: browserPath,
  headless: true,
  args: [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP evil.example 127.0.0.1",
  ],
  viewport: { width: 1100, height: 760 },
});
let failed = 0;
try {
  for (const [name, run] of cases) {
    const page = await context.newPage();
    page.setDefaultTimeout(SOON);
    const shot = (file) => page.screenshot({ path: join(shots, file + ".png") });
    try {
      await run({ page, base, port, folder, shot, restart });
      console.log(`ok   ${name}`);
    } catch (error) {
      failed++;
      console.log(`FAIL ${name}\n${error.stack}`);
      await shot("failed").catch(() => {});
    }
    await page.close();
  }
} finally {
  await context.close();
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
}
console.log(failed ? `${failed} of ${cases.length} failed` : `all ${cases.length} passed; screenshots are in ${shots}`);
process.exit(failed ? 1 : 0);
