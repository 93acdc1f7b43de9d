// The hosted pages' only script: it makes or uses a passkey or security key, waits for a mailed link or a phone, copies
// text, offers the recovery codes as a file and talks to the page that opened this one. All else works without it.

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

const useKey = async (form) => {
  const button = form.querySelector("button");
  if (button.ariaBusy === "true") return;
  button.ariaBusy = "true";
  tell(form, null);
  try {
    const answer = await askOptions(form);
    const { challengeId, options = answer } = answer; // a security key's come bare
    const credential = await askCredential(form.dataset.key, options);
    form.elements.challengeId.value = challengeId ?? "";
    form.elements.credential.value = JSON.stringify(credentialJSON(credential));
    form.submit();
  } catch (error) {
    tell(form, reasonOf(error));
  } finally {
    button.ariaBusy = null;
  }
};

for (const form of document.querySelectorAll("form[data-key]")) {
  if (window.PublicKeyCredential) {
    form.querySelector("button").hidden = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      useKey(form);
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

const show = (state) => {
  for (const part of document.querySelectorAll("[data-when-state]")) part.hidden = part.dataset.whenState !== state;
  for (const part of document.querySelectorAll("[data-unless-state]")) part.hidden = part.dataset.unlessState === state;
};

// Whoever opened a mailed link, or holds the phone, answered there: the form then asks what came of it.
const waiting = document.querySelector("form[data-waits-url]");
if (waiting) {
  const ask = async () => {
    try {
      const body = new URLSearchParams(new FormData(waiting));
      const answer = await fetch(waiting.dataset.waitsUrl, { method: "POST", body, credentials: "omit" });
      const { waits, state } = answer.ok ? await answer.json() : {};
      // Answered, or not to be asked any more: the page that follows says which.
      if (answer.ok ? !waits : answer.status === 401) {
        waiting.submit();
        return;
      }
      if (state) show(state);
    } catch {
      // The network is away for a moment.
    }
    setTimeout(ask, 2000);
  };
  if (!waiting.querySelector("[role=alert]")) setTimeout(ask, 1000);
}

// Popup and window modes. A message goes to the origins that the server named, never to "*": whoever else opened this
// page must not get the token. Source: github.com/authsignal/authsignal-browser, src/handlers/.
const widget = document.querySelector("#widget_container[data-popup]");
if (widget) {
  const framed = window.parent !== window;
  const listener = framed ? window.parent : window.opener;
  const LOOPBACK = /^https?:\/\/(localhost|127\.0\.0\.1)(:\d+)?$/;
  const named = widget.dataset.listeners.split(" ").filter(Boolean);
  const mayHear = (origin) => named.includes(origin) || ("loopback" in widget.dataset && LOOPBACK.test(origin));
  const parentOrigin = framed ? location.ancestorOrigins?.[0] : undefined;

  const send = (message) => {
    // In a WebView nobody opened the page; the application listens inside it.
    if (!listener) return window.postMessage(message, location.origin);
    const origins = parentOrigin ? [parentOrigin].filter(mayHear) : named;
    for (const origin of origins) listener.postMessage(message, origin);
  };
  const tellOpener = (event, data = {}) => send(JSON.stringify({ event, ...data }));

  const leave = (link) => {
    tellOpener("AUTHSIGNAL_CLOSE_POPUP", link.dataset.token ? { token: link.dataset.token } : {});
    return Boolean(listener);
  };
  for (const link of document.querySelectorAll("a[data-leave]")) {
    if (!link.getAttribute("href")) link.removeAttribute("href"), (link.tabIndex = 0), (link.role = "button");
    link.addEventListener("click", (event) => leave(link) && event.preventDefault());
    link.addEventListener("keydown", (event) => event.key === "Enter" && !link.href && leave(link));
    if ("now" in link.dataset && !leave(link) && link.href) location.replace(link.href);
  }

  const { failure, status } = widget.dataset;
  if (failure) tellOpener("AUTHSIGNAL_API_ERROR", { errorCode: failure, statusCode: Number(status) });
  tellOpener("AUTHSIGNAL_READY");
  new ResizeObserver(() => send({ height: Math.ceil(widget.getBoundingClientRect().height) })).observe(widget);
}
