// The page that plays a phone: it pairs, shows what waits for its owner's answer, and signs that answer.
// Nothing is answered, claimed or paired without a press on this page: a link can only put a question on it.

import * as api from "./phone-api.js";
import * as keys from "./phone-keys.js";

const GAP = 2000; // milliseconds between looks, while the page is looked at
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const KINDS = { PUSH: "push", QR_CODE: "qr-code", IN_APP: "in-app" };
const $ = (id) => document.getElementById(id);
const phone = $("phone");
const text = (name) => $("texts").content.querySelector(`[data-text="${name}"]`).textContent;
const method = (kind) => $("methods").content.querySelector(`[data-kind="${kind}"]`);
const made = (name) => $(name).content.firstElementChild.cloneNode(true);

const say = (name, tone = "") => {
  const line = document.createElement("p");
  line.className = `notice ${tone}`;
  line.dataset.said = name;
  line.textContent = text(name);
  $("news").replaceChildren(line);
};

const fill = (place, values) => {
  for (const slot of place.querySelectorAll("[data-slot]")) {
    const value = values[slot.dataset.slot];
    if (Array.isArray(value) || value instanceof Node) slot.replaceChildren(...[value].flat());
    else slot.textContent = value ?? "";
    const line = slot.closest("dl > div");
    if (line) line.hidden = !value || value.length === 0;
  }
  return place;
};

const fail = (place, name) => {
  const box = place.querySelector("[data-failed]");
  box.hidden = !name;
  if (name) (box.querySelector("p") ?? box.appendChild(document.createElement("p"))).textContent = text(name);
};

// What a refusal means to the owner of the phone. Whatever is not known here is a failure that may be tried again.
const WORDS = {
  answer: { forbidden: "closed", invalid_request: "gone", invalid_credential: "unknown" },
  claim: { forbidden: "closed", invalid_request: "over", invalid_credential: "unknown" },
  pair: {
    forbidden: "forbidden",
    invalid_request: "closed",
    invalid_credential: "expired",
    expired_token: "expired",
    unauthorized: "expired",
  },
};
const wordFor = (error, place) => (error instanceof api.Refused && WORDS[place][error.code]) || "failed";

// One press at a time: a second one would answer a question that was answered already.
const once = async (button, work) => {
  if (button.ariaBusy === "true") return;
  button.ariaBusy = "true";
  try {
    await work();
  } finally {
    button.ariaBusy = null;
  }
};

// Questions.

const SETTLE = 600; // milliseconds: a press that was meant for what stood here before must not approve
const requests = new Map(); // by challenge id: {place, key}
const done = new Set(); // challenge ids: a look that began before the answer must not bring the question back

// `withdrawFunds` as "Withdraw funds".
const words = (code) => {
  const plain = code.replace(/(?<=[a-z0-9])(?=[A-Z])/g, " ").replaceAll(/[_-]+/g, " ").trim().toLowerCase();
  return plain ? plain[0].toUpperCase() + plain.slice(1) : phone.dataset.actionText;
};

const details = (custom) =>
  Object.entries(custom ?? {}).map(([name, value]) => {
    const line = document.createElement("li");
    const label = document.createElement("strong");
    const shown = document.createElement("bdi");
    label.textContent = name;
    shown.textContent = typeof value === "string" ? value : JSON.stringify(value);
    line.append(label, ": ", shown);
    return line;
  });

const time = (seconds) =>
  seconds && new Date(seconds * 1000).toLocaleTimeString(document.documentElement.lang, { timeStyle: "short" });

const ask = (key, challengeId, asked) => {
  const place = fill(made("request"), {
    ...asked,
    title: words(asked.actionCode ?? ""),
    userId: key.userId,
    custom: details(asked.custom),
    expiresAt: time(asked.expiresAt),
  });
  const title = place.querySelector("h3");
  title.id = `title-${challengeId}`;
  place.setAttribute("aria-labelledby", title.id);
  for (const button of place.querySelectorAll("[data-answer]")) {
    button.setAttribute("aria-describedby", title.id);
    button.disabled = true;
    setTimeout(() => (button.disabled = false), SETTLE);
    button.addEventListener("click", () => once(place, () => answer(key, challengeId, button.dataset.answer === "yes")));
  }
  requests.set(challengeId, { place, key });
  $("requests").append(place);
  $("nothing").hidden = true;
  return place;
};

