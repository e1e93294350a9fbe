// All words of the page, from one file for each language, and the few rules of how values stand in them.

import { grouped } from "./numbers.js";

let texts;
let plurals;

/** Load the words: of the browser's language if the page has it, else English. */
export async function loadTexts(languages) {
  const wanted = navigator.languages.map((code) => code.split("-")[0]);
  const language = wanted.find((code) => languages.includes(code)) ?? "en";
  texts = await (await fetch(`texts/${language}.json`)).json();
  plurals = new Intl.PluralRules(texts.language);
  document.documentElement.lang = texts.language;
}

/** What stands under "photo.drop": a text, or an object of texts. */
export const words = (key) => key.split(".").reduce((part, name) => part[name], texts);

/** A text with {names} replaced by their values. */
export const fill = (text, values) => text.replace(/\{(\w+)\}/g, (all, name) => values[name] ?? all);
export const say = (key, values = {}) => fill(words(key), values);

/** A number of things: "1 cell", "1,007 cells". */
export const many = (key, n) => fill(words(key)[plurals.select(n)] ?? words(key).other, { n: grouped(n) });

/** With a capital at its beginning. */
export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** A reason as a sentence. */
export const sentence = (reason) => `${capital(reason).replace(/\.+$/, "")}.`;

/** Fill what the HTML leaves to the words: `data-text` is the content, `data-label` the name for screen readers. */
export function fillIn(root) {
  for (const one of root.querySelectorAll("[data-text]")) one.textContent = say(one.dataset.text);
  for (const one of root.querySelectorAll("[data-label]")) one.setAttribute("aria-label", say(one.dataset.label));
}
