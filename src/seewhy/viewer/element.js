// <seewhy-explanation>: wakes up the markup that report/article.py wrote inside it.
//
// Everything that can be read is already there without a script. The element adds what needs one: the map
// drawn live over the picture, pointing at cells, trying on the map of a concept, and pinning it.

import { cellAt, cellBox, placeMap } from "./maths/geometry.js";
import { blendMap } from "./maths/overlay.js";
import { peakOf, unpackMap } from "./maths/packed.js";
import { numberText, topConcepts } from "./maths/rank.js";

/**
 * @typedef {import("./maths/packed.js").GridMap} GridMap
 * @typedef {{limit: number, signed: boolean, anchors: string[], unit: string, words: string, bar: string}} ViewScale
 * @typedef {{scales: {whole: ViewScale | null, concept: ViewScale | null}}} View
 * @typedef {{map: GridMap, scale: ViewScale, words: string}} Layer
 */

const SVG = "http://www.w3.org/2000/svg";
/** A grid finer than this is not drawn: its lines would hide the picture. */
const FINEST_GRID = 64;

export class SeewhyExplanation extends HTMLElement {
  static observedAttributes = ["hidden"];

  /** @type {Promise<void> | null} */
  #waking = null;
  #frame = 0;
  /** @type {number | null} */
  #pinned = null;
  /** @type {number | null} */
  #tried = null;
  /** @type {{row: number, column: number} | null} */
  #cell = null;

  connectedCallback() {
    this.wake();
  }

  attributeChangedCallback() {
    this.wake();
  }

