// Proves first and goes on after: marked forms, fetch, HTMX, and the page that keeps a stopped form. An ES module
// without dependencies; {% authsignal_script %} loads it and tells it, in data attributes, all that it knows.
const own = document.querySelector("script[data-authsignal]")?.dataset ?? {};
const news = new BroadcastChannel("authsignal"); // window.opener is null under Django's default opener policy
const open = new Map(); // challenge id -> the promise of its proof: a double click opens one dialog
let last = Promise.resolve(); // one dialog at a time: what is proved in it may answer the next one too
const json = { "Content-Type": "application/json", Accept: "application/json" };
const call = (url, body) =>
  fetch(url, { headers: { ...json, [own.header]: own.csrf }, ...(body && { method: "POST", body: JSON.stringify(body) }) });
const make = (tag, properties) => Object.assign(document.createElement(tag), properties);

const state = (id) => call(own.url + id + "/").then(async (answer) => (await answer.json()).status).catch(() => "");

/** Asks for the proof of an open challenge, {challengeId, url, label} as our 401 has it. Resolves to true once it is given. */
export const prove = (challenge) => {
  const id = challenge.challengeId;
  if (open.has(id)) return open.get(id);
  const waits = open.size;
  const asked = last.then(async () => (waits && (await state(id)) === "proved") || ask(challenge)).finally(() => open.delete(id));
  open.set(id, asked);
  last = asked.catch(() => {});
  return asked;
};

const ask = ({ challengeId: id, url, label = "", wanted }) =>
  new Promise((resolve) => {
    const page = own.url + id + "/";
    if (own.mode === "redirect") {
      addEventListener("pageshow", () => resolve(false), { once: true }); // Back, out of the back-forward cache
      return location.assign(page); // what was about to be sent is done again afterwards
    }
    const stop = new AbortController();
    const { signal } = stop;
    const dialog = make("dialog", { className: "authsignal-dialog" });
    const close = make("button", { type: "button", textContent: own.close });
    const tab = make("a", { href: page + "?tab=1", target: "_blank", textContent: own.tab });
    const what = make("h2", { textContent: label }); // what is signed is seen, and read out, over a page that it covers
    const status = make("p", { role: "status" });
    const frame = make("iframe", { title: own.title, allow: "publickey-credentials-get *; publickey-credentials-create *; clipboard-write" });
    const bar = make("header");
    const away = new URL(url);
    let token;
    const end = (proved) => {
      stop.abort();
      dialog.remove(); // gives the focus back to where it was
      before?.focus();
      resolve(proved);
    };
    const say = (text) => (status.textContent = text);
    const look = async () => {
      const now = await state(id);
      if (now === "proved") end(true);
      else if (now && now !== "open") say(own.failed);
    };
    const finish = async () => {
      try {
        const answer = await call(page, { token });
        answer.ok ? end(true) : (say(own.failed), look());
      } catch {
        say(own.offline); // the token is kept, and sent once there is a network again
      }
    };
    const before = document.activeElement;
    away.searchParams.set("mode", "popup");
    frame.src = away;
    dialog.setAttribute("aria-label", [own.title, label].filter(Boolean).join(": "));
    bar.append(tab, close);
    dialog.append(bar, what, status);
    if (own.mode === "dialog") dialog.append(frame);
    document.body.append(dialog);
    dialog.addEventListener("cancel", () => end(false)); // Escape
    close.addEventListener("click", () => end(false));
    news.addEventListener("message", ({ data }) => data === id && look(), { signal });
    document.addEventListener("securitypolicyviolation", ({ effectiveDirective }) => effectiveDirective === "frame-src" && (frame.remove(), say(own.blocked)), { signal });
    wanted?.addEventListener("abort", () => end(false), { signal });
    addEventListener("offline", () => say(own.offline), { signal });
    addEventListener("online", () => (say(""), token && finish()), { signal });
    addEventListener("focus", () => (token ? finish() : look()), { signal });
    addEventListener("pageshow", look, { signal }); // out of the back-forward cache
    addEventListener("message", ({ origin, source, data }) => {
      if (origin !== away.origin || source !== frame.contentWindow) return;
      if (data.height > 0) return (frame.height = data.height);
      let told = {};
      try {
        told = JSON.parse(data);
      } catch {}
      if (told.event !== "AUTHSIGNAL_CLOSE_POPUP") return;
      token = told.token;
      token ? finish() : end(false);
    }, { signal });
    dialog.showModal();
    if (own.mode === "tab") say(own.elsewhere), window.open(tab.href); // shown already: what is said then is read out
  });

// Only our own site's word opens a dialog.
const ours = (status, address) => status === 401 && address.startsWith(location.origin + "/");
const asks = (body) => body?.code === "challenge_required" && body.url && body.challengeId && body;