const drop = (challengeId) => {
  const { place } = requests.get(challengeId);
  const hadFocus = place.contains(document.activeElement);
  place.remove();
  requests.delete(challengeId);
  done.add(challengeId);
  $("nothing").hidden = requests.size > 0;
  if (hadFocus) $("waiting-title").focus();
};

const answer = async (key, challengeId, approved) => {
  const { place } = requests.get(challengeId);
  fail(place, null);
  try {
    const { isVerified } = await api.answer(key, challengeId, approved);
    say(isVerified ? "approved" : "rejected", isVerified ? "" : "warning");
  } catch (error) {
    const name = wordFor(error, "answer");
    if (name === "failed") return fail(place, name);
    say(name, "warning");
  }
  if (requests.has(challengeId)) drop(challengeId);
};

// What is put on the page by a link or by hand: it asks first.

const open = (place, title) => {
  $("news").replaceChildren();
  $("asked").replaceChildren(place);
  place.querySelector("[data-close]")?.addEventListener("click", close);
  place.querySelector(title).focus();
};

const close = () => {
  $("asked").replaceChildren();
  $("waiting-title").focus();
};

const choose = (place, found) => {
  const choice = place.querySelector("[data-choice]");
  choice.hidden = found.length < 2;
  choice.querySelector("select").replaceChildren(
    ...found.map((key, index) => new Option(key.name ? `${key.userId} · ${key.name}` : key.userId, index)),
  );
};

const openClaim = async (challengeId) => {
  const found = (await keys.all()).filter((key) => key.kind === "qr-code" && !gone.has(key.publicKey));
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
        close();
        ask(key, challengeId, asked).focus();
      } catch (error) {
        fail(place, wordFor(error, "claim"));
      }
    });
  });
  open(place, "h2");
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
  open(place, "h2");
  return true;
};

