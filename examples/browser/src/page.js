// The long form: the short one, /motet.js, belongs to what else this port may serve.
import { connect } from "/-/motet.js";

const parlour = connect().service("parlour");
const by = (id) => document.getElementById(id);
const show = (output, text, bad = false) => {
  output.textContent = text;
  output.classList.toggle("bad", bad);
};

// A reply, or an error with its code and the fields of the typed error.
by("greet").onsubmit = async (event) => {
  event.preventDefault();
  const name = new FormData(event.target).get("name");
  try {
    show(by("greeting"), await parlour.greet({ name }, { timeout: 5000 }));
  } catch (error) {
    show(by("greeting"), `${error.code}: ${error.message}${error.reason ? ` (${error.reason})` : ""}`, true);
  }
};

// A stream, until its end or a click.
by("count").onsubmit = async (event) => {
  event.preventDefault();
  const to = Number(new FormData(event.target).get("to"));
  const stop = new AbortController();
  by("stop").onclick = () => stop.abort();
  by("stop").disabled = false;
  by("bar").max = to;
  try {
    for await (const n of parlour.count({ to, every_ms: 100 }, { signal: stop.signal })) {
      by("bar").value = n;
      show(by("counted"), `${n} of ${to}`);
    }
    show(by("counted"), `Counted to ${to}.`);
  } catch (error) {
    show(by("counted"), stop.signal.aborted ? "Stopped." : `${error.code}: ${error.message}`, !stop.signal.aborted);
  }
  by("stop").disabled = true;
};

// A conversation: one call for as long as the page lives, begun by the first line.
let talk;
by("talk").onsubmit = async (event) => {
  event.preventDefault();
  const text = new FormData(event.target).get("text");
  event.target.reset();
  if (!talk) listen((talk = parlour.talk()));
  talk.send({ text }).catch(() => {});
};

async function listen(call) {
  try {
    for await (const { text } of call) by("talked").textContent += text + "\n";
  } catch (error) {
    by("talked").textContent += `${error.code}: ${error.message}\n`;
  }
  talk = undefined;
}
