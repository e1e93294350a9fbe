// A count over photos and what it adds up to: `leukoscope/counting/differential.py` and `tally.py`. It holds no elements.

import { fixed, grouped, repr, rint, twoDigits } from "./numbers.js";
import { clopperPearson } from "./limits.js";
import { many, say, words } from "./texts.js";

const FORMULA = /^[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20']/; // how a spreadsheet's formulas begin, and our own mark

export class Differential {
  /**
   * types: {name: {share_percent}}, in order. notCounted: what a person calls a cell that is none of them.
   * few: up to this part of all cells may be undecided before the table says where a share lies.
   */
  constructor(types, notCounted, few) {
    Object.assign(this, { types, notCounted, few, photos: [], cells: [] });
  }

  /** The photo with these bytes that is counted already. */
  copyOf(sha256) {
    return this.photos.find((photo) => photo.sha256 === sha256);
  }

  /** Add a photo with its predictions; one of the same name with other bytes gets a number. */
  add(name, predictions, sha256) {
    const names = new Set(this.photos.map((photo) => photo.name));
    let own = name;
    for (let number = 2; names.has(own); number++) own = `${name} (${number})`;
    this.photos.push({ name: own, sha256 });
    const cells = predictions.map((prediction, i) => ({ photo: own, number: i + 1, prediction, corrected: null }));
    this.cells.push(...cells);
    return cells;
  }

  /** The type that a cell counts as; null if it does not count. */
  typeOf({ corrected, prediction }) {
    if (corrected) return corrected === this.notCounted ? null : corrected;
    return prediction.verdict === "confident" ? prediction.label : null;
  }

  /** Whether a person should decide on a cell and has not. */
  isUndecided({ corrected, prediction }) {
    return corrected === null && prediction.verdict !== "confident";
  }

  get counts() {
    return this.byType(this.cells.map((cell) => this.typeOf(cell)));
  }

  /** The undecided cells by the type that each is nearest to. */
  get nearest() {
    return this.byType(this.cells.map((cell) => this.isUndecided(cell) && cell.prediction.label));
  }

  byType(found) {
    const counts = Object.fromEntries(Object.keys(this.types).map((type) => [type, 0]));
    for (const type of found) if (type) counts[type] += 1;
    return counts;
  }

  get counted() {
    return Object.values(this.counts).reduce((a, b) => a + b, 0);
  }

  get inReview() {
    return this.undecidedAs("review");
  }

  get unfamiliar() {
    return this.undecidedAs("unfamiliar");
  }

  get undecided() {
    return this.inReview + this.unfamiliar;
  }

  undecidedAs(verdict) {
    return this.cells.filter((cell) => this.isUndecided(cell) && cell.prediction.verdict === verdict).length;
  }

  /** Whether so few cells are undecided that the shares can be read. */
  get settled() {
    return this.undecided <= this.few * (this.counted + this.undecided);
  }

  /** One line a type: [{type, count, total, percent, low, high, flag, least, most}], in %. */
  rows() {
    const [total, undecided, settled] = [this.counted, this.undecided, this.settled];
    const all = total + undecided;
    return Object.entries(this.counts).map(([type, count]) => {
      const [low, high] = clopperPearson(count, total).map((limit) => 100 * limit);
      const percent = total ? (100 * count) / total : 0;
      const [least, most] = [count, count + undecided].map((n) => (all ? (100 * n) / all : 0));
      let bounds = [low, high];
      if (undecided && settled) {
        bounds = [100 * clopperPearson(count, all)[0], 100 * clopperPearson(count + undecided, all)[1]];
      }
      const flag = total && settled ? flagOf(bounds, this.types[type].share_percent) : "open";
      return { type, count, total, percent, low, high, flag, least, most };
    });
  }

  /** What a reader of the table must know, in words. */
  sentences() {
    const total = this.counted;
    const [review, unfamiliar] = [this.inReview, this.unfamiliar];
    const photos = many("count.photos", this.photos.length);
    const lines = [say("count.counted", { cells: many("count.cells", total), photos })];
    if (review || unfamiliar) {
      const key = review && unfamiliar ? "both" : review ? "review" : "unfamiliar";
      const cells = many("count.cells", review + unfamiliar);
      lines.push(say(`count.undecided.${key}`, { cells, review: grouped(review), unfamiliar: grouped(unfamiliar) }));
    }
    if (!this.settled) lines.push(say("count.unsettled"), ...this.uneven());
    const decided = this.cells.filter((cell) => cell.corrected !== null);
    if (decided.length) {
      const none = decided.filter((cell) => cell.corrected === this.notCounted).length;
      const cells = many("count.cells", decided.length);
      lines.push(say(none ? "count.decided_none" : "count.decided", { cells, none }));
    }
    if (total) {
      const few = rint(0.03 * total);
      const [low, high] = clopperPearson(few, total).map((limit) => fixed(100 * limit, 1));
      const share = twoDigits((100 * few) / total);
      const values = { total: grouped(total), few: many("count.cells", few), share, low, high };
      lines.push(say(total === 100 ? "count.limits_100" : "count.limits", values));
    }
    return [...lines, say("count.scope")];
  }

  /** How many cells count of those nearest to each type: the model is surer of some types than of others. */
  uneven() {
    const nearest = this.nearest;
    const parts = Object.entries(this.counts)
      .filter(([type]) => nearest[type])
      .map(([type, count]) => {
        const values = { type: words("types")[type].name, count: grouped(count), all: grouped(count + nearest[type]) };
        return say("count.uneven_part", values);
      });
    return parts.length ? [say("count.uneven", { parts: parts.join(", ") })] : [];
  }

  /** One row a cell, and one for each photo without any: the CSV that Python reads back. */
  csv({ columns, box }, model) {
    const row = ({ name, sha256 }, values) => {
      const all = { photo: neutral(name), model: neutral(model), sha256, ...values };
      return columns.map((column) => quoted(all[column] ?? ""));
    };
    const lines = [columns];
    for (const photo of this.photos) {
      const cells = this.cells.filter((cell) => cell.photo === photo.name);
      if (!cells.length) lines.push(row(photo, { verdict: "no_cell" }));
      for (const { number, prediction: p, corrected } of cells) {
        const edges = Object.fromEntries(box.map((column, i) => [column, p.box[i]]));
        const shares = Object.entries(p.probabilities).map(([type, share]) => [`p_${type}`, repr(share)]);
        lines.push(
          row(photo, {
            cell: number,
            ...edges,
            label: p.label,
            ...Object.fromEntries(shares),
            confidence: repr(p.confidence),
            verdict: p.verdict,
            unfamiliarity: repr(p.unfamiliarity),
            cut: Number(p.cut),
            corrected: corrected ?? "",
          }),
        );
      }
    }
    return lines.map((line) => `${line.join(",")}\r\n`).join("");
  }
}

function flagOf([low, high], [from, to]) {
  if (high < from) return "below";
  if (low > to) return "above";
  return low >= from && high <= to ? "within" : "open";
}

const neutral = (text) => (FORMULA.test(text) ? `'${text}` : text);
const quoted = (value) => (/[",\r\n]/.test(value) ? `"${String(value).replaceAll('"', '""')}"` : value);
