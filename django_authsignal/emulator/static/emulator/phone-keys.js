// The phone's keys: made by the browser, kept in its IndexedDB, and never readable, not even by this page. What a
// script that got in here could do is ask them to sign while the page is open; it could take none away.

const NAME = "emulator-phone";
const STORE = "keys";
const ALGORITHM = { name: "ECDSA", namedCurve: "P-256" };

export const gone = new Set(); // public keys that the emulator does not know any more, as far as this page has seen

export const isSupported = () => Boolean(window.isSecureContext && crypto.subtle && window.indexedDB);

const toBase64 = (bytes) => btoa(String.fromCharCode(...bytes));

const settled = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

let opened;
const store = async (mode) => {
  opened ??= (async () => {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "publicKey" });
    return settled(request);
  })();
  return (await opened).transaction(STORE, mode).objectStore(STORE);
};

// {kind, userId, name, publicKey, privateKey, madeAt}, in the order of pairing.
export const all = async () => (await settled((await store("readonly")).getAll())).sort((a, b) => a.madeAt - b.madeAt);

export const keep = async (key) => settled((await store("readwrite")).put(key));

export const forget = async (key) => settled((await store("readwrite")).delete(key.publicKey));

export const make = async (about) => {
  const { publicKey, privateKey } = await crypto.subtle.generateKey(ALGORITHM, false, ["sign"]);
  const spki = new Uint8Array(await crypto.subtle.exportKey("spki", publicKey));
  return { ...about, publicKey: toBase64(spki), privateKey, madeAt: Date.now() };
};

// ECDSA with SHA-256 over the text, in DER as phones write it: browsers give the two numbers one after the other.
export const sign = async (key, text) => {
  const message = new TextEncoder().encode(text);
  const raw = new Uint8Array(await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, key.privateKey, message));
  const numbers = [...integer(raw.subarray(0, 32)), ...integer(raw.subarray(32))];
  return toBase64([0x30, numbers.length, ...numbers]);
};

const integer = (bytes) => {
  const first = bytes.findIndex((byte) => byte !== 0);
  const digits = first < 0 ? [0] : [...bytes.subarray(first)];
  if (digits[0] & 0x80) digits.unshift(0); // else it would be read as negative
  return [0x02, digits.length, ...digits];
};
