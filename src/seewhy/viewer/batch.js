// Many answers in one page: a strip of thumbnails, of which one answer is shown. The address keeps the choice.

/** Show one answer of the page and hide the others; does nothing on a page with a single one. */
export function startBatch() {
  const links = /** @type {NodeListOf<HTMLAnchorElement>} */ (document.querySelectorAll(".strip a"));
  if (!links.length) return;
  const wanted = () => [...links].find((link) => link.hash === location.hash) ?? links[0];
  for (const link of links) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      // Inside a notebook's frame the address may not be changed; the choice then lives as long as the page.
      try {
        history.replaceState(null, "", link.hash);
      } catch {}
      showAnswer(link, links);
    });
  }
  addEventListener("hashchange", () => showAnswer(wanted(), links));
  showAnswer(wanted(), links);
}

/** @param {HTMLAnchorElement} chosen @param {Iterable<HTMLAnchorElement>} links */
function showAnswer(chosen, links) {
  for (const link of links) {
    const answer = document.getElementById(link.hash.slice(1));
    if (answer) answer.hidden = link !== chosen;
    if (link === chosen) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
}