/** fetch, or one like it, that answers our 401 by a dialog and then repeats the call once, byte for byte. */
export const stepUp = (inner = fetch) => async (input, init) => {
  const request = new Request(input, init);
  const again = request.clone();
  const answer = await inner(request);
  const body = ours(answer.status, answer.url) && asks(await answer.clone().json().catch(() => 0));
  if (!body) return answer;
  const given = await prove({ ...body, wanted: request.signal });
  request.signal.throwIfAborted(); // as fetch does
  return given ? inner(again) : answer;
};

// Forms marked data-authsignal-action="…" (on the form, or on one of its buttons): proved first, then sent, files and all.
const proved = new WeakSet();
const busy = new WeakSet();
// A field's name hides what a form calls by that name, so a form is never asked itself.
const attribute = (element, name) => element && Element.prototype.getAttribute.call(element, name);
const ahead = async (form, button, action) => {
  const said = (name) => attribute(button, "form" + name) ?? attribute(form, name) ?? "";
  const method = said("method").toUpperCase() || "GET";
  const to = new URL(said("action") || document.URL, document.baseURI);
  const secret = new Set([...document.querySelectorAll("[type=password]")].map((one) => one.name));
  const fields = [...new FormData(form, button)].filter(([name, value]) => typeof value === "string" && !secret.has(name));
  if (method === "GET") to.search = new URLSearchParams(fields);
  const path = to.pathname + to.search;
  const returnTo = location.pathname + location.search;
  const answer = await call(own.url, { action, returnTo, request: { method, path, fields } });
  const body = answer.status === 401 && asks(await answer.json());
  return !body || prove(body); // whatever else it is, the form's own answer says it in a page
};
document.addEventListener("submit", async (event) => {
  const { target: form, submitter } = event;
  const action = attribute(submitter, "data-authsignal-action") ?? attribute(form, "data-authsignal-action");
  if (event.defaultPrevented || !action || proved.delete(form)) return;
  event.preventDefault();
  if (busy.has(form)) return;
  busy.add(form);
  const go = await ahead(form, submitter, action).catch(() => alert(own.offline));
  busy.delete(form);
  if (!go) return;
  proved.add(form);
  HTMLFormElement.prototype.requestSubmit.call(form, submitter);
});

// HTMX 4 fetches, and can be given the fetch above; HTMX 2 is asked again.
document.addEventListener("htmx:before:request", ({ detail: { ctx } }) => {
  ctx.request.headers["Authsignal-Step-Up"] = "1";
  ctx.fetch = stepUp(ctx.fetch ?? fetch);
});
const confirmed = new WeakSet();
document.addEventListener("htmx:confirm", (event) => {
  if (confirmed.delete(event.detail.elt)) {
    event.preventDefault();
    event.detail.issueRequest(true);
  }
});
document.addEventListener("htmx:beforeOnLoad", async (event) => {
  const { xhr, elt, target, requestConfig: { verb, path, triggeringEvent } } = event.detail;
  let body;
  try {
    body = ours(xhr.status, xhr.responseURL) && asks(JSON.parse(xhr.responseText));
  } catch {}
  if (!body) return;
  event.preventDefault();
  if (await prove(body)) {
    confirmed.add(elt);
    htmx.ajax(verb, path, { source: elt, target, event: triggeringEvent });
  }
});

// The page that keeps a stopped form, and the one that a proof in another tab ends on.
const waiting = document.querySelector("[data-authsignal-waiting]");
if (waiting) {
  const { authsignalWaiting: challengeId, authsignalUrl: url, authsignalLabel: label } = waiting.dataset;
  const [link, note, send] = ["a[target]", "[role=status]", "[type=submit]"].map((one) => waiting.querySelector(one));
  let sent;
  const ready = (said) => {
    link.hidden = true;
    note.textContent = said;
    send.disabled = false;
    send.focus();
  };
  const look = async () => {
    const now = await state(challengeId);
    // Sent without a proof, it comes back here and is asked for a new one.
    if (send.disabled && now && now !== "open") ready(now === "proved" ? own.proved : own.over);
  };
  const begin = async () => ((await prove({ challengeId, url, label })) ? ready(own.proved) : look());
  waiting.addEventListener("submit", (event) => (sent ? event.preventDefault() : (sent = true))); // a double click
  addEventListener("pageshow", ({ persisted }) => persisted && ((sent = false), url && look()));
  if (url) {
    send.disabled = true;
    addEventListener("focus", look);
    news.addEventListener("message", look);
    link.addEventListener("click", (event) => {
      event.preventDefault();
      begin();
    });
    link.focus(); // here is who leaves the dialog
    performance.getEntriesByType("navigation")[0]?.type === "back_forward" ? look() : begin();
  }
}
const done = document.querySelector("[data-authsignal-proved]");
if (done) {
  news.postMessage(done.dataset.authsignalProved);
  close(); // where the browser lets a page close itself
}
