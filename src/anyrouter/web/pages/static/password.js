// Buttons that show what was typed into a field for a password. It is hidden again before a form is sent, or browsers would keep it.
import { announce } from "./page.js";

for (const button of document.querySelectorAll("[data-show]")) {
  const field = document.getElementById(button.dataset.show);
  const show = (isShown) => {
    field.type = isShown ? "text" : "password";
    button.firstChild.data = isShown ? "Hide" : "Show";
    button.setAttribute("aria-pressed", String(isShown));
  };
  button.hidden = false;
  button.addEventListener("click", () => {
    show(field.type === "password");
    announce(field.type === "text" ? "The password is shown" : "The password is hidden");
  });
  field.form.addEventListener("submit", () => show(false));
}
