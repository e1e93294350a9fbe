// Numbers as Python rounds and writes them, so that both give the same boxes, tables and files.

/** The nearest whole number; halves go to the even one. */
export function rint(value) {
  const low = Math.floor(value);
  const over = value - low;
  if (over !== 0.5) return over < 0.5 ? low : low + 1;
  return low % 2 === 0 ? low : low + 1;
}

/** With so many decimals: "6.2" of 6.25, where `toFixed` would say "6.3". */
export function fixed(value, digits) {
  const halves = value * 2 ** (digits + 1); // odd where the value lies exactly between two of so many decimals
  const even = Math.abs(halves % 2) === 1 ? rint(value * 10 ** digits) / 10 ** digits : value;
  return even.toFixed(digits);
}

/** With two significant digits and no zeros at the end: "3", "2.9", "0.33". */
export function twoDigits(value) {
  return String(Number(value.toPrecision(2)));
}

/** The shortest text that is read back as the same number: "0.0", "1e-05". */
export function repr(value) {
  const [digits, exponent] = value.toExponential().split("e");
  if (value !== 0 && Number(exponent) < -4) {
    return `${digits}e-${exponent.slice(1).padStart(2, "0")}`;
  }
  const text = String(value);
  return /[.e]/.test(text) ? text : `${text}.0`;
}

/** A whole number with commas between thousands. */
export function grouped(count) {
  return count.toLocaleString("en-GB");
}
