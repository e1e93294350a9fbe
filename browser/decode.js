// The bytes of a file -> an upright RGB picture: `leukoscope/pictures/images.py`, with the browser's own decoders.
//
// Orientation is applied by the browser. What is refused is refused in the same order and for the same reasons.

import { blank } from "./resample.js";

const PROFILE_MOVES = 2; // levels; a profile that moves no pixel further is sRGB by another name

/** A file that is no picture that can be read; `reason` is a key of the texts, `values` stand in them. */
export class PictureError extends Error {
  constructor(reason, values = {}) {
    super(reason);
    Object.assign(this, { reason, values });
  }
}

/** Uint8Array -> {width, height, channels: 3, data}; throws a PictureError. `limits` are those of Python. */
export async function decode(bytes, limits) {
  if (!bytes.length) throw new PictureError("empty");
  if (bytes.length > limits.max_bytes) throw new PictureError("too_many_bytes");
  const kind = kindOf(bytes, limits.foreign);
  const promised = kind.size?.(bytes);
  if (promised) checkSize(promised, limits);
  if (kind.whole && !kind.whole(bytes)) throw new PictureError("damaged");
  const blob = new Blob([bytes]);
  const plain = await bitmap(blob, "none", kind);
  checkSize(plain, limits);
  const image = pixels(plain);
  if (!kind.profiled?.(bytes)) return image;
  const managed = pixels(await bitmap(blob, "default", kind));
  const moved = image.data.some((level, i) => Math.abs(level - managed.data[i]) > PROFILE_MOVES);
  return moved ? managed : image;
}

async function bitmap(blob, colorSpaceConversion, kind) {
  try {
    return await createImageBitmap(blob, { colorSpaceConversion });
  } catch {
    if (kind.name) throw new PictureError(kind.rare ? "not_here" : "damaged", { kind: kind.name });
    throw new PictureError("unknown");
  }
}

function checkSize({ width, height }, limits) {
  const values = { width, height };
  if (width * height > limits.max_pixels) throw new PictureError("too_large", values);
  if (Math.min(width, height) < limits.min_side) throw new PictureError("too_small", values);
}

/** The pixels of a bitmap, laid on white. */
function pixels(source) {
  const { width, height } = source;
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  context.drawImage(source, 0, 0);
  source.close();
  const { data } = context.getImageData(0, 0, width, height);
  const image = blank(width, height, 3);
  for (let from = 0, to = 0; from < data.length; from += 4) {
    image.data[to++] = data[from];
    image.data[to++] = data[from + 1];
    image.data[to++] = data[from + 2];
  }
  return image;
}

const text = (bytes, from, length) => String.fromCharCode(...bytes.subarray(from, from + length));
const begins = (bytes, hex) => hex.match(/../g).every((pair, i) => bytes[i] === parseInt(pair, 16));

/** What a file is, by its first bytes. `rare`: read by few browsers. Throws for kinds that nobody reads. */
function kindOf(bytes, foreign) {
  if (text(bytes, 128, 4) === "DICM") throw new PictureError("not_here", { kind: "DICOM" }); // Python reads it
  const strange = foreign.find(([start]) => begins(bytes, start))?.[1];
  if (strange) throw new PictureError("foreign", { kind: strange });
  if (begins(bytes, "ffd8")) return { name: "JPEG", size: jpegSize, whole: jpegWhole, profiled: jpegProfiled };
  if (begins(bytes, "89504e470d0a1a0a")) return { name: "PNG", size: pngSize, whole: pngWhole, profiled: pngProfiled };
  if (/^GIF8[79]a/.test(text(bytes, 0, 6))) return { name: "GIF", size: (b) => sized(view(b), 6, 8, "getUint16") };
  if (text(bytes, 0, 2) === "BM") return { name: "BMP", size: bmpSize };
  if (text(bytes, 0, 4) === "RIFF" && text(bytes, 8, 4) === "WEBP") {
    return { name: "WebP", profiled: (b) => text(b, 12, 4) === "VP8X" && (b[20] & 0x20) > 0 };
  }
  if (/^II\*\0|^MM\0\*|^II\+\0|^MM\0\+/.test(text(bytes, 0, 4))) return { name: "TIFF", rare: true };
  if (text(bytes, 4, 4) === "ftyp") {
    const still = /avif|avis/.test(text(bytes, 8, Math.min(256, view(bytes).getUint32(0)) - 8));
    return still ? { name: "AVIF" } : { name: "HEIC", rare: true };
  }
  if (begins(bytes, "0000000c6a502020") || begins(bytes, "ff4fff51")) return { name: "JPEG 2000", rare: true };
  return {};
}

const view = (bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

function sized(data, x, y, read) {
  if (data.byteLength < Math.max(x, y) + 4) return null;
  return { width: data[read](x, true), height: data[read](y, true) };
}

function bmpSize(bytes) {
  const size = sized(view(bytes), 18, 22, "getInt32");
  return size && view(bytes).getUint32(14, true) >= 40 ? { width: size.width, height: Math.abs(size.height) } : null;
}

function pngSize(bytes) {
  if (bytes.length < 24 || text(bytes, 12, 4) !== "IHDR") throw new PictureError("unknown");
  return { width: view(bytes).getUint32(16), height: view(bytes).getUint32(20) };
}

/** The chunks of a PNG, as far as they are there: [name, first byte after the chunk]. */
function* pngChunks(bytes) {
  const data = view(bytes);
  for (let place = 8; place + 8 <= bytes.length; ) {
    const end = place + 12 + data.getUint32(place);
    yield [text(bytes, place + 4, 4), end];
    place = end;
  }
}

function pngWhole(bytes) {
  let end = 0;
  for (const [name, after] of pngChunks(bytes)) if (name === "IDAT") end = after;
  return end > 0 && end <= bytes.length;
}

function pngProfiled(bytes) {
  for (const [name] of pngChunks(bytes)) if (name === "iCCP") return true;
  return false;
}

/** The segments of a JPEG before its picture: [marker, where its content begins, where it ends]. */
function* jpegSegments(bytes) {
  for (let place = 2; place + 4 <= bytes.length; ) {
    if (bytes[place] !== 0xff || bytes[place + 1] === 0xff) {
      place += 1;
      continue;
    }
    const marker = bytes[place + 1];
    const end = place + 2 + view(bytes).getUint16(place + 2);
    yield [marker, place + 4, end];
    if (marker === 0xda) return;
    place = end;
  }
}

const isFrame = (marker) => marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);

function jpegSize(bytes) {
  for (const [marker, from] of jpegSegments(bytes)) {
    if (isFrame(marker) && from + 5 <= bytes.length) {
      return { width: view(bytes).getUint16(from + 3), height: view(bytes).getUint16(from + 1) };
    }
  }
  throw new PictureError("unknown");
}

/** Whether a JPEG's picture comes to its end; browsers show the half of one that was cut. */
function jpegWhole(bytes) {
  for (let place = bytes.length - 2; place > 0; place--) {
    if (bytes[place] === 0xff && bytes[place + 1] === 0xd9) return true;
    if (bytes[place] === 0xff && bytes[place + 1] === 0xda) return false;
  }
  return false;
}

function jpegProfiled(bytes) {
  for (const [marker, from] of jpegSegments(bytes)) {
    if (marker === 0xe2 && text(bytes, from, 11) === "ICC_PROFILE") return true;
  }
  return false;
}
