// Which concepts count in a cell, and how numbers are written.

/**
 * @typedef {import("./packed.js").GridMap} GridMap
 * @typedef {{name: string, map: GridMap, shares: GridMap | null}} Concept
 */

/**
 * The concepts with the largest absolute value in a cell: their contribution there if every concept tells it
 * by place, else their activation.
 * @param {Concept[]} concepts
 * @param {number} cell index row by row
 * @param {number} k
 * @returns {{by: "contribution" | "activation", rows: {name: string, value: number}[]}}
 */
export function topConcepts(concepts, cell, k) {
  const placed = concepts.length > 0 && concepts.every((concept) => concept.shares);
  const rows = concepts.map((concept) => ({
    name: concept.name,
    value: (placed && concept.shares ? concept.shares : concept.map).values[cell],
  }));
  rows.sort((a, b) => Math.abs(b.value) - Math.abs(a.value));
  return { by: placed ? "contribution" : "activation", rows: rows.filter((row) => row.value !== 0).slice(0, k) };
}

/**
 * A number in three digits with its sign: +0.123, −4.2e−5, 0.
 * @param {number} value
 * @param {boolean} [sign]
 */
export function numberText(value, sign = true) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  const digits = size < 1e-4 || size >= 1e6 ? size.toExponential(2).replace("e+", "e") : size.toPrecision(3);
  return (value < 0 ? "−" : sign ? "+" : "") + digits.replace("-", "−");
}
