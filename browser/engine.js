// The worker that answers: it proves its model, then turns files into predictions. Nothing leaves it but messages.

import * as ort from "./runtime/ort.wasm.bundle.min.mjs";
import { attributesOf, frame, heatOver, noCell, normalised, predict } from "./answer.js";
import { decode, PictureError } from "./decode.js";
import { locate } from "./locate.js";
import { blank, cutOut, resized, shrunk } from "./resample.js";
import { rint } from "./numbers.js";

let page; // page.json: what Python's rules are, and the hashes of the model's files
let spec; // classifier.json
let model;
let locator;
let proven = false;
let photo; // the last one that was scanned for its own sake

async function fetched(name) {
  const answer = await fetch(new URL(name, import.meta.url));
  if (!answer.ok) throw new Error(`${name}: ${answer.status}`);
  return new Uint8Array(await answer.arrayBuffer());
}

async function sha256(bytes) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** A file of the model, if its hash is the one that was written down when the page was made. */
async function provenFile(name) {
  const bytes = await fetched(`model/${name}`);
  if ((await sha256(bytes)) !== page.model.files[name]) throw new Error(`${name} is damaged: its SHA-256 differs`);
  return bytes;
}

const parsed = (bytes) => JSON.parse(new TextDecoder().decode(bytes));

/** Load and prove the model. Gives {name, graph, worst}: the largest difference from the golden picture's answer. */
async function start() {
  page = parsed(await fetched("page.json"));
  // A page that is not isolated from others has no shared memory, and so no threads.
  ort.env.wasm.numThreads = self.crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency) : 1;
  ort.env.logLevel = "error";
  // The small graph opens the runtime while the large one is still on its way.
  const opened = async (name, before) => {
    const [graph] = await Promise.all([provenFile(name), before]);
    return ort.InferenceSession.create(graph, { executionProviders: ["wasm"] });
  };
  const finder = opened("locator.onnx");
  const parts = [
    finder,
    opened("model.onnx", finder),
    ...["classifier.json", "golden.png", "golden.json"].map(provenFile),
  ];
  const [small, large, settings, picture, golden] = await Promise.all(parts);
  [locator, model, spec] = [small, large, parsed(settings)];
  const { predictions } = await scanned(await decode(picture, page.limits));
  const expected = parsed(golden);
  const found = predictions[0] ?? noCell(blank(1, 1, 3), spec.labels, page.blank);
  const differences = spec.labels.map((name) => Math.abs(found.probabilities[name] - expected.probabilities[name]));
  const worst = Math.max(...differences);
  const moved = expected.box.some((edge, i) => Math.abs(edge - (found.box?.[i] ?? -9)) > 1);
  if (!(worst <= page.model.tolerance) || moved) {
    throw new Error(`the golden picture's probabilities are off by ${worst.toPrecision(2)}`);
  }
  proven = true;
  return { name: spec.name, graph: spec.files["model.onnx"], worst };
}

async function runLocator(pixels, rows, columns) {
  const { cells } = await locator.run({ photo: new ort.Tensor("uint8", pixels, [1, rows, columns, 3]) });
  return cells.data;
}

async function runModel(crops, outputs) {
  const { size } = spec.framing;
  const input = new ort.Tensor("float32", normalised(crops, spec.normalisation), [crops.length, size, size, 3]);
  return model.run({ image: input }, outputs);
}

const crop = (image, box) => frame(image, box, spec.framing, page.most_side);

async function scanned(image) {
  const cells = await locate(image, runLocator, spec.thresholds.cell, page.locate);
  const predictions = [];
  for (let from = 0; from < cells.length; from += page.batch) {
    const batch = cells.slice(from, from + page.batch);
    const seeing = Object.keys(spec.attributes).length > 0;
    const outputs = seeing ? ["logits", "attributes"] : ["logits"];
    const given = await runModel(
      batch.map(({ box }) => crop(image, box)),
      outputs,
    );
    const row = ({ data, dims }, i) => Array.from(data.subarray(i * dims[1], (i + 1) * dims[1]));
    batch.forEach((cell, i) => {
      const seen = seeing ? attributesOf(row(given.attributes, i), page, spec.attributes) : {};
      predictions.push(predict(row(given.logits, i), cell, image, spec, page, seen));
    });
  }
  const none = predictions.length ? null : noCell(image, spec.labels, page.blank);
  return { predictions, none };
}

