// Small helpers: elements, and numbers as they are read.

const page = JSON.parse(document.getElementById("page-data").textContent);
const byId = (name) => document.getElementById(name);
const UNKNOWN = "–";

/** Make an element; texts among the children stay texts. */
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** Make an SVG element. */
function drawing(tag, attributes, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.textContent = text;
  return made;
}

/** A share in percent with two decimals. */
function percent(part, whole) {
  return whole > 0 ? `${((100 * part) / whole).toFixed(2)} %` : UNKNOWN;
}

/** Write a share into an element, and the counts behind it into its tooltip. */
function showShare(target, part, whole, what) {
  target.textContent = percent(part, whole);
  target.title = `${part.toLocaleString("en")} of ${whole.toLocaleString("en")} ${what}`;
}

/** Fill a select with options; values are their places. */
function fillOptions(select, texts) {
  select.replaceChildren(...texts.map((text, index) => element("option", { value: index }, text)));
}
