// A placed map over the pixels of its picture; the same arithmetic as visualise/overlay.py and colours.py.

/**
 * @typedef {{limit: number, signed: boolean, anchors: string[]}} Scale
 *   `limit` is the value of the full colour; colours go from -limit (signed) or 0 to limit.
 */

/**
 * Hex colours as a flat table of RGB, 0 to 255.
 * @param {string[]} anchors
 */
export function colourTable(anchors) {
  const table = new Float64Array(anchors.length * 3);
  anchors.forEach((code, i) => {
    for (let c = 0; c < 3; c++) table[3 * i + c] = parseInt(code.slice(1 + 2 * c, 3 + 2 * c), 16);
  });
  return table;
}

/**
 * Blend a map over a picture: alpha = opacity * sqrt(strength). Unseen pixels are dimmed and hatched.
 * @param {Uint8ClampedArray} picture RGBA, opaque
 * @param {Float32Array} placed one value per pixel, NaN where unseen
 * @param {number} width
 * @param {Scale} scale
 * @param {number} opacity 0 to 1
 * @param {Uint8ClampedArray} out RGBA, written
 */
export function blendMap(picture, placed, width, scale, opacity, out) {
  const table = colourTable(scale.anchors);
  const last = table.length / 3 - 1;
  const height = placed.length / width;
  const stroke = Math.max(1, Math.floor(Math.max(height, width) / 320 + 0.5));
  const low = scale.signed ? -scale.limit : 0;
  for (let i = 0, p = 0; i < placed.length; i++, p += 4) {
    const value = placed[i];
    out[p + 3] = 255;
    if (Number.isNaN(value)) {
      const line = ((i % width) + Math.floor(i / width)) % (6 * stroke) < stroke;
      for (let c = 0; c < 3; c++) {
        const own = picture[p + c];
        out[p + c] = Math.floor((line ? 0.6 * own + 0.4 * 220 : 0.55 * own + 0.45 * 125) + 0.5);
      }
      continue;
    }
    const size = scale.signed ? Math.abs(value) : Math.max(value, 0);
    const alpha = opacity * Math.sqrt(Math.min(size / scale.limit, 1));
    const share = Math.min(Math.max((value - low) / (scale.limit - low), 0), 1) * last;
    const from = Math.min(Math.floor(share), last - 1);
    const part = share - from;
    for (let c = 0; c < 3; c++) {
      const start = table[3 * from + c];
      const colour = start + part * (table[3 * from + 3 + c] - start);
      out[p + c] = Math.floor((1 - alpha) * picture[p + c] + alpha * colour + 0.5);
    }
  }
}
