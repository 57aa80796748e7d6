// The pages of keys: a key that is pasted into the search is cut to its label before it is sent; all rows are selected at once.

const WHOLE_KEY = /(ar-[a-z][a-z0-9]{1,15}-[0-9A-Za-z]{6})[0-9A-Za-z]{39}/g;

for (const form of document.querySelectorAll("[data-key-search]")) {
  form.addEventListener("submit", () => { form.q.value = form.q.value.replace(WHOLE_KEY, "$1"); });
}

const all = document.querySelector("[data-select-all]");
if (all) {
  const boxes = document.querySelectorAll("tbody input[name=id]");
  all.hidden = false;
  all.addEventListener("change", () => { for (const box of boxes) box.checked = all.checked; });
}

// Models are looked for while one types; those that were chosen stay.
for (const place of document.querySelectorAll("[data-model-search]")) {
  const search = place.querySelector("input[type=search]");
  const [chosen, matches] = [place.querySelector("[data-chosen]"), place.querySelector("[data-matches]")];
  let timer, latest = 0;
  search.removeAttribute("name"); // Enter elsewhere is no search then
  const keep = () => {
    for (const box of matches.querySelectorAll("input:checked")) chosen.append(box.closest(".check"));
  };
  const find = async () => {
    const turn = ++latest;
    keep();
    const query = new URLSearchParams({ q: search.value });
    const environment = search.form.querySelector("[name=environment]:checked, input[type=hidden][name=environment]");
    if (environment) query.set("environment", environment.value);
    for (const box of chosen.querySelectorAll("input")) query.append("chosen", box.value);
    const reply = await fetch(`/dashboard/keys/models?${query}`, { redirect: "manual" });
    if (turn !== latest || !reply.ok) return;
    keep();
    matches.innerHTML = search.value.trim() ? await reply.text() : "";
  };
  search.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(find, 200); });
  search.addEventListener("keydown", (event) => {
    if (event.key === "Enter") { event.preventDefault(); find(); }
  });
}

// A second click makes no second key, whose refusal would hide the first one's text.
for (const form of document.querySelectorAll("form[data-once]")) {
  form.addEventListener("submit", () => setTimeout(() => {
    for (const button of form.querySelectorAll("button")) button.disabled = true;
  }));
}

// Escape does not throw away what was typed without asking.
for (const dialog of document.querySelectorAll("dialog[data-keeps]")) {
  let isTouched = false;
  dialog.addEventListener("input", () => { isTouched = true; });
  dialog.addEventListener("cancel", (event) => {
    if (isTouched && !window.confirm("Close it? What you typed is not kept.")) event.preventDefault();
  });
}
