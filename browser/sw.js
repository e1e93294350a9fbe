// Keeps the page's own files, so that it works without a network. Each is fetched once; a new version begins anew.

importScripts("files.js");

const CACHE = `leukoscope-${self.VERSION}`;
const OWN = new Set(self.FILES.map((name) => new URL(name, self.registration.scope).href));

// A newer version waits until no page of the older one is open: their files would not fit together.
self.addEventListener("activate", (event) => {
  event.waitUntil(self.clients.claim());
});

/** A file from the cache, or from the network and then into the cache, while it is on its way to the page already. */
async function kept(event, address) {
  const cache = await caches.open(CACHE);
  const there = await cache.match(address);
  if (there) return there;
  const answer = await fetch(address, { cache: "no-cache" });
  if (answer.ok) event.waitUntil(cache.put(address, answer.clone()));
  return answer;
}

self.addEventListener("fetch", (event) => {
  const address = new URL(event.request.url);
  address.search = address.hash = "";
  if (address.href === self.registration.scope) address.pathname += "index.html";
  if (event.request.method === "GET" && OWN.has(address.href)) event.respondWith(kept(event, address.href));
});

// Once the page has answered: what it did not ask for yet; then the files of older versions go.
self.addEventListener("message", (event) => {
  const rest = async () => {
    for (const address of OWN) await kept(event, address);
    const older = (await caches.keys()).filter((name) => name.startsWith("leukoscope-") && name !== CACHE);
    await Promise.all(older.map((name) => caches.delete(name)));
    event.source?.postMessage("kept");
  };
  event.waitUntil(rest());
});
