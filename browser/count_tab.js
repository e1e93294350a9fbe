// The second tab: many photos in, a differential out that a person can correct and take home.

import { find, make } from "./dom.js";
import { Differential } from "./differential.js";
import { Gallery } from "./gallery.js";
import { grouped } from "./numbers.js";
import { many, say, words } from "./texts.js";
import { showChart, showTable } from "./charts.js";
import { refusal } from "./words.js";

export class CountTab {
  constructor(client, page) {
    Object.assign(this, { client, page, waiting: [], running: false, stopped: false });
    this.gallery = new Gallery(page, () => this.update());
    find("#drawn").addEventListener("click", () => this.drawn());
    find("#stop").addEventListener("click", () => (this.stopped = true));
    find("#clear").addEventListener("click", () => this.clear());
    find("#csv").addEventListener("click", () => this.save());
    this.clear();
  }

  clear() {
    this.differential = new Differential(this.page.types, this.page.not_counted, this.page.few);
    Object.assign(this, { unread: [], copies: [] });
    this.gallery.clear(this.differential);
    find("#status p").textContent = say("count.waiting");
    find("#status div").replaceChildren();
    this.update();
  }

  async drawn() {
    const files = this.page.examples.count.map(async (path) => {
      return new File([await (await fetch(path)).blob()], path.split("/").pop());
    });
    await this.add(await Promise.all(files));
  }

  /** Count files; those that are added meanwhile come after them. */
  async add(files) {
    this.waiting.push(...files);
    if (this.running) return;
    Object.assign(this, { running: true, stopped: false });
    find("#stop").disabled = false;
    find("#clear").disabled = true;
    find("#status progress").hidden = false;
    for (let done = 0; this.waiting.length && !this.stopped; done++) {
      const all = done + this.waiting.length;
      find("#status p").textContent = say("count.reading", { n: done + 1, all });
      find("#status progress").value = (done + 0.5) / all;
      await this.count(this.waiting.shift());
    }
    this.waiting = [];
    this.running = false;
    find("#stop").disabled = true;
    find("#status progress").hidden = true;
    this.finish();
  }

  async count(file) {
    try {
      const bytes = new Uint8Array(await file.arrayBuffer());
      const { predictions, sha256, thumbnails } = await this.client.ask("scan", bytes, {
        thumbnails: this.page.thumbnail_side,
      });
      const first = this.differential.copyOf(sha256);
      if (first) {
        this.copies.push([file.name, say("count.copy", { first: first.name })]);
        return;
      }
      const cells = this.differential.add(file.name, predictions, sha256);
      for (const [i, cell] of cells.entries()) cell.thumbnail = thumbnails[i];
    } catch (error) {
      this.unread.push([file.name, refusal(error.reason || error.failed ? error : { failed: String(error) })]);
    }
  }

  finish() {
    const { differential } = this;
    const values = {
      cells: many("count.cells", differential.cells.length),
      photos: many("count.photos", differential.photos.length),
      undecided: grouped(differential.undecided),
    };
    const done = say(differential.undecided ? "count.done_undecided" : "count.done", values);
    find("#status p").textContent = this.stopped ? `${say("count.stopped")} ${done}` : done;
    const lists = [...this.files("count.copies", this.copies), ...this.files("count.not_read", this.unread)];
    find("#status div").replaceChildren(...lists);
    this.gallery.show();
    this.update();
  }

  files(key, files) {
    if (!files.length) return [];
    const items = files.map(([name, why]) => make("li", {}, make("strong", {}, name), `: ${why}`));
    return [make("details", { open: true }, make("summary", {}, many(key, files.length)), make("ul", {}, ...items))];
  }

  /** Table, chart and sentences, after a count or a decision. */
  update() {
    const { differential } = this;
    showTable(find("#table"), differential);
    showChart(find("#chart"), differential);
    const lines = differential.photos.length ? differential.sentences() : [words("count.nothing")];
    const items = [...lines, words("count.range_note")].map((line) => make("li", {}, line));
    find("#sentences").replaceChildren(...items);
    const empty = !differential.photos.length;
    find("#csv").disabled = empty;
    find("#clear").disabled = this.running || (empty && !this.unread.length);
  }

  /** The count as a file, with the mark by which Excel knows UTF-8. */
  save() {
    const text = `\ufeff${this.differential.csv(this.page.csv, this.page.model.identity)}`;
    const link = make("a", { download: "differential.csv" });
    link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  }
}
