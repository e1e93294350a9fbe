// The first tab: a photo in, every white cell of it boxed, and the answer for the one that is chosen.

import { showBars, showCards, showMessage, showVerdict } from "./answers.js";
import { canvas, find, make } from "./dom.js";
import { say, words } from "./texts.js";
import { refusalSentence, short } from "./words.js";

const MARKS = { confident: "", review: "?", unfamiliar: "??" };

export class PhotoTab {
  constructor(client, page) {
    Object.assign(this, { client, page, asked: 0, scanned: null, chosen: 0 });
    find("#heat").addEventListener("change", () => this.enlarge());
    find("#examples").append(...page.examples.photo.map((path) => this.example(path)));
    this.empty();
    showMessage(find("#verdict"), say("photo.waiting"), say("photo.waiting_text"), say("photo.waiting_tag"));
  }

  example(path) {
    const name = path
      .split("/")
      .pop()
      .replace(/\.\w+$/, "");
    const take = async () => this.show(await (await fetch(path)).blob());
    const picture = make("img", { src: path, alt: "", width: 56, height: 56, loading: "lazy" });
    const title = words("types")[name]?.title ?? words("photo.drawings")[name];
    return make("button", { type: "button", on: { click: take } }, picture, title);
  }

  /** No photo, or none that can be read. */
  empty() {
    this.scanned = null;
    find("#stage").replaceChildren(make("p", {}, say("photo.empty")));
    find("#choices div").replaceChildren(make("p", { class: "lk-note" }, say("photo.none")));
    this.blankAnswer();
  }

  blankAnswer() {
    showBars(find("#bars"));
    showCards(find("#cards"));
    find("#crop").replaceChildren(make("div"), make("figcaption", {}, say("photo.crop_empty")));
  }

  /** Answer a file; a later one takes the place of one that is still being looked at. */
  async show(file) {
    const asked = ++this.asked;
    this.empty();
    showMessage(find("#verdict"), say("photo.reading"), "");
    try {
      const bytes = new Uint8Array(await file.arrayBuffer());
      const scanned = await this.client.ask("scan", bytes, { keep: true });
      if (asked !== this.asked) return;
      this.scanned = scanned;
      this.draw();
    } catch (error) {
      if (asked !== this.asked) return;
      this.empty();
      const said = error.reason
        ? [say("refusals.title"), refusalSentence(error)]
        : [say("photo.failed"), say("photo.failed_text")];
      showMessage(find("#verdict"), ...said, say("refusals.tag"));
    }
  }

  draw() {
    const { predictions, none, picture, width, height } = this.scanned;
    const n = predictions.length;
    const label = say(n === 0 ? "photo.alt_none" : n === 1 ? "photo.alt_one" : "photo.alt_many", { n });
    const boxes = predictions.map((prediction, index) => this.box(prediction, index, width, height));
    const ratio = { "--ratio": String(width / height) };
    find("#stage").replaceChildren(make("div", { class: "frame", style: ratio }, canvas(picture, label), ...boxes));
    if (none) {
      showVerdict(find("#verdict"), none, this.page.types);
      return;
    }
    find("#choices div").replaceChildren(...predictions.map((prediction, index) => this.choice(prediction, index)));
    this.choose(0);
  }

  colour({ verdict, label }) {
    return verdict === "confident" ? { "--lk-colour": this.page.types[label].colour } : {};
  }

  /** By keyboard the list below does the same with fewer stops. */
  box(prediction, index, width, height) {
    const [x0, y0, x1, y1] = prediction.box;
    const place = { left: x0 / width, top: y0 / height, width: (x1 - x0) / width, height: (y1 - y0) / height };
    const style = Object.fromEntries(Object.entries(place).map(([side, share]) => [side, `${100 * share}%`]));
    return make(
      "button",
      {
        type: "button",
        tabindex: -1,
        class: y0 < 0.07 * height ? "box inside" : "box",
        "data-verdict": prediction.verdict,
        "aria-label": say("photo.box", { n: index + 1, short: short(prediction) }),
        style: { ...style, ...this.colour(prediction) },
        on: { click: () => this.choose(index) },
      },
      make("span", {}, `${index + 1}${MARKS[prediction.verdict]}`),
    );
  }

  choice(prediction, index) {
    const choose = () => this.choose(index);
    const input = make("input", { type: "radio", name: "cell", value: index, on: { change: choose } });
    const text = say("photo.choice", { n: index + 1, short: short(prediction) });
    return make("label", { style: this.colour(prediction) }, input, make("span", {}, text));
  }

  choose(index) {
    this.chosen = index;
    const prediction = this.scanned.predictions[index];
    for (const [i, box] of document.querySelectorAll("#stage .box").entries())
      box.setAttribute("aria-pressed", i === index);
    for (const [i, input] of document.querySelectorAll("#choices input").entries()) input.checked = i === index;
    showVerdict(find("#verdict"), prediction, this.page.types);
    showBars(find("#bars"), prediction);
    showCards(find("#cards"), prediction);
    this.enlarge();
  }

  async enlarge() {
    const { asked, chosen, scanned } = this;
    if (!scanned?.predictions.length) return;
    const heated = find("#heat").checked;
    const picture = await this.client.ask("enlarge", chosen, heated);
    if (asked !== this.asked || chosen !== this.chosen || heated !== find("#heat").checked) return;
    const values = { n: chosen + 1, all: scanned.predictions.length };
    values.type = words("types")[scanned.predictions[chosen].label].name;
    const text = say(heated ? "photo.crop_heat" : "photo.crop", values);
    find("#crop").replaceChildren(canvas(picture, text), make("figcaption", {}, text));
  }
}
