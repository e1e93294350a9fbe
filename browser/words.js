// A prediction in words: `leukoscope/showing/wording.py`, whose sentences are staged with the page.

import { fixed } from "./numbers.js";
import { capital, fill, say, sentence, words } from "./texts.js";

/** A share of 0-1 as a percentage with one decimal; never a 0 or a 100 that it is not. */
export function percent(share) {
  if (share > 0 && share < 0.001) return words("percent.least");
  if (share > 0.999 && share < 1) return words("percent.most");
  return say("percent.one", { value: fixed(100 * share, 1) });
}

const name = (type) => words("types")[type].name;

/** The cell types, the most probable first. */
export function ranked({ probabilities }) {
  return Object.keys(probabilities).sort((a, b) => probabilities[b] - probabilities[a]);
}

/** The types that an answer speaks of. */
export function shownTypes(prediction) {
  return ranked(prediction).slice(0, { confident: 1, review: 2 }[prediction.verdict] ?? 0);
}

function values(prediction) {
  const [first, second] = ranked(prediction);
  return {
    first: name(first),
    second: name(second),
    First: capital(name(first)),
    p_first: percent(prediction.probabilities[first]),
    p_second: percent(prediction.probabilities[second]),
  };
}

/** The answer in a few words. */
export const headline = (prediction) => fill(words("verdict.headline")[prediction.verdict], values(prediction));

/** How sure the model is, and what to do when it is not. */
export function explanation(prediction) {
  const { verdict, reason, cut } = prediction;
  const sentences = words("verdict.explanation");
  const said = fill(sentences[verdict], {
    ...values(prediction),
    reason: reason ? words("verdict.blank")[reason] : words("verdict.nothing"),
  });
  return cut && (verdict === "confident" || verdict === "review") ? said + sentences.cut : said;
}

/** What is sure enough of a cell, by its parts; what is joined only where that of which it is joined is not. */
function looks(attributes) {
  const joined = words("verdict.seen.joined");
  const said = (attribute) => attributes[attribute]?.sure && !attributes[joined[attribute]]?.sure;
  return Object.entries(words("verdict.seen.looks")).flatMap(([part, wordsOf]) => {
    const sure = Object.entries(wordsOf).filter(([attribute]) => said(attribute));
    const named = sure.map(([attribute, of]) => of[attributes[attribute].value]);
    return named.length ? [{ part, words: [...new Set(named)].join(", ") }] : [];
  });
}

/** What the model sees in the cell, and what of it does not fit the type that it names; "" if nothing is sure. */
export function seenText({ label, verdict, attributes, wide }) {
  const seen = words("verdict.seen");
  const said = wide ? [fill(seen.size, { wide: wide.toFixed(1) })] : [];
  said.push(...looks(attributes).map((one) => fill(seen.part, one)));
  const fitting = (label && verdict !== "unfamiliar" && seen.fitting[label]) || {};
  const unlike = Object.entries(attributes).filter(([of, { value }]) => fitting[of] && !fitting[of].includes(value));
  const odd = looks(Object.fromEntries(unlike)).map((one) => fill(seen.one, { ...one, part: one.part.toLowerCase() }));
  const article = label && "aeiou".includes(label[0]) ? "an" : "a";
  if (odd.length) said.push(fill(seen.odd[article], { name: name(label), odd: odd.join(", ") }));
  return said.join(" ");
}

/** The answer for one cell among many. */
export function short(prediction) {
  const given = { ...values(prediction), p_first: percent(prediction.confidence) };
  if (prediction.verdict === "unfamiliar") given.first = name(prediction.label);
  return fill(words("verdict.short")[prediction.verdict], given);
}

/** Why a file is no picture that can be read. */
export function refusal({ reason, values: given = {}, failed }) {
  return failed ?? fill(words("refusals")[reason], given);
}

export const refusalSentence = (error) => sentence(refusal(error));
