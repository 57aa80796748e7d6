// The live tail of the activity page: asks every few seconds for the newest lines and puts those that are new on top. It stops while
// nobody looks at the page and after half an hour, so that a forgotten page ends its session; keeps a bounded number of lines, and says in
// words how many came. Who is signed out, elsewhere too, sees the sign-in page in place of what is on the screen.

const EVERY_MS = 2000;
const LONGEST_MS = 30000;
const MOST_LINES = 200;
const WATCHED_MS = 30 * 60 * 1000;

const button = document.querySelector("[data-tail]");
const body = document.querySelector("[data-tail-rows]");
const table = document.querySelector("[data-tail-table]");
const empty = document.querySelector("[data-tail-empty]");
const state = document.querySelector("[data-tail-state]");

let isOn = false;
let timer = 0;
let pause = EVERY_MS;
let asking = null;
let came = 0;
let until = 0;

function list() {
  return [...body.querySelectorAll("tr[data-id]")];
}

/** Puts a line where its time belongs; a request that took long comes below quicker ones that began later. */
function place(row) {
  const behind = list().find((other) => Number(other.dataset.ms) <= Number(row.dataset.ms));
  body.insertBefore(row, behind ?? null);
}

function add(text) {
  const known = new Set(list().map((row) => row.dataset.id));
  const found = new DOMParser().parseFromString(text, "text/html").querySelectorAll("tr[data-id]");
  const fresh = [...found].filter((row) => !known.has(row.dataset.id));
  for (const row of fresh.reverse()) {
    row.classList.add("fresh");
    place(document.adoptNode(row));
  }
  for (const row of list().slice(MOST_LINES)) row.remove();
  if (fresh.length) {
    if (table) table.hidden = false;
    if (empty) empty.hidden = true;
  }
  return fresh.length;
}

/** Says it, to screen readers too: only when it is something else. */
function tell(text) {
  if (state.textContent !== text) state.textContent = text;
}

/** What began long before the newest line is not asked for again. */
function address() {
  const newest = Math.max(Number(button.dataset.since), ...list().slice(0, 1).map((row) => Number(row.dataset.ms)));
  const url = new URL(button.dataset.tail, window.location.href);
  url.searchParams.set("after", String(newest));
  return url;
}

async function ask() {
  asking = new AbortController();
  try {
    const reply = await fetch(address(), { signal: asking.signal, credentials: "same-origin", redirect: "manual", cache: "no-store" });
    if (reply.type === "opaqueredirect" || reply.status === 403) return window.location.reload();
    if (!reply.ok) throw new Error(String(reply.status));
    const count = add(await reply.text());
    came += count;
    pause = EVERY_MS;
    tell(came ? `Watching live: ${came} new.` : "Watching live.");
  } catch (error) {
    if (error.name === "AbortError") return;
    pause = Math.min(2 * pause, LONGEST_MS);
    tell(`The gateway does not answer. Asking again in ${pause / 1000} seconds; the page can be loaded anew instead.`);
  }
  again();
}

function again() {
  clearTimeout(timer);
  if (isOn && Date.now() >= until) {
    turn(false);
    tell("Paused after half an hour.");
  }
  if (isOn && !document.hidden) timer = setTimeout(ask, pause);
}

function stop() {
  clearTimeout(timer);
  if (asking) asking.abort();
}

function turn(on) {
  isOn = on;
  button.textContent = on ? "Pause" : "Watch live";
  if (on) {
    came = 0;
    pause = EVERY_MS;
    until = Date.now() + WATCHED_MS;
    ask();
  } else {
    stop();
    tell("Paused.");
  }
}

if (button && body) {
  button.hidden = false;
  button.addEventListener("click", () => turn(!isOn));
  document.addEventListener("visibilitychange", () => {
    if (!isOn) return;
    if (document.hidden) stop(); else ask();
  });
}
