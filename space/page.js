// What the page does in the browser, but for deciding.js. Gradio calls these functions by the names that it is given.

window.leukoscope = {
  // A screen reader reads answers out. Gradio puts a button into a button beside chosen files: one of them is enough.
  begin() {
    for (const id of ["verdict", "status", "sentences"])
      document.querySelector(`#${id} .html-container`)?.setAttribute("aria-live", "polite");
    const mend = () => {
      for (const inner of document.querySelectorAll("button button")) {
        const outer = inner.parentElement.closest("button");
        if (outer.getAttribute("role") === "group") continue;
        const group = { role: "group", tabindex: "-1", "aria-label": "Add", title: "Add" };
        for (const [name, value] of Object.entries(group)) outer.setAttribute(name, value);
        inner.setAttribute("aria-label", "Add more files");
      }
    };
    new MutationObserver(mend).observe(document.body, { childList: true, subtree: true });
    leukoscope.askBeforeLoss();
  },

  // --- one photo ---------------------------------------------------------------------------------------------

  // On a phone, where it stands below the upload field, and after a choice further below, the answer comes into view.
  reveal() {
    const out = document.getElementById("verdict").getBoundingClientRect().top < 0;
    if ((out || innerWidth < 700) && document.querySelector('#photo .lk-photo:not([data-copy=""])'))
      document.getElementById("photo").scrollIntoView({ block: "start", behavior: "smooth" });
  },

  // A picture that was given while the one before it was answered stays.
  emptyIfAnswered: (now, answered) => (answered && now && now.path !== answered.path ? now : null),

  examples(element, trigger) {
    element.addEventListener("click", (event) => {
      const button = event.target.closest("button[data-name]");
      if (button) trigger("example", { name: button.dataset.name });
    });
  },

  // The box and the list show the choice at once; the server then sends the answer for it. A new photo brings a new
  // list, but Gradio puts it into the old one's elements, which remember what was chosen there.
  photo(element, trigger, watch) {
    let zoom = 1;
    let x = 0;
    let y = 0;
    let from = null;
    let dragged = false;
    const place = () => {
      const frame = element.querySelector(".lk-frame");
      if (frame) frame.style.transform = `translate(${x}px, ${y}px) scale(${zoom})`;
      element.querySelector(".lk-stage").style.touchAction = zoom > 1 ? "none" : "pan-y";
    };
    const enlarge = (by) => {
      zoom = Math.min(8, Math.max(1, zoom * by));
      if (zoom === 1) x = y = 0;
      place();
    };
    watch("value", () => {
      for (const input of element.querySelectorAll("input[name=lk-cell]")) input.checked = input.defaultChecked;
      enlarge(0);
    });
    const wheel = (event) => {
      if (!event.ctrlKey || !event.target.closest(".lk-stage")) return;
      event.preventDefault();
      enlarge(event.deltaY < 0 ? 1.25 : 0.8);
    };
    element.addEventListener("wheel", wheel, { passive: false });
    element.addEventListener("dragstart", (event) => event.preventDefault());
    element.addEventListener("pointerdown", (event) => {
      dragged = false;
      if (zoom > 1 && event.target.closest(".lk-stage")) from = [event.clientX - x, event.clientY - y];
    });
    addEventListener("pointermove", (event) => {
      if (!from) return;
      const next = [event.clientX - from[0], event.clientY - from[1]];
      dragged ||= Math.hypot(next[0] - x, next[1] - y) > 4;
      if (!dragged) return;
      [x, y] = next;
      place();
    });
    addEventListener("pointerup", () => {
      from = null;
    });
    const copy = async (text) => {
      const said = element.querySelector(".lk-said");
      try {
        await navigator.clipboard.writeText(text);
      } catch {
        // over plain http a browser has no clipboard
        const area = document.createElement("textarea");
        area.value = text;
        document.body.append(area);
        area.select();
        document.execCommand("copy");
        area.remove();
      }
      said.textContent = "Copied.";
    };
    const tools = {
      in: () => enlarge(1.5),
      out: () => enlarge(1 / 1.5),
      fit: () => enlarge(0),
      copy: () => copy(element.querySelector(".lk-photo").dataset.copy),
      save: () => trigger("save"),
    };
    const choose = (number) => {
      for (const box of element.querySelectorAll(".lk-box"))
        box.setAttribute("aria-pressed", String(box.dataset.number === number));
      for (const input of element.querySelectorAll("input[name=lk-cell]")) input.checked = input.value === number;
      trigger("choose", { number: Number(number) });
    };
    element.addEventListener("click", (event) => {
      tools[event.target.closest("button[data-do]")?.dataset.do]?.();
      const box = event.target.closest(".lk-box");
      if (box && !dragged) choose(box.dataset.number);
    });
    element.addEventListener("change", (event) => {
      if (event.target.name === "lk-cell") choose(event.target.value);
    });
  },

  // --- answers that are no HTML --------------------------------------------------------------------------------

  download(file) {
    const bytes = Uint8Array.from(atob(file.base64), (letter) => letter.charCodeAt(0));
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([bytes], { type: file.type }));
    link.download = file.name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  },

  // What gives the outputs of an event that failed on its way: `busy` if others wait, else `failed`. In the browser,
  // since the server may be what failed. Of `busy`, "{ahead}" becomes the number of those who wait.
  whenFailed: (failed, busy) => async () => {
    let ahead = 0;
    try {
      ahead = (await (await fetch("gradio_api/queue/status")).json()).queue_size;
    } catch {}
    const outputs = ahead ? busy : failed;
    return outputs.map((value) => (typeof value === "string" ? value.replace("{ahead}", ahead) : value));
  },
};
