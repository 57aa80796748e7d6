// The traffic of a rotation, asked for every few seconds while somebody looks; for half an hour, so that a forgotten page ends its session.
import { announce } from "./page.js";

const EVERY_MS = 3000;
const MOST = 600;

const place = document.querySelector("[data-traffic]");
const live = document.querySelector("[data-live]");
let asked = 0;

async function ask() {
  if (document.hidden) return;
  const reply = await fetch(place.dataset.traffic, { redirect: "manual", cache: "no-store" });
  if (reply.type === "opaqueredirect") window.location.reload(); // the session has ended
  if (!reply.ok) throw new Error(String(reply.status));
  const before = place.querySelector("[data-stage]")?.dataset.stage;
  place.innerHTML = await reply.text();
  const now = place.querySelector("[data-stage]");
  if (now.dataset.stage !== before) announce(now.querySelector(".notice-title").textContent);
}

async function go() {
  try {
    await ask();
    live.textContent = "Live: this page asks again every few seconds.";
  } catch {
    live.textContent = "The gateway does not answer now. Trying again …";
  }
  asked += 1;
  if (asked < MOST) setTimeout(go, EVERY_MS);
  else live.textContent = "No longer live. Refresh the page to go on.";
}

if (place && live) {
  live.hidden = false;
  setTimeout(go, EVERY_MS);
}
