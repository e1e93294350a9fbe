// Pillow's resizing, to the bit: what the networks see must be what they see in Python.
//
// A picture is {width, height, channels, data}: Uint8ClampedArray or Float32Array, row by row, channels together.

import { rint } from "./numbers.js";

const BITS = 22; // of the fixed-point weights of 8-bit pictures
const triangle = (x) => Math.max(0, 1 - Math.abs(x));
const cubic = (x) => {
  const [a, d] = [-0.5, Math.abs(x)];
  if (d < 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  return d < 2 ? (((d - 5) * d + 8) * d - 4) * a : 0;
};
export const BILINEAR = { weigh: triangle, support: 1 };
export const BICUBIC = { weigh: cubic, support: 2 };

/** A picture of nothing but zeros. */
export function blank(width, height, channels, Kind = Uint8ClampedArray) {
  return { width, height, channels, data: new Kind(width * height * channels) };
}

/** Each `fx` times `fy` pixels become their mean; at the right and below, the mean of what is there. */
export function reduced(image, fx, fy = fx) {
  const { width, height, channels, data } = image;
  if (fx === 1 && fy === 1) return image;
  const out = blank(Math.ceil(width / fx), Math.ceil(height / fy), channels);
  const rounded = data instanceof Uint8ClampedArray;
  if (!rounded) out.data = new Float32Array(out.data.length);
  const sums = rounded ? new Uint32Array(out.width * channels) : new Float64Array(out.width * channels);
  for (let y = 0, to = 0; y < out.height; y++) {
    const bottom = Math.min((y + 1) * fy, height);
    sums.fill(0);
    for (let row = y * fy; row < bottom; row++) {
      for (let x = 0, from = row * width * channels, sum = 0; x < out.width; x++, sum += channels) {
        for (let column = Math.min(fx, width - x * fx); column > 0; column--) {
          for (let c = 0; c < channels; c++) sums[sum + c] += data[from++];
        }
      }
    }
    for (let x = 0, sum = 0; x < out.width; x++) {
      const area = Math.min(fx, width - x * fx) * (bottom - y * fy);
      const [half, factor] = [area >> 1, Math.trunc(Math.fround(2 ** 32 / (area * 256)))];
      for (let c = 0; c < channels; c++) {
        const total = sums[sum++];
        out.data[to++] = rounded ? Math.imul(total + half, factor) >>> 24 : total / area;
      }
    }
  }
  return out;
}

/** For each place of a line: where its neighbours begin, and their weights, which sum to 1. */
function weights(size, start, end, outSize, { weigh, support }) {
  const scale = Math.fround(end - start) / outSize;
  const wide = Math.max(scale, 1);
  const places = [];
  for (let place = 0; place < outSize; place++) {
    const centre = start + (place + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - support * wide + 0.5));
    const last = Math.min(size, Math.trunc(centre + support * wide + 0.5));
    const factors = [];
    let sum = 0;
    for (let at = first; at < last; at++) {
      factors.push(weigh((at - centre + 0.5) * (1 / wide)));
      sum += factors.at(-1);
    }
    places.push({ first, factors: factors.map((factor) => (sum === 0 ? factor : factor / sum)) });
  }
  return places;
}

const fixedPoint = (factor) => Math.trunc(factor * 2 ** BITS + (factor < 0 ? -0.5 : 0.5));

/** One pass along a picture's lines: `step` lies between neighbours, `across` between lines, in the data. */
function pass(image, out, places, lines, [fromStep, fromAcross], [toStep, toAcross]) {
  const rounded = image.data instanceof Uint8ClampedArray;
  const { channels } = image;
  for (let place = 0; place < places.length; place++) {
    const { first, factors } = places[place];
    const scaled = rounded ? factors.map(fixedPoint) : factors;
    for (let line = 0; line < lines; line++) {
      for (let c = 0; c < channels; c++) {
        let from = line * fromAcross + first * fromStep + c;
        let sum = rounded ? 2 ** (BITS - 1) : 0;
        for (let at = 0; at < scaled.length; at++, from += fromStep) sum += image.data[from] * scaled[at];
        out.data[line * toAcross + place * toStep + c] = rounded ? Math.floor(sum / 2 ** BITS) : sum;
      }
    }
  }
}

/** A part of a picture, [x0, y0, x1, y1], in another size; every pixel has its share in what it falls on. */
function stretched(image, width, height, [x0, y0, x1, y1], kind) {
  const { channels, data } = image;
  const rows = blank(width, image.height, channels, data.constructor);
  const across = weights(image.width, x0, x1, width, kind);
  pass(image, rows, across, image.height, [channels, image.width * channels], [channels, width * channels]);
  const out = blank(width, height, channels, data.constructor);
  const down = weights(image.height, y0, y1, height, kind);
  pass(rows, out, down, width, [width * channels, channels], [width * channels, channels]);
  return out;
}

/** A picture in another size; one that is far larger is reduced first by a whole factor, as `reducing_gap` says. */
export function resized(image, width, height, { gap = 0, kind = BILINEAR, box = null } = {}) {
  let part = (box ?? [0, 0, image.width, image.height]).map(Math.fround);
  if (!box && image.width === width && image.height === height) return image;
  if (gap) {
    const fx = Math.trunc(image.width / width / gap) || 1;
    const fy = Math.trunc(image.height / height / gap) || 1;
    image = reduced(image, fx, fy);
    part = [0, 0, part[2] / fx, part[3] / fy].map(Math.fround);
  }
  return stretched(image, width, height, part, kind);
}

/** The square of a picture that begins at left, top; what lies outside is 0. */
export function cutOut(image, left, top, width, height) {
  const out = blank(width, height, image.channels, image.data.constructor);
  const [x0, x1] = [Math.max(0, left), Math.min(image.width, left + width)];
  if (x0 >= x1) return out;
  for (let y = Math.max(0, top); y < Math.min(image.height, top + height); y++) {
    const from = (y * image.width + x0) * image.channels;
    const row = image.data.subarray(from, from + (x1 - x0) * image.channels);
    out.data.set(row, ((y - top) * width + x0 - left) * image.channels);
  }
  return out;
}

/** Every so many rows and columns of a picture. */
export function thinned(image, step) {
  if (step === 1) return image;
  const { channels } = image;
  const out = blank(Math.ceil(image.width / step), Math.ceil(image.height / step), channels, image.data.constructor);
  for (let y = 0, to = 0; y < out.height; y++) {
    for (let x = 0; x < out.width; x++) {
      const from = (y * image.width + x) * step * channels;
      for (let c = 0; c < channels; c++) out.data[to++] = image.data[from + c];
    }
  }
  return out;
}

/** A picture whose longer side is at most so long. */
export function shrunk(image, longest) {
  const scale = longest / Math.max(image.width, image.height);
  if (scale >= 1) return image;
  const [width, height] = [image.width, image.height].map((side) => Math.max(1, rint(scale * side)));
  return resized(image, width, height, { gap: 3 });
}
