// The hosted pages' only script: it makes or uses a passkey, copies text and offers the recovery codes as a file.
// Everything else on these pages works without it.

const toBytes = (text) => {
  const base64 = text.replaceAll("-", "+").replaceAll("_", "/");
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
};

const toText = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");

const withIds = (descriptors = []) => descriptors.map((one) => ({ ...one, id: toBytes(one.id) }));

// WebAuthn Level 3 has both conversions; browsers before 2025 may lack them.
const creationOptions = (json) =>
  window.PublicKeyCredential.parseCreationOptionsFromJSON?.(json) ?? {
    ...json,
    challenge: toBytes(json.challenge),
    user: { ...json.user, id: toBytes(json.user.id) },
    excludeCredentials: withIds(json.excludeCredentials),
  };

const requestOptions = (json) =>
  window.PublicKeyCredential.parseRequestOptionsFromJSON?.(json) ?? {
    ...json,
    challenge: toBytes(json.challenge),
    allowCredentials: withIds(json.allowCredentials),
  };

const RESPONSE_FIELDS = ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"];

const credentialJSON = (credential) => {
  if (credential.toJSON) return credential.toJSON();
  const response = {};
  for (const field of RESPONSE_FIELDS) {
    if (credential.response[field]) response[field] = toText(credential.response[field]);
  }
  const transports = credential.response.getTransports?.();
  if (transports) response.transports = transports;
  return {
    id: credential.id,
    rawId: toText(credential.rawId),
    type: credential.type,
    authenticatorAttachment: credential.authenticatorAttachment ?? undefined,
    clientExtensionResults: credential.getClientExtensionResults(),
    response,
  };
};

// The server answered, but not with options: an expired session, or too many tries.
class Refused extends Error {}

const askOptions = async (form) => {
  const answer = await fetch(form.dataset.optionsUrl, {
    method: "POST",
    headers: { Authorization: `Bearer ${form.elements.token.value}`, "Content-Type": "application/json" },
    body: "{}",
    credentials: "omit",
  });
  if (!answer.ok) throw new Refused();
  return answer.json();
};

const askCredential = (kind, options) =>
  kind === "create"
    ? navigator.credentials.create({ publicKey: creationOptions(options) })
    : navigator.credentials.get({ publicKey: requestOptions(options) });

const reasonOf = (error) => {
  if (error instanceof Refused) return "refused";
  if (error.name === "InvalidStateError") return "known";
  if (error.name === "NotAllowedError" || error.name === "AbortError") return "cancelled";
  return "failed";
};

const tell = (form, reason) => {
  const box = form.querySelector("[data-problems]");
  for (const line of box.children) line.hidden = line.dataset.problem !== reason;
  box.hidden = reason === null;
};

const usePasskey = async (form) => {
  const button = form.querySelector("button");
  if (button.ariaBusy === "true") return;
  button.ariaBusy = "true";
  tell(form, null);
  try {
    const { challengeId, options } = await askOptions(form);
    const credential = await askCredential(form.dataset.passkey, options);
    form.elements.challengeId.value = challengeId ?? "";
    form.elements.credential.value = JSON.stringify(credentialJSON(credential));
    form.submit();
  } catch (error) {
    tell(form, reasonOf(error));
  } finally {
    button.ariaBusy = null;
  }
};

for (const form of document.querySelectorAll("form[data-passkey]")) {
  if (window.PublicKeyCredential) {
    form.querySelector("button").hidden = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      usePasskey(form);
    });
  } else {
    tell(form, "unsupported");
  }
}

// Copying needs a secure context: https, or localhost.
for (const button of navigator.clipboard ? document.querySelectorAll("button[data-copy]") : []) {
  const label = button.textContent;
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = button.dataset.copied;
      setTimeout(() => (button.textContent = label), 2500);
    } catch {
      // Refused by the browser: the text stays on the page, to be selected by hand.
      button.hidden = true;
    }
  });
}

for (const link of document.querySelectorAll("a[data-text]")) {
  const file = new Blob([link.dataset.text, "\n"], { type: "text/plain" });
  link.href = URL.createObjectURL(file);
  link.hidden = false;
}
