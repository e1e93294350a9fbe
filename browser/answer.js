// Cell -> network input -> prediction: `preprocess.py`, `calibration.py`, `blank.py`, the verdicts of `classifier.py`.

import { rint } from "./numbers.js";
import { BICUBIC, blank, cutOut, resized, thinned } from "./resample.js";

/** What is cut out for a cell: left, top and side of the square, px of the photo; it may reach outside. */
export function framedSquare([x0, y0, x1, y1], field) {
  const reach = field * Math.max(x1 - x0, y1 - y0);
  return [rint((x0 + x1 - reach) / 2), rint((y0 + y1 - reach) / 2), Math.max(1, rint(reach))];
}

/** What the network sees of a cell: a picture of `framing.size` px. */
export function frame(image, box, framing, mostSide) {
  const [left, top, reach] = framedSquare(box, framing.field);
  const step = Math.ceil(reach / mostSide);
  const side = Math.floor(reach / step);
  const square = cutOut(thinned(image, step), Math.floor(left / step), Math.floor(top / step), side, side);
  return resized(square, framing.size, framing.size, { gap: 2 });
}

/** Crops -> the network's input, Float32Array of (N, S, S, 3). */
export function normalised(crops, { mean, std }) {
  const scale = std.map((deviation) => Math.fround(1 / Math.fround(255 * Math.fround(deviation))));
  const shift = mean.map((value, c) => Math.fround(Math.fround(value) / Math.fround(std[c])));
  const length = crops[0].data.length;
  const input = new Float32Array(length * crops.length);
  crops.forEach(({ data }, crop) => {
    for (let i = 0; i < length; i++) input[crop * length + i] = Math.fround(data[i] * scale[i % 3]) - shift[i % 3];
  });
  return input;
}

function softmax(logits, temperature) {
  const scaled = logits.map((logit) => logit / temperature);
  const most = Math.max(...scaled);
  const powers = scaled.map((value) => Math.exp(value - most));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}

/** A row of attributes' logits -> what is seen in the cell: {name: {value, probability, sure}}. */
export function attributesOf(logits, { attributes, joined }, sure) {
  let start = 0;
  const shares = {};
  for (const [name, values] of Object.entries(attributes)) {
    const own = softmax(logits.slice(start, start + values.length), 1);
    start += values.length;
    shares[name] = values.map((value, i) => [value, own[i]]);
  }
  for (const [name, [of, joins]] of Object.entries(joined)) {
    const sum = (some) => shares[of].reduce((all, [value, share]) => all + (some.includes(value) ? share : 0), 0);
    shares[name] = Object.entries(joins).map(([value, some]) => [value, sum(some)]);
  }
  const named = Object.entries(shares).filter(([name]) => name in sure); // what is joined was not before format 6
  return Object.fromEntries(
    named.map(([name, values]) => {
      const [value, probability] = values.reduce((best, one) => (one[1] > best[1] ? one : best));
      return [name, { value, probability, sure: probability >= sure[name] }];
    }),
  );
}

/** What a cell's width, in red cells, says of each type, to be added to its logits. */
function ofWidth(wide, doubtful, { mean, spread, weight }, odd) {
  const said = mean.map((middle, i) => {
    const variance = spread[i] ** 2 + 2 * doubtful ** 2;
    const density = Math.exp(-((Math.log(wide) - middle) ** 2) / (2 * variance)) / Math.sqrt(2 * Math.PI * variance);
    return Math.log(density + odd);
  });
  const most = Math.max(...said);
  return said.map((value) => weight * (value - most));
}

