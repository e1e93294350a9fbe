"""How the page looks and what it does in the browser. Nothing in here asks another site for anything."""

import json
from typing import Any

import deciding
import gradio as gr
import rules

from leukoscope.showing import about, charts, wording

# Font stacks of the visitor's own system.
THEME = gr.themes.Default(
    primary_hue="teal",
    neutral_hue="slate",
    font=("ui-sans-serif", "system-ui", "sans-serif"),
    font_mono=("ui-monospace", "Consolas", "monospace"),
).set(
    # white on the default middle shades would be too faint to read
    button_primary_background_fill="*primary_700",
    button_primary_background_fill_dark="*primary_700",
    button_primary_background_fill_hover="*primary_800",
    button_primary_background_fill_hover_dark="*primary_800",
    checkbox_label_text_color="*body_text_color",
)

UPLOAD_HEIGHT = 150  # px: fixed, so that nothing jumps

CSS = (
    wording.STYLE
    + charts.STYLE
    + rules.STYLE
    + about.STYLE
    + """
.gradio-container { max-width: 1280px !important; margin: 0 auto !important; }
.html-container { padding: 0 !important; }
.head h1 { font-size: 2rem; line-height: 1.2; margin: 0; font-weight: 700; }
.head p { margin: .3rem 0 .8rem; }
.notice { font-weight: 600; margin: .6rem 0; border: 2px solid currentColor; border-radius: 8px; padding: .5rem .8rem; }
.hint { font-size: .9rem; margin: 0; }
.examples-grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(5.2rem, 1fr)); gap: .4rem; }
.examples-grid button { display: grid; justify-items: center; gap: .2rem; padding: .4rem .1rem; cursor: pointer;
  font: inherit; font-size: .82rem; color: inherit; border: 1px solid var(--border-color-primary); border-radius: 8px;
  background: var(--button-secondary-background-fill); }
.examples-grid button:hover { background: var(--button-secondary-background-fill-hover); }
.examples-grid img { width: 3.5rem; height: 3.5rem; border-radius: 6px; margin: 0; object-fit: cover; }
[role="tab"][aria-selected="true"] { color: var(--body-text-color) !important; font-weight: 650; }
#photo, #verdict { scroll-margin-top: .8rem; }
.lk-choices input[type="radio"] { appearance: auto; width: 1rem; height: 1rem; flex: none; margin: 0; }
.lk-choices input[type="radio"] { align-self: center; }
#files { min-height: 192px; }
#decide { position: sticky; top: .5rem; align-self: flex-start; background: var(--body-background-fill); z-index: 2; }
@media (max-width: 720px) {
  #decide { position: static; gap: .4rem; }
  #decide:has(.lk-view img) { position: sticky; top: auto; bottom: 0; padding: .4rem 0; }
  #decide:has(.lk-view img) { border-top: 2px solid var(--border-color-primary); }
  #decide .lk-chosen { display: grid; grid-template-columns: 46% minmax(0, 1fr); gap: 0 .6rem; }
  #decide .lk-view { width: 100%; }
  #decide .lk-chosen > h2, #decide .lk-says { grid-column: 1 / -1; font-size: .9rem; margin: 0; }
  #decide .lk-says { grid-row: 2; }
  #decide :is(.lk-view, .lk-decide) { grid-row: 3; }
  #decide .lk-shares { display: none; }
  #decide .lk-decide { grid-template-columns: 1fr; gap: .15rem; margin: 0; }
  #decide .lk-decide button { min-height: 1.6rem; padding: .1rem .4rem; font-size: .82rem; line-height: 1.15; }
}
@media print {
  #picture, #examples, .hint, #heat, .lk-tools, .lk-choices, .lk-compare, .tab-container, footer, .lk-card details,
  #files, #drawn, #stop, #copies, #csv, #pdf, #notes, #cells-row { display: none !important; }
  #cards { display: none !important; }
  .gradio-container, .gradio-container main { min-height: 0 !important; }
  .lk-stage { max-height: 80mm; }
  .lk-crop img { width: 150px; height: 150px; }
  .lk-verdict { min-height: 0; }
  .gradio-container, .gradio-container * { color: #000 !important; }
  .lk-fill, .lk-share, .lk-swatch { print-color-adjust: exact; }
}
#verdict .error, #verdict .clear-status, #status .error, #status .clear-status { display: none; }
.or, footer button { color: var(--body-text-color) !important; }
footer .divider { display: none; }
:focus-visible { outline: 3px solid var(--primary-500) !important; outline-offset: 2px; }
"""
    # Gradio adds the upload field after what stands below it: until then its place is kept.
    + f'#given:not(:has(#picture))::before {{ content: ""; height: {UPLOAD_HEIGHT}px; }}\n'
)

# Rules for Gradio's own frame, which `CSS` cannot reach: less room around it on a phone, and no scroll area of its own,
# or nothing inside could stick to the window's edge.
HEAD = """<style>
.gradio-container { overflow: clip !important; }
@media (max-width: 720px) { .gradio-container .main.app { padding: .8rem !important; } }
</style>"""

