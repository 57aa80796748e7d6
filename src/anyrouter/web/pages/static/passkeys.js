// Passkeys: asks this browser's authenticator for what the gateway wants, and sends the answer as the form that was pressed.

const MISTAKES = {
  NotAllowedError: "It was cancelled, or took too long. Try again.",
  InvalidStateError: "This device has a passkey of yours already.",
  SecurityError: "Passkeys do not work at this address.",
  NotSupportedError: "This device cannot make passkeys.",
};

function toBytes(text) {
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(binary, (letter) => letter.charCodeAt(0));
}

function toText(buffer) {
  const binary = String.fromCharCode(...new Uint8Array(buffer));
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function readOptions({ publicKey }) {
  const withIds = (list) => (list ?? []).map((entry) => ({ ...entry, id: toBytes(entry.id) }));
  const options = { ...publicKey, challenge: toBytes(publicKey.challenge) };
  if (options.user) options.user = { ...options.user, id: toBytes(options.user.id) };
  if (options.excludeCredentials) options.excludeCredentials = withIds(options.excludeCredentials);
  if (options.allowCredentials) options.allowCredentials = withIds(options.allowCredentials);
  return options;
}

function writeCredential(credential) {
  const response = {};
  for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (credential.response[name]) response[name] = toText(credential.response[name]);
  }
  return JSON.stringify({ id: credential.id, rawId: toText(credential.rawId), type: credential.type, response });
}

class Refusal extends Error {}

async function ask(form) {
  const reply = await fetch(form.dataset.begin, { method: "POST", headers: { accept: "application/json" } });
  if (reply.redirected) { // the session has ended: there is where one signs in
    window.location.assign(reply.url);
    return null;
  }
  if (!(reply.headers.get("content-type") ?? "").startsWith("application/json")) throw new Refusal("The gateway does not answer as it should. Load the page anew.");
  const said = await reply.json();
  if (said.go) {
    window.location.assign(said.go);
    return null;
  }
  if (!reply.ok) throw new Refusal(said.message);
  const options = { publicKey: readOptions(said.options) };
  const credential = form.dataset.passkey === "create" ? await navigator.credentials.create(options) : await navigator.credentials.get(options);
  return { id: said.id, response: writeCredential(credential) };
}

async function send(form) {
  const button = form.querySelector("button");
  const problem = form.querySelector("[data-problem]");
  button.disabled = true;
  problem.hidden = true;
  try {
    const answer = await ask(form);
    if (!answer) return;
    form.elements.id.value = answer.id;
    form.elements.response.value = answer.response;
    form.submit();
  } catch (error) {
    problem.textContent = error instanceof Refusal ? error.message : MISTAKES[error.name] ?? "The gateway cannot be reached. Try again.";
    problem.hidden = false;
    button.disabled = false;
  }
}

for (const form of document.querySelectorAll("form[data-passkey]")) {
  if (!window.PublicKeyCredential) {
    form.replaceChildren("This browser knows no passkeys.");
    continue;
  }
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(form);
  });
}
