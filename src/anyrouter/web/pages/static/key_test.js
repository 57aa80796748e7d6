// One real request with a key that this page shows. The key goes into a header of that request and nowhere else.

const ANSWER_CHARACTERS = 1500;

function line(kind, title, rows) {
  const box = document.createElement("div");
  box.className = `notice ${kind}`;
  const head = document.createElement("p");
  head.className = "notice-title";
  head.textContent = title;
  box.append(head);
  for (const row of rows.filter(Boolean)) {
    const text = document.createElement("p");
    text.textContent = row;
    box.append(text);
  }
  return box;
}

function price(usage) {
  if (typeof usage?.cost !== "number") return "not known";
  return usage.cost === 0 ? "$0.00" : `$${usage.cost.toFixed(6).replace(/0+$/, "").replace(/\.$/, "")}`;
}

async function ask(body, key) {
  const begun = performance.now();
  const reply = await fetch("/api/v1/chat/completions", {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${key}` },
    body,
    credentials: "omit",
    cache: "no-store",
  });
  const said = await reply.json();
  const took = `${Math.round(performance.now() - begun)} ms`;
  if (!reply.ok) {
    return line("bad", `Refused: ${reply.status} ${said.error?.code ?? ""}`, [said.error?.message, `After ${took}.`]);
  }
  const answer = said.choices?.[0]?.message?.content ?? "";
  const usage = said.usage ?? {};
  const read = usage.prompt_tokens ?? 0;
  const tokens = `${read} token${read === 1 ? "" : "s"} in, ${usage.completion_tokens ?? 0} out`;
  return line("good", "It works", [answer.slice(0, ANSWER_CHARACTERS), `${took} · cost ${price(usage)} · ${tokens}`]);
}

for (const place of document.querySelectorAll("[data-key-test]")) {
  const button = place.querySelector("button");
  const outcome = place.querySelector("[data-outcome]");
  place.hidden = false;
  button.addEventListener("click", async () => {
    button.disabled = true;
    outcome.replaceChildren("Asking …");
    try {
      outcome.replaceChildren(await ask(place.dataset.body, document.getElementById("new-key-text").textContent));
    } catch {
      outcome.replaceChildren(line("bad", "No answer", ["The gateway could not be reached, or its answer could not be read. Try again."]));
    }
    button.disabled = false;
    button.textContent = "Send it again";
  });
}
