// The differential as table and bar chart: `leukoscope/showing/charts.py`, whose HTML is staged and filled here.

import { find, make, staged } from "./dom.js";
import { fixed, grouped } from "./numbers.js";
import { fill, words } from "./texts.js";

const form = (differential) => (differential.settled ? "settled" : "open");
const percents = (low, high) => `${fixed(low, 1)}–${fixed(high, 1)} %`;

export function showTable(place, differential) {
  const { settled, counted, undecided } = differential;
  staged(place, words("count.table")[form(differential)]);
  for (const row of differential.rows()) {
    const line = find(`tr[data-type="${row.type}"]`, place);
    const [count, share, adults] = line.querySelectorAll("td");
    count.textContent = grouped(row.count);
    if (!settled) find("strong", share).textContent = percents(row.least, row.most);
    if (!settled || !row.total) continue;
    find("strong", share).textContent = `${fixed(row.percent, 1)} %`;
    find("small", share).textContent = percents(row.low, row.high);
    find("small", adults).dataset.flag = row.flag;
    find("small", adults).textContent = words("count.flags")[row.flag];
  }
  const sums = [...place.querySelectorAll("tfoot tr")].map((line) => find("td", line));
  for (const [i, sum] of [counted, undecided].entries()) sums[i].textContent = grouped(sum);
}

export function showChart(place, differential) {
  const { settled, counted } = differential;
  staged(place, words("count.chart")[form(differential)]);
  if (settled && !counted) return;
  const rows = differential.rows();
  for (const row of rows) {
    const [bar, from, to] = settled ? [row.percent, row.low, row.high] : [row.least, row.least, row.most];
    const [width, left, length] = [bar, from, to - from].map((value) => `${fixed(value, 2)}%`);
    const track = find(`.lk-row[data-type="${row.type}"] > div`, place);
    track.replaceChildren(
      find(".lk-range", track),
      make("span", { class: "lk-share", style: { width } }),
      make("span", { class: "lk-limits", style: { left, width: length } }),
    );
  }
  find("[role=img]", place).setAttribute("aria-label", chartText(rows, form(differential)));
}

/** The chart in words, for those who do not see it. */
function chartText(rows, form) {
  const parts = rows.map((row) => {
    const shares = { share: row.percent, low: row.low, high: row.high, least: row.least, most: row.most };
    const values = Object.fromEntries(Object.entries(shares).map(([name, value]) => [name, fixed(value, 1)]));
    return fill(words("count.chart_part")[form], { type: words("types")[row.type].name, ...values });
  });
  return fill(words("count.chart_text")[form], { parts: parts.join(", ") });
}
