// The page that plays a phone: it pairs, shows what waits for its owner's answer, and signs that answer.
// Nothing is answered, claimed or paired without a press on this page: a link can only put a question on it.

import * as api from "./phone-api.js";
import { $, choose, fail, fill, made, method, once, say, wordFor } from "./phone-dom.js";
import * as keys from "./phone-keys.js";
import { readHash } from "./phone-panels.js";
import { ask, done, drop, requests } from "./phone-requests.js";

const GAP = 2000; // milliseconds between looks, while the page is looked at

// Keys.

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
    const isGone = keys.gone.has(key.publicKey);
    place.querySelector("[data-gone]").hidden = !isGone;
    place.querySelector("[data-forget]").hidden = !isGone;
    place.querySelector("[data-remove]").hidden = isGone;
  }
  $("keys").hidden = !found.length;
  $("no-keys").hidden = found.length > 0;
  const apps = found.filter((key) => key.kind === "in-app" && !keys.gone.has(key.publicKey));
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
    keys.gone.add(key.publicKey);
  }
  return null;
};

const look = async () => {
  const found = await keys.all();
  showKeys(found);
  let waiting;
  try {
    waiting = (await Promise.all(found.filter((key) => !keys.gone.has(key.publicKey)).map(lookFor))).filter(Boolean);
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
  $("phone").hidden = false;
  readHash();
  window.addEventListener("hashchange", readHash);
  document.addEventListener("paired", look);
  document.addEventListener("visibilitychange", keepLooking);
  await keepLooking();
};

if (keys.isSupported()) start();
else $("unsupported").hidden = false;
