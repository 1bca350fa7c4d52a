// Maps as they travel in JSON: base64 of little-endian float16, and a scale in float32.

/**
 * @typedef {{dtype: string, scale: number, shape: [number, number], base64: string}} Packed
 * @typedef {{values: Float32Array, rows: number, columns: number}} GridMap
 */

/**
 * Unpack a map of `to_dict`.
 * @param {Packed} packed
 * @returns {GridMap} values row by row
 */
export function unpackMap(packed) {
  if (packed.dtype !== "float16") throw new Error(`Maps are float16, not ${packed.dtype}.`);
  const bytes = atob(packed.base64);
  const [rows, columns] = packed.shape;
  const scale = Math.fround(packed.scale);
  const values = new Float32Array(rows * columns);
  for (let i = 0; i < values.length; i++) {
    values[i] = halfToNumber(bytes.charCodeAt(2 * i) | (bytes.charCodeAt(2 * i + 1) << 8)) * scale;
  }
  return { values, rows, columns };
}

/**
 * The number behind the 16 bits of a half-precision float (IEEE 754 binary16).
 * @param {number} bits
 */
export function halfToNumber(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/**
 * Largest absolute value of a map.
 * @param {GridMap} map
 */
export function peakOf(map) {
  let peak = 0;
  for (const value of map.values) peak = Math.max(peak, Math.abs(value));
  return peak;
}