/** The square around a cell, moved into the picture where that has room. */
function around(image, [x0, y0, x1, y1], side) {
  const { width, height } = image;
  const room = Math.max(1, rint(Math.max(x1 - x0, y1 - y0) * (1 + 2 * page.crop_room)));
  const square = Math.min(room, width, height);
  const left = Math.min(Math.max(0, Math.floor((x0 + x1 - square) / 2)), width - square);
  const top = Math.min(Math.max(0, Math.floor((y0 + y1 - square) / 2)), height - square);
  return resized(cutOut(image, left, top, square, square), side, side, { gap: 3 });
}

/** RGB -> what a canvas takes. */
function shown({ width, height, data }) {
  const rgba = new Uint8ClampedArray(width * height * 4).fill(255);
  for (let from = 0, to = 0; from < data.length; to++) {
    rgba[to++] = data[from++];
    rgba[to++] = data[from++];
    rgba[to++] = data[from++];
  }
  return new ImageData(rgba, width, height);
}

/** Heat laid over a picture of the same size: the hotter, the more opaque, from dark violet to yellow. */
function heated(image, heat) {
  const out = blank(image.width, image.height, 3);
  const steps = page.heat.length - 1;
  heat.data.forEach((value, i) => {
    const warm = Math.min(1, Math.max(0, value));
    const low = Math.min(steps - 1, Math.floor(warm * steps));
    for (let c = 0; c < 3; c++) {
      const [cold, hot] = [page.heat[low][c], page.heat[low + 1][c]];
      const colour = cold + (hot - cold) * (warm * steps - low);
      out.data[3 * i + c] = Math.floor(image.data[3 * i + c] * (1 - 0.75 * warm) + colour * 0.75 * warm + 0.5);
    }
  });
  return out;
}

const calls = {
  start,

  /** Every white cell of a file. `keep`: the photo is to be shown, and asked about by `enlarge`. */
  async scan(bytes, { keep = false, thumbnails = 0 } = {}) {
    if (!proven) throw new Error("the model is not proven");
    const began = performance.now();
    const image = await decode(bytes, page.limits);
    const answer = await scanned(image);
    const took = performance.now() - began;
    if (keep) photo = { image, ...answer };
    return {
      ...answer,
      took,
      width: image.width,
      height: image.height,
      sha256: await sha256(bytes),
      picture: keep ? shown(shrunk(image, page.shown_side)) : null,
      thumbnails: thumbnails ? answer.predictions.map(({ box }) => shown(around(image, box, thumbnails))) : [],
    };
  },

  /** A cell of the kept photo, enlarged; with where the model looked, if that is asked for. */
  async enlarge(index, withHeat) {
    const { image, predictions } = photo;
    const { box, label } = predictions[index];
    const picture = around(image, box, page.crop_side);
    if (!withHeat) return shown(picture);
    const { class_map: map } = await runModel([crop(image, box)], ["class_map"]);
    const chosen = spec.labels.indexOf(label);
    const over = heatOver(image, box, map.data, map.dims.slice(1), chosen, spec.labels, spec.framing);
    return shown(heated(picture, around(over, box, page.crop_side)));
  },
};

async function reply({ data: { id, call, given } }) {
  try {
    postMessage({ id, result: await calls[call](...given) });
  } catch (error) {
    const refused = error instanceof PictureError;
    postMessage({ id, error: refused ? { reason: error.reason, values: error.values } : { failed: String(error) } });
  }
}

let last = Promise.resolve(); // one call after the other: a session runs once at a time
self.onmessage = (message) => {
  last = last.then(() => reply(message));
};
