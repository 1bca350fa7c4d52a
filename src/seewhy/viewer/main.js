// The entry: hide what is not chosen first, then wake the elements that are left.

import { startBatch } from "./batch.js";
import { SeewhyExplanation } from "./element.js";

startBatch();
customElements.define("seewhy-explanation", SeewhyExplanation);
