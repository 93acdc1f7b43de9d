// What is put on the page by a link or by hand, to pair it or to answer a code: it asks first.

import * as api from "./phone-api.js";
import { $, choose, fail, fill, made, once, say, text, wordFor } from "./phone-dom.js";
import * as keys from "./phone-keys.js";
import { ask } from "./phone-requests.js";

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const KINDS = { PUSH: "push", QR_CODE: "qr-code", IN_APP: "in-app" };

// A newer question takes the place of an older one; recovery codes stay, because nobody can show them again.
const open = (place) => {
  $("news").replaceChildren();
  for (const older of $("asked").querySelectorAll("form")) older.remove();
  $("asked").prepend(place);
  place.querySelector("[data-close]").addEventListener("click", () => close(place));
  place.querySelector("h2").focus();
};

const close = (place) => {
  place.remove();
  $("waiting-title").focus();
};

const openClaim = async (challengeId) => {
  const found = (await keys.all()).filter((key) => key.kind === "qr-code" && !keys.gone.has(key.publicKey));
  if (!found.length) return say("unpaired", "warning");
  const place = made("claim");
  choose(place, found);
  place.addEventListener("submit", (event) => {
    event.preventDefault();
    once(place, async () => {
      const key = found[place.elements.key.value || 0];
      fail(place, null);
      try {
        const asked = await api.claim(key, challengeId);
        close(place);
        ask(key, challengeId, asked).focus();
      } catch (error) {
        fail(place, wordFor(error, "claim"));
      }
    });
  });
  open(place);
};

const claimsOf = (token) => {
  try {
    const body = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    return JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(body), (letter) => letter.charCodeAt(0))));
  } catch {
    return {};
  }
};

const openPair = (token, wanted) => {
  const claims = claimsOf(token); // only to be shown: the server decides whose token it is
  if (typeof claims.sub !== "string") return false;
  const place = fill(made("pair"), { userId: claims.sub });
  const fixed = KINDS[claims.emulator?.pairs] ?? wanted;
  if (Object.values(KINDS).includes(fixed)) {
    place.elements.kind.value = fixed;
    place.elements.kind.disabled = true;
  }
  place.addEventListener("submit", (event) => {
    event.preventDefault();
    once(place, () => pair(place, token, claims.sub));
  });
  open(place);
  return true;
};

const pair = async (place, token, userId) => {
  const key = await keys.make({ kind: place.elements.kind.value, name: place.elements.name.value, userId });
  fail(place, null);
  await keys.keep(key); // before the server knows it: a key that only the server knew could never answer
  try {
    const enrolled = await api.enrol(key, token);
    await keys.keep({ ...key, userId: enrolled.userId });
    close(place);
    if (enrolled.recoveryCodes) open(fill(made("codes"), { codes: enrolled.recoveryCodes.join("\n") }));
    say("paired");
  } catch (error) {
    // Unanswered, it may be enrolled all the same: then it stays, and the next look tells.
    if (error instanceof api.Refused) await keys.forget(key);
    fail(place, wordFor(error, "pair"));
  }
  document.dispatchEvent(new Event("paired"));
};

// A code or a link, scanned or typed. False when it is neither.
const read = (given) => {
  const plain = given.trim();
  if (UUID.test(plain)) return openClaim(plain), true;
  if (/^[\w-]+\.[\w-]+\.[\w-]+$/.test(plain)) return openPair(plain);
  const values = new URLSearchParams(plain.slice(plain.indexOf("#") + 1));
  if (UUID.test(values.get("claim"))) return openClaim(values.get("claim")), true;
  return Boolean(values.get("token")) && openPair(values.get("token"), values.get("pair"));
};

export const readHash = () => {
  const given = location.hash;
  if (given.length < 2) return;
  history.replaceState(null, "", location.pathname); // it may hold a token: not in the address bar, not in the history
  if (!read(given)) say("unread", "warning");
};

$("scan").addEventListener("submit", (event) => {
  event.preventDefault();
  const field = event.target.elements.code;
  const isRead = read(field.value);
  field.ariaInvalid = isRead ? null : "true";
  $("code-error").hidden = isRead;
  $("code-error").textContent = isRead ? "" : text("unread");
  if (isRead) field.value = "";
  else field.focus();
});
