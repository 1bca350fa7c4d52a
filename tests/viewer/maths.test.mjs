// Run by test_viewer_maths.py, which writes the vectors: `node --test` on the modules without a document.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { pathToFileURL } from "node:url";

const { cases } = JSON.parse(readFileSync(process.env.SEEWHY_VECTORS, "utf8"));
const load = (name) => import(pathToFileURL(join(process.env.SEEWHY_VIEWER, "maths", name)).href);
const { unpackMap, halfToNumber, peakOf } = await load("packed.js");
const { placeMap, cellAt, cellBox } = await load("geometry.js");
const { blendMap } = await load("overlay.js");
const { topConcepts, numberText } = await load("rank.js");

/** Largest difference, where null stands for NaN on both sides. */
function gap(found, wanted) {
  assert.equal(found.length, wanted.length);
  let most = 0;
  wanted.forEach((value, i) => {
    assert.equal(Number.isNaN(found[i]), value === null, `index ${i}`);
    if (value !== null) most = Math.max(most, Math.abs(found[i] - value));
  });
  return most;
}

test("packed maps unpack to the same numbers", () => {
  for (const { packed, values } of cases) {
    const map = unpackMap(packed);
    assert.deepEqual([map.rows, map.columns], packed.shape);
    assert.equal(gap(map.values, values), 0);
    assert.equal(peakOf(map), Math.max(...values.map(Math.abs)));
  }
});

test("half floats follow IEEE 754, subnormal and special ones too", () => {
  const known = [[0x3c00, 1], [0xc000, -2], [0x7bff, 65504], [0x0001, 2 ** -24], [0x03ff, 1023 * 2 ** -24], [0x0400, 2 ** -14]];
  for (const [bits, value] of known) assert.equal(halfToNumber(bits), value);
  assert.equal(halfToNumber(0x7c00), Infinity);
  assert.ok(Number.isNaN(halfToNumber(0x7e00)));
});

test("another packing is refused by name", () => {
  assert.throws(() => unpackMap({ dtype: "uint8", scale: 1, shape: [1, 1], base64: "AA==" }), /float16, not uint8/);
});

test("maps are placed on the picture as in Python", () => {
  for (const { packed, geometry, original, size, placed } of cases) {
    const found = placeMap(unpackMap(packed), geometry, original, size);
    assert.ok(gap(found, placed) < 1e-6);
  }
});

test("overlays have Python's pixels within 2 of 255", () => {
  for (const { packed, geometry, original, size, picture, blends } of cases) {
    const rgba = new Uint8ClampedArray((picture.length / 3) * 4).fill(255);
    picture.forEach((value, i) => (rgba[4 * Math.floor(i / 3) + (i % 3)] = value));
    const placed = placeMap(unpackMap(packed), geometry, original, size);
    for (const { scale, opacity, drawn } of blends) {
      const out = new Uint8ClampedArray(rgba.length);
      blendMap(rgba, placed, size[1], scale, opacity, out);
      const rgb = Array.from(out).filter((_, i) => i % 4 !== 3);
      assert.ok(gap(rgb, drawn) <= 2);
      assert.ok(out.every((value, i) => i % 4 !== 3 || value === 255));
    }
  }
});

test("points fall into the cell whose box holds them", () => {
  let inside = 0;
  for (const { geometry, cells, boxes } of cases) {
    for (const { x, y, cell } of cells) {
      assert.deepEqual(cellAt(geometry, x, y), cell);
      inside += cell ? 1 : 0;
    }
    for (const { row, column, box } of boxes) assert.ok(gap(cellBox(geometry, row, column), box) < 1e-9);
  }
  assert.ok(inside > 30);
});

test("concepts are ranked by contribution where all tell it by place, else by activation", () => {
  const map = (...values) => ({ values: Float32Array.from(values), rows: 1, columns: values.length });
  const concepts = [
    { name: "weak", map: map(0, 9), shares: map(0, 0.1) },
    { name: "against", map: map(0, 1), shares: map(0, -3) },
    { name: "silent", map: map(0, 0), shares: map(0, 0) },
  ];
  assert.deepEqual(topConcepts(concepts, 1, 5).rows.map((row) => row.name), ["against", "weak"]);
  assert.equal(topConcepts(concepts, 1, 5).by, "contribution");
  concepts[0].shares = null;
  assert.deepEqual(topConcepts(concepts, 1, 1), { by: "activation", rows: [{ name: "weak", value: 9 }] });
  assert.deepEqual(topConcepts([], 0, 3), { by: "activation", rows: [] });
});

test("numbers have three digits and a true sign", () => {
  const known = [[0, "0"], [1.23456, "+1.23"], [-0.05, "−0.0500"], [-4.2e-7, "−4.20e−7"], [3e8, "+3.00e8"]];
  for (const [value, words] of known) assert.equal(numberText(value), words);
  assert.equal(numberText(1.5, false), "1.50");
});
