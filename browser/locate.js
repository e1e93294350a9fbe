// Photo -> its white cells: `leukoscope/smear/locate.py` in the browser. All numbers of it are given as `rules`.

import { rint } from "./numbers.js";
import { reduced } from "./resample.js";

const ascending = (a, b) => a - b;

/**
 * Find the white cells of a photo.
 *
 * image: {width, height, channels: 3, data: Uint8ClampedArray}. run: (Uint8Array, height, width) -> the locator's map,
 * Float32Array of (height / 8, width / 8, 7), or 5 by a network that says nothing of red cells. threshold: score from
 * which something is a white cell. Gives [{box: [x0, y0, x1, y1], score, wide, doubt}], the most prominent first: `wide`
 * is a cell's width in red cells, null if nothing is said of them, `doubt` by how much that may be wrong.
 */
export async function locate(image, run, threshold, rules) {
  const { width, height } = image;
  let step = Math.max(1, rint(Math.max(width, height) / rules.copy_side));
  let found = [];
  let widest = Infinity;
  for (;;) {
    const seen = (await onCopy(reduced(image, step), run, threshold, rules)).filter((one) => side(one.box) < widest);
    const finer = Math.floor(step / 2);
    const last = !finer || Math.floor(height / finer) * Math.floor(width / finer) > rules.most_pixels;
    const small = (one) => side(one.box) < rules.small_cell;
    for (const one of seen.filter((one) => last || !small(one))) {
      found.push({ ...one, box: one.box.map((edge) => edge * step) });
    }
    if (last || (found.length && !seen.some(small))) break;
    widest = (rules.measured * rules.small_cell * step) / finer;
    step = finer;
  }
  found = oneEach(found, rules.one_cell);
  const limits = [width, height, width, height];
  const cells = found.map((one) => ({ ...one, box: one.box.map((edge, i) => clamp(rint(edge), 0, limits[i])) }));
  const surest = Math.max(0, ...cells.map((cell) => cell.score));
  const meant = ({ box, score }) => covers(box, width / 2, height / 2) && score >= rules.as_sure * surest;
  return cells.sort((a, b) => meant(b) - meant(a) || area(b.box) * b.score - area(a.box) * a.score);
}

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const side = ([x0, y0, x1, y1]) => Math.max(x1 - x0, y1 - y0);
const area = ([x0, y0, x1, y1]) => (x1 - x0) * (y1 - y0);
const covers = ([x0, y0, x1, y1], x, y) => x0 <= x && x < x1 && y0 <= y && y < y1;

/** Boxes and scores on a copy of the photo, px of the copy. */
async function onCopy(copy, run, threshold, rules) {
  const { width, height, data } = copy;
  const [rows, columns] = [height, width].map((length) => Math.ceil(length / rules.multiple) * rules.multiple);
  const filled = new Uint8Array(rows * columns * 3).fill(rules.fill);
  for (let y = 0; y < height; y++) filled.set(data.subarray(y * width * 3, (y + 1) * width * 3), y * columns * 3);
  const map = await run(filled, rows, columns);
  const [high, wide] = [rows / rules.stride, columns / rules.stride];
  const told = map.length / (high * wide);
  const logit = (y, x) => (y < 0 || x < 0 || y >= high || x >= wide ? -Infinity : map[(y * wide + x) * told]);
  const limits = [0, 0, width, height];
  const most = [width, height, width, height];
  const found = [];
  for (let y = 0; y < high; y++) {
    for (let x = 0; x < wide; x++) {
      const value = logit(y, x);
      const score = Math.fround(1 / (1 + Math.exp(-clamp(value, -rules.large, rules.large))));
      if (!(score >= Math.fround(threshold)) || !isHighest(logit, y, x)) continue;
      const at = (y * wide + x) * told;
      const [left, top, right, bottom] = [1, 2, 3, 4].map((i) =>
        Math.fround(Math.fround(Math.exp(clamp(map[at + i], -rules.large, rules.large))) * rules.side_unit),
      );
      const [middle, centre] = [(x + 0.5) * rules.stride, (y + 0.5) * rules.stride];
      const box = [middle - left, centre - top, middle + right, centre + bottom].map((edge, i) =>
        clamp(Math.abs(edge - limits[i]) <= rules.at_edge ? limits[i] : edge, 0, most[i]),
      );
      if (Math.min(box[2] - box[0], box[3] - box[1]) >= 2) found.push({ box, score });
    }
  }
  const [down, across] = [height, width].map((length) => Math.ceil(length / rules.stride));
  const red = told > 5 ? redCells(map, wide, told, down, across, rules) : null;
  return oneEach(found, rules.one_cell).map((one) => ({
    ...one,
    wide: red && Math.sqrt(area(one.box)) / red.width,
    doubt: red ? red.doubt : 0,
  }));
}

/** How wide red cells are, px of the copy, and how doubtful that is, from what is said of them at each place of it. */
function redCells(map, wide, told, rows, columns, rules) {
  let [weights, width, doubt] = [0, 0, 0];
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) {
      const at = (y * wide + x) * told + 5;
      const [length, doubtful] = [map[at], map[at + 1]].map((value) => clamp(value, -rules.most_red, rules.most_red));
      const weight = Math.exp(-2 * doubtful);
      weights += weight;
      width += weight * length;
      doubt += weight * doubtful;
    }
  }
  const [mean, doubtful] = [width / weights, doubt / weights];
  if (!Number.isFinite(mean + doubtful)) return null;
  return { width: Math.exp(mean) * rules.side_unit, doubt: Math.exp(doubtful) };
}

function isHighest(logit, y, x) {
  for (let i = -1; i <= 1; i++) for (let j = -1; j <= 1; j++) if (logit(y + i, x + j) > logit(y, x)) return false;
  return true;
}

/** What was found less what mostly shares another's cell whose score is higher. */
function oneEach(found, oneCell) {
  const kept = [];
  let left = [...found].sort((a, b) => b.score - a.score);
  while (left.length) {
    const [best, ...others] = left;
    kept.push(best);
    left = others.filter((other) => shared(best.box, other.box) < oneCell);
  }
  return kept;
}

/** What share of the smaller of two boxes lies in the other. */
function shared(a, b) {
  const wide = Math.max(0, Math.min(a[2], b[2]) - Math.max(a[0], b[0]));
  const high = Math.max(0, Math.min(a[3], b[3]) - Math.max(a[1], b[1]));
  return (wide * high) / Math.max([area(a), area(b)].sort(ascending)[0], 1e-9);
}
