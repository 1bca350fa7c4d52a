"""Who can look at it? The browser element `<seewhy-explanation>`: native modules and styles, no build step.

The files are JavaScript and CSS. A page inlines them (`report.inline`); a server may serve them as they are,
with `main.js` as the entry. `maths/` touches no document and runs in Node.
"""