/** A row of logits, of the four types and "none of them", -> the prediction for a cell as `locate` gives it. */
export function predict(given, cell, image, spec, { doubt, odd }, attributes = {}) {
  const { box, score } = cell;
  const { labels, temperature, thresholds, sizes, offsets = [] } = spec; // no offsets before format 7
  const cut = box[0] === 0 || box[1] === 0 || box[2] === image.width || box[3] === image.height;
  const wide = cut ? null : cell.wide;
  const said = sizes && wide !== null ? ofWidth(wide, cell.doubt, sizes, odd) : []; // no sizes before format 6
  const logits = given.map((logit, i) => logit + (said[i] ?? 0) + (offsets[i] ?? 0));
  const shares = softmax(logits.slice(0, labels.length), temperature);
  const all = softmax(logits, temperature);
  const none = all.slice(labels.length).reduce((a, b) => a + b, 0);
  const unfamiliarity = none + doubt * (1 - none - Math.max(...all.slice(0, labels.length)));
  const confidence = Math.max(...shares);
  const stands = confidence >= thresholds.confident && score >= (thresholds.sure_cell ?? 0); // none before format 5
  const sure = stands ? "confident" : "review";
  return {
    label: labels[shares.indexOf(confidence)],
    probabilities: Object.fromEntries(labels.map((label, i) => [label, shares[i]])),
    confidence,
    box,
    verdict: unfamiliarity > thresholds.unfamiliar ? "unfamiliar" : sure,
    cut,
    unfamiliarity,
    reason: null,
    attributes,
    wide,
  };
}

/** The answer where no white cell was found; its reason is one of "black", "even", "grey", or null. */
export function noCell(image, labels, rules) {
  return {
    label: null,
    probabilities: Object.fromEntries(labels.map((label) => [label, 1 / labels.length])),
    confidence: 0,
    box: null,
    verdict: "no_cell",
    cut: false,
    unfamiliarity: 0,
    reason: whyBlank(image, rules),
    attributes: {},
    wide: null,
  };
}

/** What is wrong with a picture in which no cell can be seen, by a sample of its pixels. */
export function whyBlank(image, rules) {
  const [columns, rows] = [image.width, image.height].map((side) => Math.max(1, Math.floor(side / rules.sample)));
  const colours = [[], [], []];
  for (let y = 0; y < image.height; y += rows) {
    for (let x = 0; x < image.width; x += columns) {
      for (let c = 0; c < 3; c++) colours[c].push(image.data[(y * image.width + x) * 3 + c]);
    }
  }
  const middles = colours.map((levels) => percentile(levels, 50));
  const each = (judge) => colours[0].map((_, i) => judge(colours.map((levels) => levels[i])));
  const most = (judge) => percentile(each(judge), rules.most);
  if (most((pixel) => Math.max(...pixel)) < rules.black) return "black";
  if (most((pixel) => Math.max(...pixel.map((level, c) => Math.abs(level - middles[c])))) <= rules.even) return "even";
  return most((pixel) => Math.max(...pixel) - Math.min(...pixel)) <= rules.grey ? "grey" : null;
}

/** What so many percent of the values do not exceed; between two values in proportion. */
function percentile(values, percent) {
  const sorted = Float64Array.from(values).sort();
  const place = ((sorted.length - 1) * percent) / 100;
  const low = Math.floor(place);
  const [below, above] = [sorted[low], sorted[Math.min(low + 1, sorted.length - 1)]];
  return below + (above - below) * (place - low);
}

/** Class map of a cell, (h, w, kinds), -> where what speaks for its type lies in the photo: a picture of 0-1. */
export function heatOver(image, box, map, [high, wide, kinds], chosen, labels, framing) {
  const heat = blank(wide, high, 1, Float32Array);
  for (let i = 0; i < heat.data.length; i++) {
    let others = 0;
    for (let label = 0; label < labels.length; label++) if (label !== chosen) others += map[i * kinds + label];
    heat.data[i] = Math.max(0, map[i * kinds + chosen] - others / (labels.length - 1));
  }
  const most = Math.max(1e-6, ...heat.data);
  for (let i = 0; i < heat.data.length; i++) heat.data[i] /= most;
  const over = blank(image.width, image.height, 1, Float32Array);
  const [left, top, side] = framedSquare(box, framing.field);
  const [x0, y0] = [Math.max(0, left), Math.max(0, top)];
  const [x1, y1] = [Math.min(image.width, left + side), Math.min(image.height, top + side)];
  if (x0 >= x1 || y0 >= y1) return over;
  const part = [x0 - left, y0 - top, x1 - left, y1 - top].map((edge) => (edge * wide) / side);
  const seen = resized(heat, x1 - x0, y1 - y0, { kind: BICUBIC, box: part });
  for (let y = y0; y < y1; y++) {
    for (let x = x0; x < x1; x++) {
      over.data[y * image.width + x] = Math.min(1, Math.max(0, seen.data[(y - y0) * seen.width + x - x0]));
    }
  }
  return over;
}
