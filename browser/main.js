// The page begins here: words, tabs, what is dropped or pasted, the model's proof, and the files kept for later.

import { offerCamera } from "./camera.js";
import { Client } from "./client.js";
import { CountTab } from "./count_tab.js";
import { find, make, staged } from "./dom.js";
import { PhotoTab } from "./photo_tab.js";
import { fillIn, loadTexts, say, words } from "./texts.js";

const CONTROL_SECONDS = 3; // until the page goes on without what keeps its files
const TABS = ["photo", "count", "about"];

/** Begin to keep the page's files, so that they are fetched once; false where the browser does not. */
async function keepFiles() {
  if (!navigator.serviceWorker) return false;
  try {
    await navigator.serviceWorker.register("sw.js");
    if (navigator.serviceWorker.controller) return true;
    const controlled = new Promise((done) => {
      navigator.serviceWorker.addEventListener("controllerchange", done, { once: true });
    });
    await Promise.race([controlled, new Promise((done) => setTimeout(done, 1000 * CONTROL_SECONDS))]);
    return Boolean(navigator.serviceWorker.controller);
  } catch {
    return false;
  }
}

function openTab(name) {
  for (const tab of TABS) {
    const open = tab === name;
    find(`#${tab}`).hidden = !open;
    find(`#${tab}-tab`).setAttribute("aria-selected", open);
    find(`#${tab}-tab`).tabIndex = open ? 0 : -1;
  }
}

function offerTabs() {
  TABS.forEach((name, index) => {
    const button = find(`#${name}-tab`);
    button.addEventListener("click", () => openTab(name));
    button.addEventListener("keydown", ({ key }) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[key];
      if (!step) return;
      const next = TABS[(index + step + TABS.length) % TABS.length];
      openTab(next);
      find(`#${next}-tab`).focus();
    });
  });
}

function showAbout() {
  const own = make("section", {}, make("h2", {}, say("about.pictures")));
  own.append(make("ul", {}, ...words("about.privacy").map((line) => make("li", {}, line))));
  const about = make("div", { class: "lk lk-about" });
  staged(about, words("about.html"));
  about.append(own);
  find("#about").append(about);
}

/** Files from anywhere: one is looked at, several are counted; what is given to the second tab is counted. */
function offerFiles(photo, count) {
  const take = (files) => {
    if (!files.length) return;
    if (files.length === 1 && find("#count").hidden) {
      openTab("photo");
      photo.show(files[0]);
    } else {
      openTab("count");
      count.add(files);
    }
  };
  for (const input of [find("#photo-file"), find("#count-files")]) {
    input.addEventListener("change", () => {
      take([...input.files]);
      input.value = "";
    });
  }
  document.addEventListener("paste", (event) => take([...event.clipboardData.files]));
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    take([...event.dataTransfer.files]);
  });
  offerCamera((blob) => take([new File([blob], "camera.png")]));
}

async function prove(client, page) {
  const proof = find("#proof");
  proof.textContent = say("page.loading");
  try {
    const { name, graph, worst } = await client.ask("start");
    const files = Object.keys(page.model.files).length;
    const values = { name, source: page.model.source, files, graph: graph.slice(0, 12), worst: worst.toExponential(0) };
    proof.textContent = say("page.proven", values);
    document.body.dataset.ready = "true";
  } catch (error) {
    proof.className = "broken";
    proof.textContent = say("page.broken", { why: error.failed ?? String(error) });
    document.body.dataset.ready = "false";
    throw error;
  }
}

async function main() {
  const keeping = keepFiles();
  const page = await (await fetch("page.json")).json();
  await loadTexts(page.languages);
  fillIn(document);
  offerTabs();
  showAbout();
  navigator.serviceWorker?.addEventListener("message", () => find("#proof").append(` ${say("page.offline")}`));
  const kept = await keeping; // before the large files are asked for
  const client = new Client();
  const proven = prove(client, page);
  offerFiles(new PhotoTab(client, page), new CountTab(client, page));
  await proven;
  if (kept) navigator.serviceWorker.controller.postMessage("keep the rest");
}

main();
