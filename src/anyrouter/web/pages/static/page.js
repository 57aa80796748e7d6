// What every page gets where scripts run: copy buttons, confirmations, dialogs, the menu of a narrow window. Pages work without it.

function addCopying(root) {
  for (const button of root.querySelectorAll("[data-copy]")) {
    const text = button.parentElement.querySelector("pre, code, input");
    if (!text || !navigator.clipboard) continue;
    button.hidden = false;
    const label = button.textContent;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(text.value ?? text.textContent);
      button.textContent = "Copied";
      announce("Copied to the clipboard");
      setTimeout(() => { button.textContent = label; }, 2000);
    });
  }
}

let speaker;
/** Says something to screen readers. */
export function announce(text) {
  if (!speaker) {
    speaker = document.createElement("div");
    speaker.className = "visually-hidden";
    speaker.setAttribute("aria-live", "polite");
    document.body.append(speaker);
  }
  speaker.textContent = text;
}

function addConfirming(root) {
  for (const form of root.querySelectorAll("form[data-confirm]")) {
    form.addEventListener("submit", (event) => {
      if (!window.confirm(form.dataset.confirm)) event.preventDefault();
    });
  }
}

function addSubmitting(root) {
  for (const control of root.querySelectorAll("[data-submit]")) {
    control.addEventListener("change", () => control.form.requestSubmit());
  }
}

// A dialog comes open from the server, as a part of the page; with scripts it is one: focus stays in it, Escape leads back.
function openDialogs(root) {
  for (const dialog of root.querySelectorAll("dialog[open][data-modal]")) {
    dialog.removeAttribute("open");
    dialog.showModal();
    dialog.addEventListener("close", () => { if (dialog.dataset.modal) window.location.assign(dialog.dataset.modal); });
  }
}

function foldMenu() {
  const menu = document.querySelector("[data-menu]");
  const narrow = window.matchMedia("(max-width: 60rem)");
  const fold = () => { menu.open = !narrow.matches; };
  if (menu) { fold(); narrow.addEventListener("change", fold); }
}

/** Makes what is in an element work; also for what a script puts there later. */
export function enliven(root) {
  addCopying(root);
  addConfirming(root);
  addSubmitting(root);
  openDialogs(root);
}

document.documentElement.classList.add("scripted");
foldMenu();
enliven(document);
