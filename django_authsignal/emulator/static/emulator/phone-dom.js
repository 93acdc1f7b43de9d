// What the phone's modules share of its page. Every text is the server's, in its template: here nothing is said in English
// only, and nothing that a user or an application wrote becomes markup.

import { Refused } from "./phone-api.js";

export const $ = (id) => document.getElementById(id);
export const text = (name) => $("texts").content.querySelector(`[data-text="${name}"]`).textContent;
export const method = (kind) => $("methods").content.querySelector(`[data-kind="${kind}"]`);
export const made = (name) => $(name).content.firstElementChild.cloneNode(true);

export const say = (name, tone = "") => {
  const line = document.createElement("p");
  line.className = `notice ${tone}`;
  line.dataset.said = name;
  line.textContent = text(name);
  $("news").replaceChildren(line);
};

export const fill = (place, values) => {
  for (const slot of place.querySelectorAll("[data-slot]")) {
    const value = values[slot.dataset.slot];
    if (Array.isArray(value) || value instanceof Node) slot.replaceChildren(...[value].flat());
    else slot.textContent = value ?? "";
    const line = slot.closest("dl > div");
    if (line) line.hidden = !value || value.length === 0;
  }
  return place;
};

export const fail = (place, name) => {
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
export const wordFor = (error, place) => (error instanceof Refused && WORDS[place][error.code]) || "failed";

// One press at a time: a second one would answer a question that was answered already.
export const once = async (button, work) => {
  if (button.ariaBusy === "true") return;
  button.ariaBusy = "true";
  try {
    await work();
  } finally {
    button.ariaBusy = null;
  }
};

// Which of several keys; one alone is not asked for.
export const choose = (place, found) => {
  const choice = place.querySelector("[data-choice]");
  choice.hidden = found.length < 2;
  choice.querySelector("select").replaceChildren(
    ...found.map((key, index) => new Option(key.name ? `${key.userId} · ${key.name}` : key.userId, index)),
  );
};
