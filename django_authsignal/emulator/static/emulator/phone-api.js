// What the iOS and Android SDKs ask of the Client API, asked here: nothing else answers for this page.

import { sign } from "./phone-keys.js";

// The server answered, and not with what was asked for.
export class Refused extends Error {
  constructor(status, code) {
    super(code);
    Object.assign(this, { status, code });
  }
}

const TENANT = document.querySelector("#phone").dataset.tenant;
const OURS = `Basic ${btoa(encodeURIComponent(TENANT))}`;
const AGE = 8 * 60 * 1000; // milliseconds that a signature is used again for looking; the server's limit is ten minutes

const call = async (method, path, { body, token, key, signature } = {}) => {
  const query = key ? `?${new URLSearchParams({ publicKey: key.publicKey })}` : "";
  const headers = { Authorization: token ? `Bearer ${token}` : OURS, "Content-Type": "application/json" };
  if (signature) headers["X-Authsignal-Signature"] = signature;
  const answer = await fetch(`/v1/client/${path}${query}`, {
    method,
    headers,
    body: body && JSON.stringify(body),
    credentials: "omit",
    cache: "no-store",
    signal: AbortSignal.timeout(15000),
  });
  const data = await answer.json().catch(() => null);
  if (!answer.ok || !data || "error" in data) throw new Refused(answer.status, data?.errorCode ?? "");
  return data;
};

const signed = async (key, challengeId) => ({
  challengeId,
  publicKey: key.publicKey,
  signature: await sign(key, challengeId),
});

export const enrol = (key, token) => {
  const body = { publicKey: key.publicKey, deviceName: key.name, devicePlatform: "web" };
  return call("POST", `user-authenticators/${key.kind}`, { body, token });
};

export const lookUp = (key) => call("GET", `user-authenticators/${key.kind}`, { key });

export const remove = async (key) => {
  const message = `${Math.floor(Date.now() / 600000)}.0`; // a double, as the SDKs print it
  const body = { publicKey: key.publicKey, signature: await sign(key, message) };
  return call("POST", `user-authenticators/${key.kind}/remove`, { body });
};

// The push that waits, for who signs what the server says: the key alone is public.
const looks = new Map();
export const waiting = async (key) => {
  let look = looks.get(key.publicKey);
  if (!look || Date.now() - look.at > AGE) {
    const { message } = await call("POST", "user-authenticators/push/challenge/sign", { key });
    look = { at: Date.now(), signature: await sign(key, message) };
    looks.set(key.publicKey, look);
  }
  try {
    return await call("GET", "user-authenticators/push/challenge", { key, signature: look.signature });
  } catch (error) {
    looks.delete(key.publicKey);
    throw error;
  }
};

export const claim = async (key, challengeId) => {
  const body = await signed(key, challengeId);
  return call("POST", "user-authenticators/qr-code/challenge/claim", { body });
};

export const answer = async (key, challengeId, approved) => {
  const body = { ...(await signed(key, challengeId)), approved };
  return call("POST", `user-authenticators/${key.kind}/challenge`, { body });
};

export const proveInApp = async (key, action) => {
  const { challengeId } = await call("POST", "challenge", { body: action ? { action } : {} });
  return call("POST", "verify/in-app", { body: await signed(key, challengeId) });
};
