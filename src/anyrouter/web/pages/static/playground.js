// The playground where scripts run: answers as they come, from one model or two, and a button that stops them.
import { readEvents } from "./event_stream.js";
import { announce, enliven } from "./page.js";
import { Talk } from "./talk.js";

const SIGNED_OUT = "You are not signed in any more. Sign in on another tab, then send it again.";
const form = document.querySelector("[data-playground]");
const stop = form.querySelector("[data-stop]");
const send = form.querySelector("[data-send]");
const talks = [...form.querySelectorAll("[data-talk]")].map((element) => new Talk(element));
let running = null;

/** A refusal, as an error. */
async function readTrouble(reply) {
  if (!(reply.headers.get("content-type") ?? "").includes("json")) return new Error(await readPage(reply));
  const { message, code } = (await reply.json()).error;
  return Object.assign(new Error(message), { isRouteMissing: code === "no_route" });
}

async function readPage(reply) {
  const page = new DOMParser().parseFromString(await reply.text(), "text/html");
  return page.querySelector("main h1 + p")?.textContent ?? `The gateway answered ${reply.status}.`;
}

async function open(column, fields, signal) {
  const body = new URLSearchParams(fields);
  body.set("column", column);
  body.delete(`talk-${1 - column}`);
  const reply = await fetch("/dashboard/playground/stream", { method: "POST", body, signal });
  if (reply.redirected) throw new Error(SIGNED_OUT);
  if (!reply.ok) throw await readTrouble(reply);
  return reply;
}

/** Asks one model; says whether the answer is whole. */
async function ask(talk, column, fields, signal) {
  const message = fields.get("message");
  const started = performance.now();
  let answer = "", isWhole = true, generation = "";
  talk.begin(fields.get(column ? "beside" : "model"), message);
  try {
    const reply = await open(column, fields, signal);
    generation = reply.headers.get("x-generation-id") ?? "";
    for await (const { event, data } of readEvents(reply.body)) {
      if (data === "[DONE]") continue;
      const value = JSON.parse(data);
      if (event === "figures") {
        talk.addFigures(value.figures, generation);
      } else if (value.error || event === "error") {
        isWhole = false;
        talk.addTrouble((value.error ?? value).message);
      } else {
        const delta = value.choices?.[0]?.delta ?? {};
        const thought = delta.reasoning ?? delta.reasoning_content;
        const part = delta.content ?? delta.refusal;
        if (thought) talk.addThought(thought);
        if (part) { answer += part; talk.add(part); }
      }
    }
  } catch (problem) {
    isWhole = false;
    const seconds = ((performance.now() - started) / 1000).toFixed(2);
    if (signal.aborted) talk.addFigures([["Stopped", `after ${seconds} s; what had come by then is billed`]], generation);
    else talk.addTrouble(problem instanceof TypeError ? "The gateway cannot be reached. Is it running?" : problem.message, problem.isRouteMissing);
  }
  talk.end();
  if (answer && (isWhole || signal.aborted)) talk.keep(message, answer);
  return isWhole;
}

async function sendAll() {
  if (running || !form.reportValidity()) return;
  running = new AbortController();
  const { signal } = running;
  const fields = new FormData(form);
  const asked = talks.slice(0, fields.get("beside").trim() ? 2 : 1);
  send.disabled = true;
  stop.hidden = false;
  form.message.value = "";
  const done = await Promise.all(asked.map((talk, column) => ask(talk, column, fields, signal)));
  if (!signal.aborted && !done.some(Boolean) && !form.message.value) form.message.value = fields.get("message");
  announce(signal.aborted ? "Stopped" : done.every(Boolean) ? "The answer is complete" : "There is no whole answer");
  send.disabled = false;
  stop.hidden = true;
  running = null;
  form.message.focus();
}

/** The models that the other environment offers, one of them for a name that it does not have; code that was shown is another's now. */
async function changeEnvironment() {
  document.querySelector("#code").hidden = true;
  const asked = form.environment.value;
  const address = `/dashboard/playground?${new URLSearchParams({ environment: asked, model: form.model.value, beside: form.beside.value })}`;
  const reply = await fetch(address);
  const page = new DOMParser().parseFromString(await reply.text(), "text/html");
  if (form.environment.value !== asked) return;
  if (reply.redirected || !reply.ok) { window.location.reload(); return; }
  for (const selector of ["#known-models", "#reach"]) {
    document.querySelector(selector).replaceWith(document.adoptNode(page.querySelector(selector)));
  }
  for (const name of ["model", "beside"]) form[name].value = page.getElementById(name).value;
}

/** Fetches the page for what the form says now, and puts a part of it in the place of ours. */
async function refresh(address, options, selector) {
  const reply = await fetch(address, options);
  const page = new DOMParser().parseFromString(await reply.text(), "text/html");
  const found = page.querySelector(selector);
  if (!found || reply.redirected) { window.location.reload(); return null; }
  const part = document.adoptNode(found);
  document.querySelector(selector).replaceWith(part);
  enliven(part);
  return part;
}

async function showCode() {
  const body = new URLSearchParams(new FormData(form));
  const part = await refresh("/dashboard/playground/code", { method: "POST", body }, "#code");
  if (part) { part.hidden = false; part.focus(); }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (event.submitter?.hasAttribute("data-code")) showCode();
  else sendAll();
});
form.message.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); sendAll(); }
});
stop.addEventListener("click", () => running?.abort());
form.environment.addEventListener("change", changeEnvironment);
