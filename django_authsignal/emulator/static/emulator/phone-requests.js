// The questions on the page, and what their owner says.

import * as api from "./phone-api.js";
import { $, fail, fill, made, once, say, wordFor } from "./phone-dom.js";

const SETTLE = 600; // milliseconds: a press that was meant for what stood here before must not approve
export const requests = new Map(); // by challenge id: {place, key}
export const done = new Set(); // challenge ids: a look that began before the answer must not bring the question back

// `withdrawFunds` as "Withdraw funds".
const words = (code) => {
  const plain = code.replace(/(?<=[a-z0-9])(?=[A-Z])/g, " ").replaceAll(/[_-]+/g, " ").trim().toLowerCase();
  return plain ? plain[0].toUpperCase() + plain.slice(1) : $("phone").dataset.actionText;
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

export const ask = (key, challengeId, asked) => {
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

export const drop = (challengeId) => {
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
