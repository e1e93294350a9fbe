// Exact limits of a share that was counted (Clopper and Pearson 1934): `leukoscope/counting/limits.py`.

const HALVINGS = 100;
const MOST_STEPS = 100_000;
const TINY = 1e-300;
const kept = new Map();

/** (low, high), shares of 0-1, at a level of 95 %; nothing counted gives [0, 1]. */
export function clopperPearson(count, total) {
  const key = `${count}/${total}`;
  if (!kept.has(key)) {
    const tail = (1 - 0.95) / 2;
    const low = count ? betaQuantile(tail, count, total - count + 1) : 0;
    const high = count < total ? 1 - betaQuantile(tail, total - count, count + 1) : 1;
    kept.set(key, [low, high]);
  }
  return kept.get(key);
}

function betaQuantile(area, a, b) {
  let [low, high] = [0, 1];
  for (let halving = 0; halving < HALVINGS; halving++) {
    const middle = (low + high) / 2;
    if (middle === low || middle === high) break;
    if (betaArea(middle, a, b) < area) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** The regularised incomplete beta function by its continued fraction (DLMF 8.17.22), for whole a and b. */
function betaArea(x, a, b) {
  if (x > (a + 1) / (a + b + 2)) return 1 - betaArea(1 - x, b, a);
  const logarithm =
    logFactorial(a + b - 1) - logFactorial(a - 1) - logFactorial(b - 1) + a * Math.log(x) + b * Math.log1p(-x);
  let [value, upper, lower] = [1, 1, 0];
  for (let step = 1; step < MOST_STEPS; step++) {
    const m = Math.floor(step / 2);
    const term =
      step % 2
        ? (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1))
        : (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    lower = 1 / (1 + term * lower || TINY);
    upper = 1 + term / upper || TINY;
    value *= upper * lower;
    if (Math.abs(upper * lower - 1) < 1e-15) break;
  }
  return Math.exp(logarithm) / (a * value);
}

/** ln n!: the product itself while it is exact, then Stirling's series. */
function logFactorial(n) {
  if (n < 19) {
    let product = 1;
    for (let factor = 2; factor <= n; factor++) product *= factor;
    return Math.log(product);
  }
  const series = 1 / (12 * n) - 1 / (360 * n ** 3) + 1 / (1260 * n ** 5) - 1 / (1680 * n ** 7);
  return (n + 0.5) * Math.log(n) - n + Math.log(2 * Math.PI) / 2 + series;
}