# A screen reader reads answers out. Gradio puts a button into a button beside chosen files: one of them is enough.
ON_LOAD = (
    """() => {
  for (const id of ['verdict', 'status', 'sentences'])
    document.querySelector(`#${id} .html-container`)?.setAttribute('aria-live', 'polite')
  const mend = () => {
    for (const inner of document.querySelectorAll('button button')) {
      const outer = inner.parentElement.closest('button')
      if (outer.getAttribute('role') === 'group') continue
      for (const [name, value] of Object.entries({ role: 'group', tabindex: '-1', 'aria-label': 'Add', title: 'Add' }))
        outer.setAttribute(name, value)
      inner.setAttribute('aria-label', 'Add more files')
    }
  }
  new MutationObserver(mend).observe(document.body, { childList: true, subtree: true })
"""
    + deciding.ASK
    + "}"
)
# On a phone, where it stands below the upload field, and after a choice further below, the answer comes into view.
REVEAL = """() => {
  const out = document.getElementById('verdict').getBoundingClientRect().top < 0
  if ((out || innerWidth < 700) && document.querySelector('#photo .lk-photo:not([data-copy=""])'))
    document.getElementById('photo').scrollIntoView({ block: 'start', behavior: 'smooth' })
}"""

# A picture that was given while the one before it was answered stays.
EMPTY_IF_ANSWERED = "(now, answered) => answered && now && now.path !== answered.path ? now : null"

CHOOSE_EXAMPLE = """
element.addEventListener('click', event => {
  const button = event.target.closest('button[data-name]')
  if (button) trigger('example', { name: button.dataset.name })
})
"""

# The box and the list show the choice at once; the server then sends the answer for it. A new photo brings a new list,
# but Gradio puts it into the old one's elements, which remember what was chosen there.
CHOOSE_BOX = """
let zoom = 1, x = 0, y = 0, from = null, dragged = false
const place = () => {
  const frame = element.querySelector('.lk-frame')
  if (frame) frame.style.transform = `translate(${x}px, ${y}px) scale(${zoom})`
  element.querySelector('.lk-stage').style.touchAction = zoom > 1 ? 'none' : 'pan-y'
}
const enlarge = by => {
  zoom = Math.min(8, Math.max(1, zoom * by))
  if (zoom === 1) x = y = 0
  place()
}
watch('value', () => {
  for (const input of element.querySelectorAll('input[name=lk-cell]')) input.checked = input.defaultChecked
  enlarge(0)
})
element.addEventListener('wheel', event => {
  if (!event.ctrlKey || !event.target.closest('.lk-stage')) return
  event.preventDefault()
  enlarge(event.deltaY < 0 ? 1.25 : 0.8)
}, { passive: false })
element.addEventListener('dragstart', event => event.preventDefault())
element.addEventListener('pointerdown', event => {
  dragged = false
  if (zoom > 1 && event.target.closest('.lk-stage')) from = [event.clientX - x, event.clientY - y]
})
addEventListener('pointermove', event => {
  if (!from) return
  const next = [event.clientX - from[0], event.clientY - from[1]]
  dragged ||= Math.hypot(next[0] - x, next[1] - y) > 4
  if (!dragged) return
  x = next[0]
  y = next[1]
  place()
})
addEventListener('pointerup', () => { from = null })
const copy = async text => {
  const said = element.querySelector('.lk-said')
  try { await navigator.clipboard.writeText(text) } catch {  // over plain http a browser has no clipboard
    const area = document.createElement('textarea')
    area.value = text
    document.body.append(area)
    area.select()
    document.execCommand('copy')
    area.remove()
  }
  said.textContent = 'Copied.'
}
const DO = {
  in: () => enlarge(1.5), out: () => enlarge(1 / 1.5), fit: () => enlarge(0),
  copy: () => copy(element.querySelector('.lk-photo').dataset.copy), save: () => trigger('save'),
}
const choose = number => {
  for (const box of element.querySelectorAll('.lk-box'))
    box.setAttribute('aria-pressed', String(box.dataset.number === number))
  for (const input of element.querySelectorAll('input[name=lk-cell]'))
    input.checked = input.value === number
  trigger('choose', { number: Number(number) })
}
element.addEventListener('click', event => {
  DO[event.target.closest('button[data-do]')?.dataset.do]?.()
  const box = event.target.closest('.lk-box')
  if (box && !dragged) choose(box.dataset.number)
})
element.addEventListener('change', event => {
  if (event.target.name === 'lk-cell') choose(event.target.value)
})
"""

DOWNLOAD = """file => {
  const bytes = Uint8Array.from(atob(file.base64), letter => letter.charCodeAt(0))
  const link = document.createElement('a')
  link.href = URL.createObjectURL(new Blob([bytes], { type: file.type }))
  link.download = file.name
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 60000)
}"""


def when_failed(failed: list[Any], busy: list[Any]) -> str:
    """JavaScript that gives the outputs of an event that failed on its way: `busy` if others wait, else `failed`.

    In the browser, since the server may be what failed. Of `busy`, "{ahead}" becomes the number of those who wait.
    """
    return f"""async () => {{
  let ahead = 0
  try {{ ahead = (await (await fetch('gradio_api/queue/status')).json()).queue_size }} catch {{ }}
  const outputs = ahead ? {json.dumps(busy)} : {json.dumps(failed)}
  return outputs.map(value => typeof value === 'string' ? value.replace('{{ahead}}', ahead) : value)
}}"""
