// Offers the browser's own time zone, and shows what is chosen at once.

const select = document.querySelector("[data-zone]");
const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (select && own && ![...select.options].some((option) => option.value === own)) {
  select.prepend(new Option(own, own));
}
