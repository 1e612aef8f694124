"use strict";

// The page is whole without this script; here it gets search, pointing, keys, zoom and a choice of colours.

const facts = JSON.parse(document.getElementById("facts").textContent);
const picture = document.querySelector(".picture");
const details = document.getElementById("details");
const search = document.getElementById("search");
const blocks = [...picture.querySelectorAll(".block[data-kind]")];
const rows = [...document.querySelectorAll("tr[data-find]")];
const HINT = "Point at a rectangle, and here stands what it is.";

let chosen = null;

// A block is told by what it is and its place in that list, which is also how a row of a table names it.
function sameThing(element, block) {
  return element.dataset[block.dataset.kind] === block.dataset[block.dataset.kind];
}

// details

function show(block) {
  const list = document.createElement("dl");
  for (const [name, value] of facts[block.dataset.kind][block.dataset[block.dataset.kind]]) {
    const pair = document.createElement("div");
    const term = pair.appendChild(document.createElement("dt"));
    const held = pair.appendChild(document.createElement("dd")).appendChild(document.createElement("bdi"));
    term.textContent = name;
    held.textContent = value;
    list.append(pair);
  }
  details.replaceChildren(list);
}

function showChosen() {
  if (chosen) {
    show(chosen);
    return;
  }
  const hint = document.createElement("p");
  hint.textContent = HINT;
  details.replaceChildren(hint);
}

function choose(block, focus = true) {
  for (const element of document.querySelectorAll(".chosen")) element.classList.remove("chosen");
  chosen = block;
  if (block) {
    for (const each of blocks) each.tabIndex = -1;
    block.tabIndex = 0;
    block.classList.add("chosen");
    for (const row of rows) if (sameThing(row, block)) row.classList.add("chosen");
    if (focus) block.focus();
  }
  showChosen();
}

// keys

function middle(block) {
  const box = block.getBBox();
  return [box.x + box.width / 2, box.y + box.height / 2];
}

const FAR = 1e5; // more than any picture is wide
const DIRECTIONS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

// The nearest block in a direction. Sideways that is the next in time; up and down those of the same time come first.
// So every block can be reached.
function nearest(from, [dx, dy]) {
  const [x, y] = middle(from);
  let best = null;
  let least = Infinity;
  for (const block of blocks) {
    const [otherX, otherY] = middle(block);
    const along = (otherX - x) * dx + (otherY - y) * dy;
    const aside = Math.abs((otherX - x) * dy) + Math.abs((otherY - y) * dx);
    if (block === from || along <= 0) continue;
    const far = dx ? FAR * along + aside : aside === 0 ? along : FAR + along + 2 * aside;
    if (far < least) {
      best = block;
      least = far;
    }
  }
  return best;
}

picture.addEventListener("keydown", (event) => {
  const direction = DIRECTIONS[event.key];
  const from = event.target.closest(".block[data-kind]");
  if (!direction || !from || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  const next = nearest(from, direction);
  if (next) choose(next);
});

document.addEventListener("keydown", (event) => {
  if (event.key === "/" && event.target !== search && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    search.focus();
  } else if (event.key === "Escape") {
    search.value = "";
    find();
    choose(null);
  }
});

// pointing

for (const block of blocks) {
  block.tabIndex = -1;
  block.setAttribute("role", "img");
  block.addEventListener("pointerenter", () => show(block));
  block.addEventListener("pointerleave", showChosen);
  block.addEventListener("click", () => choose(block));
  block.addEventListener("focus", () => block !== chosen && choose(block, false));
}
const first = blocks.find((block) => block.dataset.kind === "buffer") || blocks[0];
if (first) first.tabIndex = 0;

for (const row of rows) {
  if (row.dataset.buffer === undefined) continue;
  row.addEventListener("click", () => {
    choose(blocks.find((block) => sameThing(row, block)));
    picture.scrollIntoView({ block: "nearest" });
  });
}

// search

function find() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const matches = (text) => words.every((word) => text.toLowerCase().includes(word));
  let count = 0;
  picture.classList.toggle("searching", words.length > 0);
  for (const block of blocks) {
    const match = matches(block.firstElementChild.textContent);
    block.classList.toggle("match", match);
    if (match && block.dataset.kind === "buffer") count += 1;
  }
  for (const row of rows) row.hidden = !matches(row.dataset.find);
  for (const each of document.querySelectorAll("details")) {
    const found = each.querySelector("tr[data-find]:not([hidden])") !== null;
    each.hidden = !found;
    if (words.length) each.open = found;
  }
  document.getElementById("found").value = words.length ? `${count} of ${facts.buffer.length} buffers` : "";
}

search.addEventListener("input", find);

// zoom

let zoom = 1;

function zoomTo(factor) {
  const before = zoom;
  zoom = Math.min(Math.max(factor, 1), 16);
  const drawing = picture.querySelector("svg");
  const centre = picture.scrollLeft + picture.clientWidth / 2;
  drawing.style.width = `${100 * zoom}%`;
  picture.scrollLeft = (centre * zoom) / before - picture.clientWidth / 2;
}

document.getElementById("larger").addEventListener("click", () => zoomTo(zoom * 1.5));
document.getElementById("smaller").addEventListener("click", () => zoomTo(zoom / 1.5));
document.getElementById("fit").addEventListener("click", () => zoomTo(1));

// colours: the system's, light, or dark

const THEMES = ["system", "light", "dark"];
const theme = document.getElementById("theme");

function setTheme(name) {
  theme.textContent = `Theme: ${name}`;
  theme.dataset.now = name;
  if (name === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
}

theme.addEventListener("click", () => setTheme(THEMES[(THEMES.indexOf(theme.dataset.now) + 1) % THEMES.length]));
setTheme("system");

// the report as a file

document.getElementById("save").addEventListener("click", () => {
  const link = document.createElement("a");
  const report = JSON.parse(document.getElementById("report").textContent);
  link.href = `data:application/json,${encodeURIComponent(JSON.stringify(report, null, 2))}`;
  link.download = `${facts.name}.json`;
  link.click();
});

for (const element of document.querySelectorAll("#save, #theme, .toolbar, #details")) element.hidden = false;
showChosen();
