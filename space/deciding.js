// What the browser does while a person decides on cells: keys, several at once, undo, and what is sent when.
//
// A decision shows at once. It is sent with those made while the one before it was under way, so that nobody types
// faster than the page can follow, and is kept here until the server has taken it.

Object.assign(leukoscope, {
  gallery(element, trigger, watch, { keys, asTheModel, undecided }) {
    let waiting = [];
    let sent = [];
    let steps = [];
    let timer = null;
    let looking = null;
    let patience = 2000; // ms
    const cells = () => [...element.querySelectorAll(".lk-cell")];
    const chosen = () => cells().filter((cell) => cell.getAttribute("aria-pressed") === "true");
    const at = (index) => element.querySelector(`.lk-cell[data-index="${index}"]`);
    const panel = () => document.querySelector("#chosen .lk-chosen");

    // The panel shows the chosen cell at once, by its small picture; the server sends the large one and the bars.
    const fill = (cell) => {
      const shown = panel();
      if (!shown) return;
      shown.dataset.index = cell.dataset.index;
      shown.querySelector("h2").textContent = shown.querySelector("h2").title = cell.dataset.text;
      const picture = new Image();
      picture.alt = "The chosen cell.";
      picture.src = cell.querySelector("img")?.src ?? "";
      shown.querySelector(".lk-view").replaceChildren(picture);
      shown.querySelector(".lk-shares").style.visibility = "hidden";
      shown.querySelector(".lk-says").textContent = "";
      press(cell);
    };
    const press = (cell) => {
      for (const button of panel()?.querySelectorAll("button[data-to]") ?? []) {
        button.disabled = false;
        button.setAttribute("aria-pressed", String(button.dataset.to === cell.dataset.to));
      }
    };
    const choose = (cell, more = false, focus = true) => {
      if (!more) for (const other of chosen()) other.setAttribute("aria-pressed", "false");
      cell.setAttribute("aria-pressed", "true");
      if (focus && !panel()?.contains(document.activeElement)) cell.focus({ preventScroll: true });
      fill(cell);
      clearTimeout(looking); // of cells that somebody hurries past only the last is asked for
      looking = setTimeout(() => trigger("choose", { index: Number(cell.dataset.index) }), 120);
    };
    const intoView = (cell) => cell.scrollIntoView({ block: "nearest" });

    const mark = (cell, to) => {
      const own = to === asTheModel;
      cell.dataset.to = to;
      cell.dataset.group = own ? cell.dataset.own : to;
      cell.querySelector("span").textContent = own ? cell.dataset.mark : `${to}\nby you`;
      cell.title = cell.dataset.text + (own ? "" : `, by you: ${to}`);
      cell.setAttribute("aria-label", cell.title);
    };
    const recount = () => {
      let moved = false;
      for (const section of element.querySelectorAll("section")) {
        const group = section.dataset.group;
        section.querySelector(".lk-count").textContent = cells().filter((cell) => cell.dataset.group === group).length;
        moved ||= [...section.querySelectorAll(".lk-cell")].some((cell) => cell.dataset.group !== group);
      }
      element.querySelector(".lk-sort").disabled = !moved;
    };
    const say = () => {
      const left = waiting.length + sent.length;
      element.querySelector(".lk-kept").textContent = timer ? `${left} decisions are not kept yet: trying again.` : "";
    };
    const send = () => {
      if (sent.length || !waiting.length) return;
      sent = waiting.splice(0, 500);
      trigger("decide", { decisions: sent });
    };
    const decide = (to) => {
      const now = chosen();
      if (!now.length) return;
      steps.push(now.map((cell) => [Number(cell.dataset.index), cell.dataset.to]));
      for (const cell of now) {
        mark(cell, to);
        waiting.push([Number(cell.dataset.index), to]);
      }
      recount();
      send();
      const all = cells();
      const place = all.indexOf(now.at(-1));
      const open = all.filter((cell) => cell.dataset.group === undecided);
      const further = open.find((cell) => all.indexOf(cell) > place);
      const next = further ?? open.find((cell) => !now.includes(cell)) ?? now.at(-1);
      choose(next);
      intoView(next);
    };
    const undo = () => {
      const step = steps.pop();
      if (!step) return;
      for (const [index, to] of step) {
        mark(at(index), to);
        waiting.push([index, to]);
      }
      recount();
      send();
      choose(at(step[0][0]));
      intoView(at(step[0][0]));
    };

    // For the panel, which is an element of its own, and for what tells that decisions were kept or not.
    leukoscope.deciding = {
      decide,
      undo,
      shown() {
        const cell = chosen().at(-1);
        if (cell && panel()?.dataset.index === cell.dataset.index) press(cell);
        else if (cell) fill(cell); // an answer for a cell that was left meanwhile
      },
      kept() {
        sent = [];
        clearTimeout(timer);
        timer = null;
        patience = 2000;
        say();
        send();
      },
      notKept() {
        waiting = [...sent, ...waiting];
        sent = [];
        timer = setTimeout(send, patience);
        patience = Math.min(2 * patience, 60000);
        say();
      },
      unsaved: () => element.querySelector(".lk-gallery")?.dataset.drawn === "false" && cells().length > 0,
    };
    watch("value", () => {
      waiting = [];
      sent = [];
      steps = [];
      for (const place of document.querySelectorAll("#compare .lk-surest")) {
        const type = place.dataset.type;
        const sure = cells().filter((cell) => cell.dataset.verdict === "confident" && cell.dataset.own === type);
        const surest = sure.sort((a, b) => a.dataset.doubt - b.dataset.doubt)[0];
        place.hidden = !surest;
        if (surest) place.src = surest.querySelector("img")?.src ?? "";
        else place.removeAttribute("src");
        place.alt = surest ? `The surest: ${surest.dataset.text}` : "";
      }
      const first = cells().find((cell) => cell.dataset.group === undecided);
      if (first) choose(first, false, false);
    });
    element.addEventListener("click", (event) => {
      const cell = event.target.closest(".lk-cell");
      if (cell) choose(cell, event.shiftKey || event.ctrlKey || event.metaKey);
      if (!event.target.closest(".lk-sort")) return;
      const sections = [...element.querySelectorAll("section")];
      for (const cell of cells()) {
        const place = sections.find((section) => section.dataset.group === cell.dataset.group);
        if (cell.closest("section") === place) continue;
        const doubt = (other) => Number(other.dataset.doubt);
        const row = place.querySelector(".lk-cells");
        row.insertBefore(cell, [...row.children].find((other) => doubt(other) < doubt(cell)) ?? null);
      }
      for (const section of sections) section.hidden = !section.querySelector(".lk-cell");
      recount();
    });
    // Keys mean something only where cells are decided on: in the gallery and beside it.
    document.addEventListener("keydown", (event) => {
      if (!element.isConnected || event.ctrlKey || event.metaKey || event.altKey) return;
      if (!event.target.closest?.("#cells-row")) return;
      const key = event.key.toLowerCase();
      const step = { arrowright: 1, arrowdown: 1, arrowleft: -1, arrowup: -1 }[key];
      if (key in keys) decide(keys[key]);
      else if (key === "u") undo();
      else if (step) {
        const all = cells();
        const next = all[all.indexOf(chosen().at(-1)) + step];
        if (next) {
          choose(next, event.shiftKey);
          intoView(next);
        }
      } else return;
      event.preventDefault();
    });
  },

  panel(element, _trigger, watch) {
    watch("value", () => leukoscope.deciding?.shown());
    element.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button?.dataset.do === "undo") leukoscope.deciding.undo();
      else if (button) leukoscope.deciding.decide(button.dataset.to);
    });
  },

  kept: () => leukoscope.deciding.kept(),
  notKept: () => leukoscope.deciding.notKept(),

  // Before a count goes away with a click, and before the page does.
  askBeforeLoss() {
    const lost = "All photos of this count and all decisions on their cells go. Take them away?";
    const ask = (event) => {
      const button = event.target.closest?.("#files button");
      const label = button?.getAttribute("aria-label") ?? "";
      if (!/clear|remove|delete/i.test(label) || !leukoscope.deciding?.unsaved()) return;
      if (confirm(/clear/i.test(label) ? lost : "Take this photo out of the count?")) return;
      event.preventDefault();
      event.stopImmediatePropagation();
    };
    document.addEventListener("click", ask, true);
    addEventListener("beforeunload", (event) => {
      if (leukoscope.deciding?.unsaved()) event.preventDefault();
    });
  },
});