  /** Set up once, as soon as the element is to be seen; many in one page cost nothing until then. */
  wake() {
    if (!this.isConnected || this.hidden || this.#waking) return this.#waking;
    this.#waking = this.#setUp();
    return this.#waking;
  }

  async #setUp() {
    this.answer = JSON.parse(this.#find(".seewhy-answer").textContent ?? "");
    /** @type {View} */
    this.view = JSON.parse(this.#find(".seewhy-view").textContent ?? "");
    this.original = /** @type {[number, number]} */ ([this.answer.image.height, this.answer.image.width]);
    this.concepts = (this.answer.concepts ?? []).map((/** @type {any} */ row) => ({
      name: row.name,
      map: unpackMap(row.map),
      shares: row.shares ? unpackMap(row.shares) : null,
    }));
    const whole = this.answer.map ?? this.answer.where;
    this.whole = whole ? unpackMap(whole) : null;
    await this.#readPicture();
    this.setAttribute("ready", "");
    if (!this.#layer()) return;
    this.#listenToPicture();
    this.#listenToRows();
    this.#listenToControls();
    this.#drawGrid();
    this.#draw();
  }

  /** @param {string} selector @returns {any} */
  #find(selector) {
    return this.querySelector(selector);
  }

  async #readPicture() {
    const image = /** @type {HTMLImageElement} */ (this.#find(".picture"));
    await image.decode();
    this.canvas = document.createElement("canvas");
    this.canvas.className = "canvas";
    this.canvas.width = image.naturalWidth;
    this.canvas.height = image.naturalHeight;
    this.context = /** @type {CanvasRenderingContext2D} */ (
      this.canvas.getContext("2d", { willReadFrequently: true })
    );
    this.context.drawImage(image, 0, 0);
    this.pixels = this.context.getImageData(0, 0, this.canvas.width, this.canvas.height);
    this.drawing = this.context.createImageData(this.canvas.width, this.canvas.height);
    const marks = document.createElementNS(SVG, "svg");
    marks.setAttribute("class", "marks");
    const [height, width] = /** @type {[number, number]} */ (this.original);
    marks.setAttribute("viewBox", `0 0 ${width} ${height}`);
    marks.setAttribute("preserveAspectRatio", "none");
    marks.setAttribute("aria-hidden", "true");
    for (const name of ["grid", "cursor under", "cursor"]) {
      const path = document.createElementNS(SVG, "path");
      path.setAttribute("class", name);
      marks.append(path);
    }
    this.#find(".stage").append(this.canvas, marks);
  }

  /** The layer to show: a concept that is tried on, else the pinned one, else the whole map. @returns {Layer | null} */
  #layer() {
    const index = this.#tried ?? this.#pinned ?? (this.whole ? null : this.concepts?.length ? 0 : null);
    const { whole, concept } = /** @type {View} */ (this.view).scales;
    if (index !== null && this.concepts && concept) {
      const row = this.#row(index);
      return { map: this.concepts[index].map, scale: concept, words: row?.dataset.sentence ?? "" };
    }
    if (!this.whole || !whole) return null;
    return { map: this.whole, scale: whole, words: this.#find(".showing").dataset.whole };
  }

  /** @param {number} index @returns {HTMLElement | null} */
  #row(index) {
    return this.querySelector(`[data-concept="${index}"]`);
  }

  /** Draw in the next frame, once however often it is asked. */
  #draw() {
    if (this.#frame) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      this.#drawNow();
    });
  }

  #drawNow() {
    const layer = this.#layer();
    const { canvas, context, pixels, drawing } = this;
    if (!canvas || !context || !pixels || !drawing) return;
    if (layer) {
      const own = this.#find(".own")?.checked ?? false;
      const scale = own ? { ...layer.scale, limit: peakOf(layer.map) || layer.scale.limit } : layer.scale;
      const size = /** @type {[number, number]} */ ([canvas.height, canvas.width]);
      const placed = placeMap(layer.map, this.answer.geometry, /** @type {any} */ (this.original), size);
      blendMap(pixels.data, placed, canvas.width, scale, this.#opacity(), drawing.data);
      context.putImageData(drawing, 0, 0);
      this.#showScale(scale, own);
      this.#find(".showing").textContent = layer.words;
    }
    this.#showRows();
    this.#showCell();
  }

  #opacity() {
    return Number(this.#find(".opacity").value) / 100;
  }

  /** @param {ViewScale} scale @param {boolean} own */
  #showScale(scale, own) {
    const bar = this.#find(".legend .bar");
    if (bar.getAttribute("src") !== scale.bar) bar.src = scale.bar;
    bar.style.opacity = String(this.#opacity());
    this.#find(".legend .low").textContent = scale.signed ? numberText(-scale.limit) : "0";
    this.#find(".legend .high").textContent = numberText(scale.limit, scale.signed);
    this.#find(".legend .unit").textContent = own ? `${scale.unit} (own scale of this map)` : scale.words;
  }

  #showRows() {
    for (const row of this.querySelectorAll("[data-concept]")) {
      const index = Number(/** @type {HTMLElement} */ (row).dataset.concept);
      row.classList.toggle("tried", index === this.#tried);
      row.classList.toggle("pinned", index === this.#pinned);
      row.querySelector("button")?.setAttribute("aria-pressed", String(index === this.#pinned));
    }
    const reset = this.#find(".reset");
    if (reset) reset.hidden = this.#pinned === null;
  }

  #listenToRows() {
    for (const row of /** @type {NodeListOf<HTMLElement>} */ (this.querySelectorAll("[data-concept]"))) {
      const index = Number(row.dataset.concept);
      const name = /** @type {HTMLElement} */ (row.querySelector(".name span"));
      const button = document.createElement("button");
      button.type = "button";
      button.title = "Show this concept's map, and keep it";
      button.append(...name.childNodes);
      name.append(button);
      row.addEventListener("pointerenter", () => this.#try(index));
      row.addEventListener("pointerleave", () => this.#try(null));
      button.addEventListener("focus", () => this.#try(index));
      button.addEventListener("blur", () => this.#try(null));
      row.addEventListener("click", () => this.#pin(this.#pinned === index ? null : index));
    }
    this.#find(".reset")?.addEventListener("click", () => this.#pin(null));
    this.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.#pin(null);
    });
  }

  /** @param {number | null} index */
  #try(index) {
    this.#tried = index;
    this.#draw();
  }

  /** @param {number | null} index */
  #pin(index) {
    this.#pinned = index;
    if (index === null) this.#tried = null;
    this.#showRows();
    this.#draw();
    const layer = this.#layer();
    this.#say(`${layer?.words ?? ""} ${index === null ? "" : "Pinned."}`);
  }

  #listenToControls() {
    this.#find(".opacity").addEventListener("input", () => {
      this.#find(".opacity-value").textContent = `${this.#find(".opacity").value} %`;
      this.#draw();
    });
    this.#find(".own")?.addEventListener("change", () => this.#draw());
    this.#find(".lines").addEventListener("change", () => this.#drawGrid());
    const [rows, columns] = this.answer.geometry.grid;
    this.#find(".lines").disabled = Math.max(rows, columns) > FINEST_GRID;
  }

  #drawGrid() {
    const { geometry } = this.answer;
    const [rows, columns] = geometry.grid;
    const [left, top, right, bottom] = geometry.seen_box;
    let path = "";
    if (this.#find(".lines").checked) {
      for (let row = 0; row <= rows; row++) {
        const [, y0, , y1] = cellBox(geometry, Math.min(row, rows - 1), 0);
        const y = clamp(row === rows ? y1 : y0, top, bottom);
        path += `M${left} ${y}H${right}`;
      }
      for (let column = 0; column <= columns; column++) {
        const [x0, , x1] = cellBox(geometry, 0, Math.min(column, columns - 1));
        const x = clamp(column === columns ? x1 : x0, left, right);
        path += `M${x} ${top}V${bottom}`;
      }
    }
    this.#find(".marks .grid").setAttribute("d", path);
  }

  #listenToPicture() {
    const stage = /** @type {HTMLElement} */ (this.#find(".stage"));
    const [rows, columns] = this.answer.geometry.grid;
    stage.tabIndex = 0;
    stage.setAttribute("role", "application");
    stage.setAttribute("aria-roledescription", "picture with cells");
    stage.setAttribute(
      "aria-label",
      `${this.#find(".drawn").alt} ${rows} by ${columns} cells; arrow keys read them one by one.`,
    );
    stage.addEventListener("pointermove", (event) => {
      const box = /** @type {HTMLCanvasElement} */ (this.canvas).getBoundingClientRect();
      const [height, width] = /** @type {[number, number]} */ (this.original);
      const x = ((event.clientX - box.left) / box.width) * width;
      const y = ((event.clientY - box.top) / box.height) * height;
      this.#cell = cellAt(this.answer.geometry, x, y);
      this.#showCell(this.#cell === null);
    });
    stage.addEventListener("pointerleave", () => {
      this.#cell = null;
      this.#showCell();
    });
    stage.addEventListener("keydown", (event) => this.#moveCell(event));
  }

  /** @param {KeyboardEvent} event */
  #moveCell(event) {
    /** @type {Record<string, [number, number]>} */
    const ways = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    const way = ways[event.key];
    if (!way) return;
    event.preventDefault();
    const [rows, columns] = this.answer.geometry.grid;
    // A fine grid is crossed in some thirty steps; Shift takes single cells.
    const step = event.shiftKey ? 1 : Math.max(1, Math.round(Math.max(rows, columns) / 32));
    const from = this.#cell;
    this.#cell = from
      ? {
          row: clamp(from.row + way[0] * step, 0, rows - 1),
          column: clamp(from.column + way[1] * step, 0, columns - 1),
        }
      : { row: Math.floor(rows / 2), column: Math.floor(columns / 2) };
    this.#showCell();
    this.#say(this.#find(".here").textContent);
  }

  /** Say what is in the cell under the pointer or the cell cursor. @param {boolean} [unseen] */
  #showCell(unseen = false) {
    const here = /** @type {HTMLElement} */ (this.#find(".here"));
    const cell = this.#cell;
    let path = "";
    if (!cell) {
      here.textContent = unseen ? "The model did not see this part of the picture." : here.dataset.hint ?? "";
    } else {
      const { geometry } = this.answer;
      const [x0, y0, x1, y1] = cellBox(geometry, cell.row, cell.column);
      path = `M${x0} ${y0}H${x1}V${y1}H${x0}Z`;
      here.replaceChildren(...this.#cellWords(cell));
    }
    for (const cursor of this.querySelectorAll(".marks .cursor")) cursor.setAttribute("d", path);
  }

  /** @param {{row: number, column: number}} cell @returns {(Node | string)[]} */
  #cellWords(cell) {
    const layer = this.#layer();
    const columns = this.answer.geometry.grid[1];
    const index = cell.row * columns + cell.column;
    /** @type {(Node | string)[]} */
    const words = [`Row ${cell.row + 1}, column ${cell.column + 1}`];
    if (layer) words.push(": ", strong(numberText(layer.map.values[index], layer.scale.signed)), ` (${layer.scale.unit})`);
    words.push(". ");
    const { by, rows } = topConcepts(this.concepts ?? [], index, 4);
    if (rows.length) words.push(by === "contribution" ? "Most here: " : "Most active here: ");
    rows.forEach((row, i) => {
      const name = document.createElement("bdi");
      name.textContent = row.name;
      words.push(i ? ", " : "", name, " ", strong(numberText(row.value)));
    });
    return words;
  }

  /** @param {string | null} words for a screen reader; pointing with a mouse stays silent */
  #say(words) {
    this.#find(".spoken").textContent = words ?? "";
  }
}

/** @param {string} text */
function strong(text) {
  const element = document.createElement("b");
  element.textContent = text;
  return element;
}

/** @param {number} value @param {number} low @param {number} high */
function clamp(value, low, high) {
  return Math.min(Math.max(value, low), high);
}
