// Verdict, bars and cards of a prediction, in elements that were staged from Python's own HTML.

import { find, staged } from "./dom.js";
import { fixed } from "./numbers.js";
import { words } from "./texts.js";
import { explanation, headline, percent, seenText, shownTypes } from "./words.js";

/** A message where a verdict would stand. */
export function showMessage(place, title, text, tag = "", colour = "", note = "", seen = "") {
  if (!place.firstChild) staged(place, words("verdict.html"));
  const box = place.firstChild;
  if (colour) box.style.setProperty("--lk-colour", colour);
  else box.style.removeProperty("--lk-colour");
  find(".lk-tag", box).textContent = tag;
  find("h2", box).textContent = title;
  find("h2 + p", box).textContent = text;
  find(".lk-seen", box).textContent = seen ? `${words("verdict.seen.lead")} ${seen}` : "";
  find(".lk-note", box).textContent = note;
}

export function showVerdict(place, prediction, types) {
  const { verdict, label } = prediction;
  const colour = verdict === "confident" ? types[label].colour : "";
  const note = verdict === "no_cell" ? "" : words("not_a_diagnosis");
  const said = [headline(prediction), explanation(prediction), words("verdict.tag")[verdict]];
  showMessage(place, ...said, colour, note, seenText(prediction));
}

/**
 * How probable each type is; without a prediction, or without a cell, the bars are empty.
 * Where the label does not stand they are hatched, and say that they hold only if it is one of the four.
 */
export function showBars(place, prediction = null) {
  const answered = prediction && prediction.verdict !== "no_cell";
  staged(place, words("bars")[answered && prediction.verdict !== "confident" ? "open" : "plain"]);
  if (!answered) return;
  for (const row of place.querySelectorAll("li")) {
    const share = prediction.probabilities[row.dataset.type];
    const wide = fixed(100 * share, 2);
    const track = find(".lk-track", row);
    track.removeAttribute("aria-hidden");
    const meter = { role: "meter", "aria-label": find(".lk-name", row).textContent, "aria-valuemin": 0 };
    Object.assign(meter, { "aria-valuemax": 100, "aria-valuenow": wide, "aria-valuetext": percent(share) });
    for (const [name, value] of Object.entries(meter)) track.setAttribute(name, value);
    find(".lk-fill", row).style.width = `${wide}%`;
    find(".lk-value", row).textContent = percent(share);
  }
}

/** The cards of the types that an answer speaks of. */
export function showCards(place, prediction = null) {
  const types = prediction ? shownTypes(prediction) : [];
  staged(place, types.map((type) => words("cards")[type]).join(""));
}
