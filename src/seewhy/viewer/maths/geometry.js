// From the original picture to the model's input and its grid; the same arithmetic as images/geometry.py.
// Coordinates are continuous: pixel i covers [i, i + 1).

/**
 * @typedef {import("./packed.js").GridMap} GridMap
 * @typedef {{
 *   matrix: [[number, number, number], [number, number, number]],
 *   model_size: [number, number],
 *   seen_box: [number, number, number, number],
 *   grid: [number, number],
 * }} Geometry sizes are [height, width], boxes [x0, y0, x1, y1] in pixels of the original picture
 */

/**
 * Lay a map on the picture, bilinearly; NaN where the model saw nothing.
 * @param {GridMap} map
 * @param {Geometry} geometry
 * @param {[number, number]} original height and width of the picture
 * @param {[number, number]} size height and width to draw at
 * @returns {Float32Array} row by row
 */
export function placeMap(map, geometry, original, size) {
  const [[sx, , tx], [, sy, ty]] = geometry.matrix;
  const [height, width] = size;
  const down = samples(sy, ty, original[0], height, geometry.model_size[0], map.rows);
  const across = samples(sx, tx, original[1], width, geometry.model_size[1], map.columns);
  const placed = new Float32Array(height * width);
  // Each row of the picture blends two rows of the grid once, then its pixels blend two columns.
  const blend = new Float64Array(map.columns);
  for (let y = 0; y < height; y++) {
    const above = down.low[y] * map.columns;
    const below = down.high[y] * map.columns;
    const part = down.part[y];
    for (let j = 0; j < map.columns; j++) {
      blend[j] = (1 - part) * map.values[above + j] + part * map.values[below + j];
    }
    for (let x = 0; x < width; x++) {
      const right = across.part[x];
      const seen = down.seen[y] && across.seen[x];
      placed[y * width + x] = seen
        ? (1 - right) * blend[across.low[x]] + right * blend[across.high[x]]
        : NaN;
    }
  }
  return placed;
}

/**
 * Where the pixel centres of one axis fall among the centres of the cells.
 * @param {number} scale @param {number} shift @param {number} original pixels of the picture
 * @param {number} drawn pixels drawn @param {number} extent pixels of the input @param {number} n cells
 */
function samples(scale, shift, original, drawn, extent, n) {
  const low = new Int32Array(drawn);
  const high = new Int32Array(drawn);
  const part = new Float64Array(drawn);
  const seen = new Uint8Array(drawn);
  for (let i = 0; i < drawn; i++) {
    const at = scale * ((i + 0.5) * (original / drawn)) + shift;
    const position = Math.min(Math.max((at / extent) * n - 0.5, 0), n - 1);
    low[i] = Math.min(Math.floor(position), Math.max(n - 2, 0));
    high[i] = Math.min(low[i] + 1, n - 1);
    part[i] = position - low[i];
    seen[i] = at >= 0 && at <= extent ? 1 : 0;
  }
  return { low, high, part, seen };
}

/**
 * The cell under a point of the original picture, or null where the model saw nothing.
 * @param {Geometry} geometry
 * @param {number} x @param {number} y
 * @returns {{row: number, column: number} | null}
 */
export function cellAt(geometry, x, y) {
  const [[sx, , tx], [, sy, ty]] = geometry.matrix;
  const [rows, columns] = geometry.grid;
  const down = (sy * y + ty) / geometry.model_size[0];
  const across = (sx * x + tx) / geometry.model_size[1];
  if (!(down >= 0 && down <= 1 && across >= 0 && across <= 1)) return null;
  return {
    row: Math.min(Math.floor(down * rows), rows - 1),
    column: Math.min(Math.floor(across * columns), columns - 1),
  };
}

/**
 * The box of a cell in pixels of the original picture, ordered, not clipped.
 * @param {Geometry} geometry
 * @param {number} row @param {number} column
 * @returns {[number, number, number, number]} x0, y0, x1, y1
 */
export function cellBox(geometry, row, column) {
  const [[sx, , tx], [, sy, ty]] = geometry.matrix;
  const cellHeight = geometry.model_size[0] / geometry.grid[0];
  const cellWidth = geometry.model_size[1] / geometry.grid[1];
  const xs = [(column * cellWidth - tx) / sx, ((column + 1) * cellWidth - tx) / sx].sort((a, b) => a - b);
  const ys = [(row * cellHeight - ty) / sy, ((row + 1) * cellHeight - ty) / sy].sort((a, b) => a - b);
  return [xs[0], ys[0], xs[1], ys[1]];
}
