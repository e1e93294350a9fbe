// Every cell of a count, the most doubtful first, grouped by what it counts as; a person may decide on each.

import { showBars } from "./answers.js";
import { canvas, find, make } from "./dom.js";
import { grouped } from "./numbers.js";
import { fill, say, words } from "./texts.js";
import { headline, percent, short } from "./words.js";

const UNDECIDED = "undecided";
const MOST_SHOWN = 600; // cells; the rest is counted all the same

export class Gallery {
  /** `decided` is called after a person decided on a cell. */
  constructor(page, decided) {
    Object.assign(this, { page, decided, chosen: null });
  }

  clear(differential) {
    this.differential = differential;
    this.choose(null);
    this.show();
  }

  groupOf(cell) {
    if (this.differential.isUndecided(cell)) return UNDECIDED;
    return this.differential.typeOf(cell) ?? this.page.not_counted;
  }

  title(group) {
    const type = words("types")[group];
    if (type) return type.plural.charAt(0).toUpperCase() + type.plural.slice(1);
    const { undecided, not_counted: notCounted } = words("count.groups");
    return group === UNDECIDED ? undecided : fill(notCounted, { none: words("decisions")[group] });
  }

  show() {
    const doubtful = [...this.differential.cells].sort((a, b) => a.prediction.confidence - b.prediction.confidence);
    const shown = doubtful.slice(0, MOST_SHOWN);
    const groups = [UNDECIDED, ...Object.keys(this.page.types), this.page.not_counted];
    const sections = groups.map((group) =>
      this.section(
        group,
        shown.filter((cell) => this.groupOf(cell) === group),
      ),
    );
    const values = { shown: grouped(MOST_SHOWN), all: grouped(doubtful.length) };
    const note = doubtful.length > MOST_SHOWN ? [make("p", { class: "lk-note" }, say("count.most_shown", values))] : [];
    find("#gallery").replaceChildren(...note, ...sections);
  }

  section(group, cells) {
    const colour = this.page.types[group]?.colour;
    const swatch = make("span", { class: colour ? "lk-swatch" : "lk-swatch open" });
    const amount = make("span", { class: "amount" }, grouped(cells.length));
    const title = make("h2", {}, swatch, `${this.title(group)} `, amount);
    const style = colour ? { "--lk-colour": colour } : {};
    const inside = make("div", { class: "cells" }, ...cells.map((cell) => this.button(cell)));
    return make("section", { "data-group": group, hidden: !cells.length, style }, title, inside);
  }

  text(cell) {
    const decided = cell.corrected ? say("count.by_you_as", { type: words("decisions")[cell.corrected] }) : "";
    return say("count.cell", { photo: cell.photo, n: cell.number, short: short(cell.prediction) }) + decided;
  }

  /** What stands under a cell: its type and how sure the model is, or its verdict. */
  mark({ corrected, prediction: { confidence, label, verdict } }) {
    if (corrected) return say("count.by_you", { type: words("types")[corrected]?.name ?? corrected });
    return fill(words("count.marks")[verdict], { type: words("types")[label].name, share: percent(confidence) });
  }

  button(cell) {
    const picture = canvas(cell.thumbnail, "");
    picture.setAttribute("aria-hidden", "true");
    picture.removeAttribute("role");
    const text = this.text(cell);
    const pressed = cell === this.chosen;
    return make(
      "button",
      {
        type: "button",
        class: "cell",
        "aria-label": text,
        title: text,
        "aria-pressed": pressed,
        on: { click: () => this.choose(cell) },
      },
      picture,
      make("span", {}, this.mark(cell)),
    );
  }

  /** The panel with the chosen cell, its bars, and what it may be called. */
  choose(cell) {
    this.chosen = cell;
    if (cell) this.press(cell);
    const title = cell ? say("count.chosen", { n: cell.number, photo: cell.photo }) : say("count.no_cell_chosen");
    const bars = make("div");
    showBars(bars, cell?.prediction);
    const picture = cell ? canvas(cell.thumbnail, say("photo.crop_empty")) : make("div", { class: "blank" });
    const now = cell?.corrected ?? words("as_the_model");
    const decisions = { ...words("decisions") };
    if (cell && cell.prediction.verdict !== "confident") decisions[words("as_the_model")] = words("leave");
    const choices = Object.entries(decisions).map(([value, text]) => {
      const given = { type: "radio", name: "type", value, checked: cell !== null && value === now };
      const input = make("input", { ...given, on: { change: () => this.decide(value) } });
      const colour = this.page.types[value]?.colour;
      return make("label", { style: colour ? { "--lk-colour": colour } : {} }, input, make("span", {}, text));
    });
    const legend = make("legend", {}, say("count.counts_as"));
    find("#chosen").replaceChildren(
      make("h2", { title }, title),
      make("p", { class: "says" }, cell ? headline(cell.prediction) : ""),
      make("div", { class: "chosen-row" }, picture, bars),
      make("fieldset", { class: "choices types", disabled: !cell }, legend, make("div", {}, ...choices)),
    );
  }

  press(cell) {
    const text = this.text(cell);
    for (const button of document.querySelectorAll("#gallery .cell")) {
      button.setAttribute("aria-pressed", button.getAttribute("aria-label") === text);
    }
  }

  decide(value) {
    this.chosen.corrected = value === words("as_the_model") ? null : value;
    this.show();
    this.decided();
  }
}
