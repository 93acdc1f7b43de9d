// Signs in by a passkey alone: in the autofill of <input autocomplete="username webauthn">, and by the form's button.
// Asks our server what to ask for, Authsignal's Client API for the ceremony, and brings the proof back to our server.
// No library, no build; needs connect-src 'self' and the origin of API_URL.
const form = document.querySelector("form[data-authsignal-passkey]");
const button = form?.querySelector("button");
const message = form?.querySelector("[role=status]");
const field = document.querySelector("input[autocomplete~=webauthn]");
let controller = new AbortController(); // of whatever is under way: a browser has one ceremony at a time
let prepared = null; // what the pending autofill was prepared with; the button uses the same
let renewal = 0;
let failures = 0; // of autofill: one that always answers at once must not go round for ever

const bytes = (given) => Uint8Array.from(atob(given.replace(/-/g, "+").replace(/_/g, "/")), (char) => char.charCodeAt(0));
const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)))
  .replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

async function answerOf(response) {
  const answer = await response.json();
  if (!response.ok || "error" in answer) {
    throw Object.assign(new Error(`${response.status}`), { code: answer.errorCode ?? answer.error ?? answer.reason });
  }
  return answer;
}

function ask({ offer }, path, body, signal) {
  const Authorization = `Basic ${btoa(`${encodeURIComponent(offer.tenantId)}:`)}`;
  return fetch(`${offer.baseUrl}/client/${path}`, {
    method: "POST",
    headers: { Authorization, "Content-Type": "application/json" },
    credentials: "omit",
    body: JSON.stringify(body),
    signal,
  }).then(answerOf);
}

async function prepare(signal) {
  const asked = Date.now();
  const headers = { Accept: "application/json" };
  const offer = await fetch(form.action, { headers, cache: "no-store", signal }).then(answerOf);
  const { action, idempotencyKey, expiresIn } = offer;
  const { challengeId } = await ask({ offer }, "challenge", { action, idempotencyKey }, signal);
  const given = await ask({ offer }, "user-authenticators/passkey/authentication-options", { challengeId }, signal);
  // Not its whole life: who begins just before the end still has time to finish.
  return { offer, challengeId: given.challengeId ?? challengeId, options: given.options, until: asked + expiresIn * 400 };
}

async function choose({ options }, mediation, signal) {
  const { challenge, allowCredentials = [], ...rest } = options;
  const publicKey = {
    ...rest,
    challenge: bytes(challenge),
    allowCredentials: allowCredentials.map((one) => ({ ...one, id: bytes(one.id) })),
  };
  return read(await navigator.credentials.get({ publicKey, mediation, signal }));
}

async function signIn(ready, authenticationCredential, signal) {
  clearTimeout(renewal);
  button.disabled = true;
  say("working");
  const body = { challengeId: ready.challengeId, authenticationCredential };
  const { accessToken, isVerified } = await ask(ready, "verify/passkey", body, signal).catch((error) => {
    if (error.code === "unknown_credential") {
      // So that the browser offers it no more, where it can be told.
      const unknown = { rpId: ready.options.rpId, credentialId: authenticationCredential.id };
      PublicKeyCredential.signalUnknownCredential?.(unknown).catch(() => {});
    }
    throw error;
  });
  if (!isVerified || !accessToken) {
    throw new Error("not verified");
  }
  // Not by form.submit(): where it leads to may ask for another proof, elsewhere, and form-action 'self' blocks that.
  const brought = new FormData(form);
  brought.set("token", accessToken);
  brought.set("nonce", ready.offer.nonce);
  const headers = { Accept: "application/json" };
  const { returnTo } = await fetch(ready.offer.finishUrl, { method: "POST", headers, body: brought, signal }).then(answerOf);
  location.assign(returnTo);
}

// By hand: not every browser has toJSON(), and some password managers' passkeys break it.
function read(credential) {
  const { authenticatorData, clientDataJSON, signature, userHandle } = credential.response;
  return {
    id: credential.id,
    rawId: text(credential.rawId),
    type: credential.type,
    authenticatorAttachment: credential.authenticatorAttachment ?? undefined,
    clientExtensionResults: credential.getClientExtensionResults(),
    response: {
      authenticatorData: text(authenticatorData),
      clientDataJSON: text(clientDataJSON),
      signature: text(signature),
      userHandle: userHandle ? text(userHandle) : undefined,
    },
  };
}

function say(name) {
  message.textContent = form.dataset[name] ?? "";
}

function stop() {
  controller.abort();
  clearTimeout(renewal);
  prepared = null;
  controller = new AbortController();
  return controller.signal;
}

function explain(error) {
  const known = { NotAllowedError: "cancelled", unknown_credential: "unknown", too_many: "tooMany" };
  button.disabled = false;
  say(known[error.name] ?? known[error.code] ?? "failed");
}

async function autofill() {
  const offered = field && (await PublicKeyCredential.isConditionalMediationAvailable?.());
  if (!offered || button.disabled || document.hidden) {
    return; // when hidden: two tabs that are restored together would each be given a cookie, and one keeps its own
  }
  const signal = stop();
  let ready;
  let credential;
  try {
    ready = prepared = await prepare(signal);
    renewal = setTimeout(autofill, Math.max(ready.until - Date.now(), 1000));
    credential = await choose(ready, "conditional", signal);
  } catch {
    return; // nobody chose one, so nobody waits for an answer
  }
  try {
    await signIn(ready, credential, signal);
  } catch (error) {
    if (!signal.aborted) { // else they went on in another way
      explain(error);
      failures += 1;
      if (failures < 3) {
        autofill();
      }
    }
  }
}

async function pressed() {
  const known = prepared;
  const signal = stop();
  button.disabled = true;
  say("working");
  try {
    // Asking first would cost the click's permission to show a dialog, in some browsers.
    const ready = known && known.until > Date.now() ? known : await prepare(signal);
    await signIn(ready, await choose(ready, "optional", signal), signal);
  } catch (error) {
    button.disabled = false;
    if (!signal.aborted) {
      explain(error);
      button.focus();
      autofill();
    }
  }
}

function begin() {
  button.disabled = false;
  say("");
  autofill();
}

if (form && window.PublicKeyCredential && navigator.credentials) {
  form.hidden = false;
  button.addEventListener("click", pressed);
  addEventListener("pageshow", begin);
  addEventListener("pagehide", stop);
  addEventListener("submit", (event) => {
    stop(); // the password's form: no passkey may come in between
    setTimeout(() => event.defaultPrevented && autofill());
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && !(prepared && prepared.until > Date.now())) {
      autofill();
    }
  });
}
