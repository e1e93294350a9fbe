// The differential as table and bar chart: `leukoscope/charts.py`, whose HTML is staged empty and filled here.

import { find, make, staged } from "./dom.js";
import { fixed, grouped } from "./numbers.js";
import { say, words } from "./texts.js";

const limits = (row) => `${fixed(row.low, 1)}–${fixed(row.high, 1)}`;

export function showTable(place, differential) {
  staged(place, words("count.table"));
  for (const row of differential.rows()) {
    const line = find(`tr[data-type="${row.type}"]`, place);
    const [count, share, adults] = line.querySelectorAll("td");
    count.textContent = grouped(row.count);
    if (!row.total) continue;
    find("strong", share).textContent = `${fixed(row.percent, 1)} %`;
    find("small", share).textContent = `${limits(row)} %`;
    find("small", adults).dataset.flag = row.flag;
    find("small", adults).textContent = words("count.flags")[row.flag];
  }
  find("tfoot td", place).textContent = grouped(differential.counted);
}

export function showChart(place, differential) {
  staged(place, words("count.chart"));
  const rows = differential.rows();
  if (!differential.counted) return;
  for (const row of rows) {
    find(`.lk-row[data-type="${row.type}"] > div`, place).append(
      make("span", { class: "lk-share", style: { width: `${row.percent}%` } }),
      make("span", { class: "lk-limits", style: { left: `${row.low}%`, width: `${row.high - row.low}%` } }),
    );
  }
  find("[role=img]", place).setAttribute("aria-label", chartText(rows));
}

/** The chart in words, for those who do not see it. */
export function chartText(rows) {
  const parts = rows.map((row) =>
    say("count.chart_part", { type: words("types")[row.type].name, share: fixed(row.percent, 1), limits: limits(row) }),
  );
  return say("count.chart_text", { parts: parts.join(", ") });
}
