// The dashboard's only script. It keeps a live page up to date and copies codes; everything else works without it.

const GAP = 2000; // milliseconds between questions, while the page is looked at
const seen = () => document.querySelector("#main")?.dataset.version;

// Only what has changed is touched: what is being read, selected or focused stays the very same element.
const sync = (old, fresh) => {
  const known = new Map([...old.children].map((child) => [child.dataset.key, child]));
  let place = null;
  for (const child of [...fresh.children]) {
    const have = known.get(child.dataset.key);
    known.delete(child.dataset.key);
    let kept = have;
    if (!have) {
      kept = document.adoptNode(child);
      kept.classList.add("is-new");
    } else if (have.dataset.version !== child.dataset.version) {
      kept = document.adoptNode(child);
      replace(have, kept);
    }
    const next = place ? place.nextElementSibling : old.firstElementChild;
    if (next !== kept) old.insertBefore(kept, next);
    place = kept;
  }
  for (const gone of known.values()) gone.remove();
};

// Who was on a link of the old one is on the same link of the new one.
const replace = (have, fresh) => {
  const controls = "a, button, input, summary";
  const at = [...have.querySelectorAll(controls)].indexOf(document.activeElement);
  have.replaceWith(fresh);
  fresh.querySelectorAll(controls)[at]?.focus();
};

const isReading = () => {
  const selection = document.getSelection();
  return selection && !selection.isCollapsed && document.querySelector("#main")?.contains(selection.anchorNode);
};

const update = (text) => {
  const page = new DOMParser().parseFromString(text, "text/html");
  const version = page.querySelector("#main")?.dataset.version;
  if (!version) return false;
  for (const old of document.querySelectorAll("[data-sync]")) {
    const fresh = page.querySelector(`[data-sync="${old.dataset.sync}"]`);
    if (fresh) sync(old, fresh);
  }
  for (const empty of document.querySelectorAll("[data-empty]")) {
    empty.hidden = !page.querySelector("[data-empty]");
  }
  for (const part of document.querySelectorAll("[data-shown]")) {
    part.hidden = page.querySelector(`[data-shown="${part.dataset.shown}"]`)?.hidden ?? true;
  }
  document.querySelector("#main").dataset.version = version;
  offerCopies();
  tellLocalTime();
  return true;
};

const watch = (place) => {
  const state = place.querySelector("[data-live-state]");
  const pause = place.querySelector("[data-pause]");
  const news = place.querySelector("[data-news]");
  let timer = null;
  let isPaused = false;
  const say = (name) => {
    if (state.textContent !== state.dataset[name]) state.textContent = state.dataset[name];
    state.dataset.is = name;
  };
  const later = (gap = GAP) => {
    clearTimeout(timer);
    if (!isPaused && !document.hidden) timer = setTimeout(ask, gap);
  };
  const ask = async () => {
    if (isReading()) return later();
    let gap = GAP;
    try {
      const headers = { "X-Seen": seen() };
      const signal = AbortSignal.timeout(10000);
      const answer = await fetch(location.href, { headers, signal, cache: "no-store" });
      if (!answer.ok) throw new Error(answer.status);
      if (answer.status === 200) {
        const text = await answer.text();
        if (!isPaused && !isReading() && update(text)) {
          news.textContent = "";
          setTimeout(() => (news.textContent = news.dataset.newsText), 100);
        }
      }
      if (!isPaused) say("on");
    } catch {
      if (!isPaused) say("lost");
      gap = 3 * GAP;
    }
    later(gap);
  };
  state.hidden = pause.hidden = false;
  place.querySelector("[data-reload]").hidden = true;
  say("on");
  pause.addEventListener("click", () => {
    isPaused = !isPaused;
    pause.textContent = isPaused ? pause.dataset.goText : pause.dataset.pauseText;
    say(isPaused ? "off" : "on");
    later(0);
  });
  document.addEventListener("visibilitychange", () => later(0));
  later();
};

// Copying needs a secure context: https, or localhost.
const offerCopies = () => {
  if (!navigator.clipboard) return;
  for (const button of document.querySelectorAll("button[data-copy][hidden]")) {
    const label = button.textContent;
    button.hidden = false;
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(button.dataset.copy);
        button.textContent = button.dataset.copied;
        setTimeout(() => (button.textContent = label), 2500);
      } catch {
        button.remove(); // refused by the browser: the text stays on the page, to be selected by hand
      }
    });
  }
};

// The server knows UTC only. Here times are the reader's own, and today's without their date; UTC is in the title.
const tellLocalTime = () => {
  const today = new Date().toDateString();
  for (const time of document.querySelectorAll("time:not([title])")) {
    const at = new Date(time.dateTime);
    const { short } = time.dataset;
    const withDate = short ? short !== "hour" : at.toDateString() !== today;
    time.title = time.textContent;
    time.textContent = at.toLocaleString(undefined, {
      ...(withDate && (short ? { day: "numeric", month: "short" } : { dateStyle: "medium" })),
      ...(short ? { hour: "numeric", minute: "2-digit" } : { timeStyle: "medium" }),
    });
  }
};

offerCopies();
tellLocalTime();
const place = document.querySelector("[data-live]");
if (place) watch(place);
