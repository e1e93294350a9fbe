"""How the HTML of `markup` looks."""

STYLE = """
.lk-stage { aspect-ratio: 4 / 3; touch-action: pan-y; container-type: size; display: grid; place-items: center;
  overflow: hidden;
  border: 1px solid var(--lk-line); border-radius: 8px; background: color-mix(in srgb, currentColor 6%, transparent); }
.lk-stage > p { padding: 1rem; max-width: 18rem; text-align: center; }
.lk-frame { position: relative; aspect-ratio: var(--lk-ratio); width: min(100cqw, 100cqh * var(--lk-ratio)); }
.lk-frame img { display: block; width: 100%; height: 100%; margin: 0; border-radius: 0; }
.lk-box { position: absolute; padding: 0; margin: 0; background: none; cursor: pointer; border-radius: 4px;
  border: 2px solid #fff; outline: 2px solid #000; outline-offset: 0; min-width: 14px; min-height: 14px; }
.lk-box[data-verdict="review"] { border-style: dashed; }
.lk-box[data-verdict="unfamiliar"] { border-style: dotted; }
.lk-box span { position: absolute; left: -2px; bottom: 100%; font: 600 12px/1.25 ui-sans-serif, system-ui, sans-serif;
  padding: 0 4px; color: #fff; background: #000; border-bottom: 3px solid var(--lk-colour, #fff); white-space: nowrap; }
.lk-box[data-label] span { bottom: auto; top: -2px; }
.lk-box:hover { background: rgb(255 255 255 / .16); }
.lk-box[aria-pressed="true"] { border-width: 4px; border-color: var(--lk-colour, #fff); outline-width: 3px; }
.lk-box[aria-pressed="true"] { z-index: 1; }
.lk-box[aria-pressed="true"] span { left: -4px; }
.lk-choices { margin: .5rem 0 0; padding: .1rem .6rem .5rem; border: 1px solid var(--lk-line); border-radius: 8px; }
.lk-choices { min-width: 0; }
.lk-choices legend { padding: 0 .3rem; font-size: .85rem; }
.lk-choices > div { height: 6.4rem; overflow-y: auto; display: grid; align-content: start; gap: .15rem .8rem;
  grid-template-columns: repeat(auto-fill, minmax(11.5rem, 1fr)); }
.lk-choices label { display: flex; gap: .4rem; align-items: baseline; padding: .15rem .2rem; border-radius: 4px; }
.lk-choices label { border-left: 4px solid var(--lk-colour, transparent); padding-left: .4rem; cursor: pointer; }
.lk-choices label:has(:checked) { background: color-mix(in srgb, currentColor 12%, transparent); }
.lk-choices input { accent-color: currentColor; }
.lk-crop { margin: 0; display: grid; justify-items: center; gap: .3rem; }
.lk-crop img, .lk-crop > div { width: 220px; height: 220px; margin: 0; border-radius: 8px; }
.lk-crop > div { border: 1px solid var(--lk-line); background: color-mix(in srgb, currentColor 6%, transparent); }
.lk-crop figcaption { font-size: .85rem; min-height: 2.6em; text-align: center; }
.lk-gallery { display: grid; gap: .8rem; }
.lk-gallery h2, .lk-chosen h2 { margin: 0 0 .4rem; font-size: 1.05rem; }
.lk-gallery section:not([style]) .lk-swatch { background: none; border: 2px dashed currentColor; }
.lk-count { font-weight: 400; opacity: .8; }
.lk-cells { display: grid; grid-template-columns: repeat(auto-fill, minmax(84px, 1fr)); gap: .4rem .2rem;
  align-items: start; }
.lk-cell { display: grid; justify-items: center; gap: .1rem; padding: 4px 2px; border: 2px solid transparent;
  border-radius: 8px; background: none; color: inherit; cursor: pointer; font: inherit; font-size: .8rem; }
.lk-cell:hover { background: color-mix(in srgb, currentColor 8%, transparent); }
.lk-cell img, .lk-cell i { width: 72px; height: 72px; margin: 0; border-radius: 6px; }
.lk-cell i { background: var(--lk-line); }
.lk-cell span { font-variant-numeric: tabular-nums; white-space: pre-line; min-height: 2.9em; }
.lk-cell[data-verdict="review"] img, .lk-cell[data-verdict="unfamiliar"] img { outline: 2px dashed currentColor; }
.lk-cell[data-verdict="unfamiliar"] img { outline-style: dotted; }
.lk-cell:not([data-to="as the model says"]) img { outline: 3px solid currentColor; }
.lk-cell[aria-pressed="true"] { border-color: currentColor; }
.lk-cell[aria-pressed="true"] span { font-weight: 700; }
.lk-chosen h2 { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.lk-view { width: 340px; max-width: 100%; aspect-ratio: 1; margin: 0 auto; }
.lk-view img, .lk-view .lk-blank { display: block; width: 100%; height: 100%; margin: 0; border-radius: 8px; }
.lk-view .lk-blank { border: 1px dashed var(--lk-line); padding: 1rem; }
.lk .lk-says { font-weight: 650; margin: .3rem 0; min-height: 1.45em; }
.lk-chosen .lk-bars { gap: .2rem; }
.lk-chosen .lk-bars li { grid-template-columns: 5.6rem 1fr 3.6rem; gap: .3rem; font-size: .85rem; }
.lk-chosen .lk-track { height: .7rem; }
.lk-decide { display: grid; grid-template-columns: 1fr 1fr; gap: .3rem; margin-top: .5rem; }
.lk-decide button, .lk-tools button, .lk-sort { display: flex; gap: .4rem; align-items: center; min-height: 2.2rem;
  padding: .2rem .5rem; border: 1px solid var(--lk-line); border-radius: 6px; background: none; color: inherit;
  font: inherit; font-size: .88rem; text-align: left; cursor: pointer; }
.lk-decide button { border-left: 4px solid var(--lk-colour, var(--lk-line)); }
.lk-decide button[aria-pressed="true"] { background: color-mix(in srgb, currentColor 14%, transparent);
  font-weight: 650; }
:is(.lk-decide, .lk-tools, .lk-sorting) button:disabled { opacity: .55; cursor: default; }
:is(.lk-decide, .lk-tools, .lk-sorting) button:not(:disabled):hover {
  background: color-mix(in srgb, currentColor 8%, transparent); }
.lk-decide kbd { min-width: 1.4em; padding: 0 .2em; border: 1px solid var(--lk-line); border-radius: 4px; font: inherit;
  font-size: .8rem; text-align: center; }
.lk-compare { margin: 0; }
.lk-compare figcaption { font-size: .85rem; margin-bottom: .3rem; }
.lk-compare ul { list-style: none; display: grid; max-width: 30rem; grid: auto / auto-flow minmax(0, 1fr); gap: .4rem; }
.lk-compare li { display: grid; gap: .25rem; align-content: start; font-size: .8rem;
  border-top: 4px solid var(--lk-colour); }
.lk-compare img { width: 100%; aspect-ratio: 1; margin: 0; border-radius: 6px; }
.lk-compare img[hidden] { display: none; }
.lk-sorting { display: flex; gap: .8rem; align-items: center; }
.lk-sorting[hidden] { display: none; }
.lk-tools { display: flex; flex-wrap: wrap; gap: .3rem; margin-top: .4rem; align-items: center; }
.lk-said, .lk-kept { font-size: .85rem; }
.lk-legend { list-style: none; display: flex; flex-wrap: wrap; gap: .2rem 1rem; font-size: .85rem; }
.lk .lk-legend { margin-top: .4rem; }
.lk-legend li { display: flex; gap: .4rem; align-items: center; }
.lk-sample { border: 2px solid currentColor; border-radius: 4px; padding: 0 .3rem; font-size: .75rem; }
.lk-sample[data-verdict="review"] { border-style: dashed; }
.lk-sample[data-verdict="unfamiliar"] { border-style: dotted; }
.lk .lk-which { font-size: .85rem; min-height: 1.45em; }
.lk-status { min-height: 3.2rem; }
.lk-status progress { width: 100%; height: .8rem; accent-color: var(--primary-700); }
.lk-unreadable, .lk-copies { margin-top: .4rem; }
:is(.lk-unreadable, .lk-copies) ul { margin: .3rem 0 0 1.1rem;
  overflow-wrap: anywhere; max-height: 12rem; overflow-y: auto; }
"""
"""Rules for the HTML of `markup`, beside those of `leukoscope.showing.wording`."""
