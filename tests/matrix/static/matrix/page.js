// What the page sends by itself: each call once, by a fetch that proves first.
import { stepUp } from "/static/authsignal/authsignal.js";

const proving = stepUp();
const csrf = document.querySelector("[name=csrfmiddlewaretoken]").value;
const out = document.getElementById("out");
const mark = () => document.querySelector("#form [name=mark]").value;

const send = (id, method, body, type) =>
  document.getElementById(id).addEventListener("click", async () => {
    const headers = { "X-CSRFToken": csrf, "Content-Type": type };
    const answer = await proving(`/do/${id}/?from=page`, { method, headers, body: body() });
    out.innerHTML = answer.ok ? await answer.text() : `<p id="refused">${answer.status}</p>`;
  });

const text = () => JSON.stringify({ mark: mark(), amount: 1.1, name: "Zoë", nested: { list: [1, null] } });
const bytes = () => {
  const all = Uint8Array.from({ length: 256 }, (_, at) => at);
  return new Blob([new TextEncoder().encode(mark()), all]);
};
send("json", "POST", text, "application/json");
send("raw", "POST", bytes, "application/octet-stream");
send("put", "PUT", text, "application/json");
send("patch", "PATCH", text, "application/merge-patch+json");
send("delete", "DELETE", text, "application/json");
