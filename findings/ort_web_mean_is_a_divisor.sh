#!/usr/bin/env bash
# In the browser, norm.mean of a picture's tensor is not subtracted: it divides, after the bias was added.
#
# Most would guess: Tensor.fromImage(image, {norm: {mean, bias}}) gives (pixel - mean) / something, as every recipe for
# photographs has a mean to subtract and a deviation to divide by.
# What happens: it gives (pixel + bias) / mean, for each channel. With the usual means of red, green and blue as `mean` and
# no deviations to be found, pixels run from 0 to 2 and more instead of from -2 to 3, and no option is refused.
# To have (pixel - m) / s, say mean = s and bias = -m.
# Why it matters: a classifier that runs on the visitor's own machine gets its pictures by this call. Its answers are
# likely ones, only wrong: the network is shown a bright, flat smear. Python's runtime has no such call to compare with.
#
# seen with onnxruntime-web 1.30.0 on Node 20.20.2, on 27 November 2026. Node has no canvas: the two classes that stand in
# for one hand on the pixels as they are.
set -euo pipefail

room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
cd "$room"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts onnxruntime-web@1.30.0
cat > look.mjs <<'JAVASCRIPT'
globalThis.ImageData = class {
  constructor(data, width, height) { Object.assign(this, { data, width, height }); }
};
globalThis.OffscreenCanvas = class {
  getContext() {
    return { putImageData: (image) => { this.image = image; }, getImageData: () => this.image };
  }
};
const { Tensor, env } = await import("onnxruntime-web");
console.log("onnxruntime-web", env.versions.web, "node", process.version);
const purple = [90, 40, 140];
const photo = new ImageData(new Uint8ClampedArray([...purple, 255]), 1, 1);
const ask = async (norm) => Array.from((await Tensor.fromImage(photo, { norm })).data);
const near = (seen, expected) => seen.every((value, i) => Math.abs(value - expected[i]) < 1e-4);
const mean = [123.675, 116.28, 103.53], deviation = [58.395, 57.12, 57.375];

const guessed = await ask({ mean, bias: [0, 0, 0] });
console.log("norm.mean = the means:", guessed.map((value) => value.toFixed(3)).join(" "));
const right = await ask({ mean: deviation, bias: mean.map((value) => -value) });
console.log("norm.mean = the deviations, norm.bias = less the means:", right.map((value) => value.toFixed(3)).join(" "));
const held = near(guessed, purple.map((value, i) => value / mean[i]))
  && near(right, purple.map((value, i) => (value - mean[i]) / deviation[i]));
process.exit(held ? 0 : 1);
JAVASCRIPT
node look.mjs