const pair = async (place, token, userId) => {
  const key = await keys.make({ kind: place.elements.kind.value, name: place.elements.name.value, userId });
  fail(place, null);
  await keys.keep(key); // before the server knows it: a key that only the server knew could never answer
  try {
    const enrolled = await api.enrol(key, token);
    await keys.keep({ ...key, userId: enrolled.userId });
    close();
    if (enrolled.recoveryCodes) open(fill(made("codes"), { codes: enrolled.recoveryCodes.join("\n") }), "h2");
    say("paired");
  } catch (error) {
    // Unanswered, it may be enrolled all the same: then it stays, and the next look tells.
    if (error instanceof api.Refused) await keys.forget(key);
    fail(place, wordFor(error, "pair"));
  }
  await look();
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

const readHash = () => {
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

// Keys.

const gone = new Set(); // public keys that the emulator does not know any more
const known = new Set(); // asked for once
const lines = new Map();

const line = (key) => {
  const place = fill(made("key"), {
    userId: key.userId,
    name: key.name,
    method: method(key.kind).dataset.name,
    icon: [...method(key.kind).cloneNode(true).children],
  });
  const [removes, forgets] = [place.querySelector("[data-remove]"), place.querySelector("[data-forget]")];
  for (const button of [removes, forgets]) {
    button.setAttribute("aria-label", `${button.textContent}: ${key.userId}, ${method(key.kind).dataset.name}`);
  }
  removes.addEventListener("click", () =>
    once(removes, async () => {
      try {
        await api.remove(key);
        await forget(key, "removed");
      } catch (error) {
        fail(place, "failed");
        known.delete(key.publicKey); // removed elsewhere, or this clock is ten minutes wrong: the next look tells
        await look();
      }
    }),
  );
  forgets.addEventListener("click", () => once(forgets, () => forget(key, "forgotten")));
  return place;
};

const forget = async (key, why) => {
  await keys.forget(key);
  for (const [id, request] of [...requests]) if (request.key.publicKey === key.publicKey) drop(id);
  showKeys(await keys.all());
  say(why);
  $("keys-title").focus();
};

const showKeys = (found) => {
  const there = new Set(found.map((key) => key.publicKey));
  for (const [publicKey, place] of lines) {
    if (!there.has(publicKey)) {
      place.remove();
      lines.delete(publicKey);
    }
  }
  for (const key of found) {
    if (!lines.has(key.publicKey)) {
      lines.set(key.publicKey, line(key));
      $("keys").append(lines.get(key.publicKey));
    }
    const place = lines.get(key.publicKey);
    const isGone = gone.has(key.publicKey);
    place.querySelector("[data-gone]").hidden = !isGone;
    place.querySelector("[data-forget]").hidden = !isGone;
    place.querySelector("[data-remove]").hidden = isGone;
  }
  $("keys").hidden = !found.length;
  $("no-keys").hidden = found.length > 0;
  const apps = found.filter((key) => key.kind === "in-app" && !gone.has(key.publicKey));
  const before = $("in-app").keys ?? [];
  $("in-app-section").hidden = !apps.length;
  if (apps.map((key) => key.publicKey).join() !== before.map((key) => key.publicKey).join()) choose($("in-app"), apps);
  $("in-app").keys = apps;
};

$("in-app").addEventListener("submit", (event) => {
  event.preventDefault();
  const form = event.target;
  once(form, async () => {
    $("proved").hidden = true;
    try {
      const done = await api.proveInApp(form.keys[form.elements.key.value || 0], form.elements.action.value.trim());
      $("proved-token").textContent = $("copy-token").dataset.copy = done.token;
      $("proved").hidden = false;
      $("proved-token").focus();
    } catch (error) {
      say(wordFor(error, "answer") === "gone" ? "closed" : wordFor(error, "answer"), "warning");
    }
  });
});

// Looking, again and again.

const unknown = (error) => error instanceof api.Refused && error.code === "invalid_credential";

const lookFor = async (key) => {
  try {
    if (key.kind === "push") {
      const asked = await api.waiting(key);
      known.add(key.publicKey);
      return asked.challengeId ? { key, asked } : null;
    }
    if (!known.has(key.publicKey)) await api.lookUp(key);
    known.add(key.publicKey);
  } catch (error) {
    if (!unknown(error)) throw error;
    gone.add(key.publicKey);
  }
  return null;
};

const look = async () => {
  const found = await keys.all();
  showKeys(found);
  let waiting;
  try {
    waiting = (await Promise.all(found.filter((key) => !gone.has(key.publicKey)).map(lookFor))).filter(Boolean);
    if ($("news").querySelector("[data-said=lost]")) $("news").replaceChildren();
  } catch {
    if (found.length) say("lost", "warning");
    return;
  }
  showKeys(found);
  const ids = new Set(waiting.map(({ asked }) => asked.challengeId));
  for (const [id, { key, place }] of [...requests]) {
    if (key.kind === "push" && !ids.has(id) && place.ariaBusy !== "true") {
      drop(id);
      say("gone", "warning");
    }
  }
  for (const { key, asked } of waiting) {
    if (requests.has(asked.challengeId) || done.has(asked.challengeId)) continue;
    ask(key, asked.challengeId, asked);
    say("arrived");
  }
};

let timer;
let isLooking = false;
const keepLooking = async () => {
  clearTimeout(timer);
  if (document.hidden || isLooking) return;
  isLooking = true;
  try {
    await look();
  } finally {
    isLooking = false;
    timer = setTimeout(keepLooking, GAP);
  }
};

const start = async () => {
  try {
    await keys.all();
  } catch {
    $("unsupported").hidden = false;
    return;
  }
  phone.hidden = false;
  readHash();
  window.addEventListener("hashchange", readHash);
  document.addEventListener("visibilitychange", keepLooking);
  await keepLooking();
};

if (keys.isSupported()) start();
else $("unsupported").hidden = false;
