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
