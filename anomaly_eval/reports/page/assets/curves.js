// ROC and precision-recall curves, the legends that toggle methods, and the dots of the chosen thresholds.

// Colours that colour-blind readers can tell apart (Okabe and Ito); from the eighth method on they return dashed.
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"];
const BOX = { left: 52, top: 10, right: 440, bottom: 316 };
const LEAST_RATE = 1e-5;
const TICKS = [0, 0.2, 0.4, 0.6, 0.8, 1];
const LOGARITHMIC_TICKS = [1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1];

const colourOf = (method) => COLOURS[method % COLOURS.length];
const dashesOf = (method) => ["none", "7 3", "2 3"][Math.floor(method / COLOURS.length) % 3];
const isLogarithmic = () => byId("logarithmic").checked;

function rateShare(rate) {
  if (!isLogarithmic()) return rate;
  return 1 - Math.log10(Math.max(rate, LEAST_RATE)) / Math.log10(LEAST_RATE);
}

const across = (share) => BOX.left + share * (BOX.right - BOX.left);
const upwards = (share) => BOX.bottom - share * (BOX.bottom - BOX.top);

function drawAxes(target, horizontal, vertical, ticks, shareOf) {
  for (const tick of ticks) {
    const x = across(shareOf(tick));
    target.append(drawing("line", { x1: x, x2: x, y1: BOX.top, y2: BOX.bottom, class: "grid" }));
    const text = tick !== 0 && tick < 0.01 ? `${tick * 100}`.replace("0.001", "10⁻³") : `${Math.round(tick * 100)}`;
    target.append(drawing("text", { x, y: BOX.bottom + 16, "text-anchor": "middle" }, text));
  }
  for (const tick of TICKS) {
    const y = upwards(tick);
    target.append(drawing("line", { x1: BOX.left, x2: BOX.right, y1: y, y2: y, class: "grid" }));
    target.append(drawing("text", { x: BOX.left - 7, y: y + 4, "text-anchor": "end" }, `${Math.round(tick * 100)}`));
  }
  const middle = { x: (BOX.left + BOX.right) / 2, y: (BOX.top + BOX.bottom) / 2 };
  target.append(drawing("text", { x: middle.x, y: BOX.bottom + 36, "text-anchor": "middle" }, horizontal));
  const turned = { x: 14, y: middle.y, "text-anchor": "middle", transform: `rotate(-90 14 ${middle.y})` };
  target.append(drawing("text", turned, vertical));
}

/** Points of the ROC curve; straight between thresholds. */
function rocPoints({ tpr, fpr }) {
  const points = [[across(rateShare(0)), upwards(0)]];
  tpr.forEach((rate, index) => points.push([across(rateShare(fpr[index])), upwards(rate)]));
  points.push([across(1), upwards(1)]);
  return points;
}

/** Points of the precision-recall curve; stepwise, as average precision sums it up. */
function precisionPoints({ tpr, precision }) {
  const points = [];
  let recall = 0;
  precision.forEach((rate, index) => {
    points.push([across(recall), upwards(rate)], [across(tpr[index]), upwards(rate)]);
    recall = tpr[index];
  });
  return points;
}

function drawChart(target, points) {
  currentDataset().methods.forEach((own, index) => {
    if (!own.curve || state.hidden.has(own.method)) return;
    const path = points(own.curve).map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" ");
    const look = { stroke: colourOf(own.method), "stroke-dasharray": dashesOf(own.method) };
    const line = drawing("polyline", { points: path, class: index === state.method ? "curve chosen" : "curve", ...look });
    line.append(drawing("title", {}, methodName(own)));
    target.append(line);
  });
}

function drawDots(target, placeOf) {
  target.querySelectorAll(".dot").forEach((dot) => dot.remove());
  if (!currentDataset().samples.length) return;
  currentDataset().methods.forEach((own, index) => {
    if (!own.levels || state.hidden.has(own.method) || own.levels.anomalies[0] === 0) return;
    const place = placeOf(own.levels, state.positions[state.dataset][index]);
    if (place.some(Number.isNaN)) return;
    const chosen = index === state.method;
    const look = { class: chosen ? "dot chosen" : "dot", fill: colourOf(own.method), r: chosen ? 6 : 3.5 };
    target.append(drawing("circle", { cx: place[0].toFixed(2), cy: place[1].toFixed(2), ...look }));
  });
}

function drawAllDots() {
  drawDots(byId("roc"), ({ anomalies, inliers }, at) => [
    across(rateShare(inliers[at] / inliers[0])),
    upwards(anomalies[at] / anomalies[0]),
  ]);
  drawDots(byId("pr"), ({ anomalies, inliers }, at) => [
    across(anomalies[at] / anomalies[0]),
    upwards(anomalies[at] / (anomalies[at] + inliers[at])),
  ]);
}

function drawCurves() {
  for (const name of ["roc", "pr"]) byId(name).replaceChildren();
  const ticks = isLogarithmic() ? LOGARITHMIC_TICKS : TICKS;
  drawAxes(byId("roc"), "false-positive rate, %", "true-positive rate, %", ticks, rateShare);
  drawAxes(byId("pr"), "recall, %", "precision, %", TICKS, (tick) => tick);
  drawChart(byId("roc"), rocPoints);
  drawChart(byId("pr"), precisionPoints);
  drawAllDots();
}

function drawLegends() {
  for (const legend of document.querySelectorAll(".legend")) {
    legend.replaceChildren(
      ...currentDataset().methods.map((own) => {
        const line = drawing("svg", { viewBox: "0 0 22 6", width: 22, height: 6, "aria-hidden": "true" });
        const look = { stroke: colourOf(own.method), "stroke-dasharray": dashesOf(own.method) };
        line.append(drawing("line", { x1: 0, x2: 22, y1: 3, y2: 3, "stroke-width": 3, ...look }));
        const shown = !state.hidden.has(own.method);
        const chip = element("button", { type: "button", class: "chip", "aria-pressed": shown }, line, methodName(own));
        chip.dataset.method = own.method;
        return chip;
      }),
    );
  }
}

function startCurves() {
  for (const select of document.querySelectorAll("select.dataset")) {
    fillOptions(select, page.datasets.map((dataset) => dataset.title));
    select.addEventListener("change", () => chooseDataset(Number(select.value)));
  }
  for (const legend of document.querySelectorAll(".legend")) {
    legend.addEventListener("click", (event) => {
      const chip = event.target.closest(".chip");
      if (!chip) return;
      const place = [...legend.children].indexOf(chip);
      toggleMethod(Number(chip.dataset.method));
      legend.children[place].focus();
    });
  }
  byId("logarithmic").addEventListener("change", drawCurves);
  byId("curve-hint").hidden = !page.datasets.some((dataset) => dataset.samples.length);
  listeners.push((changed) => {
    if (changed.some((name) => ["dataset", "method", "hidden"].includes(name))) drawCurves();
    else if (changed.includes("positions")) drawAllDots();
    if (changed.some((name) => ["dataset", "hidden"].includes(name))) drawLegends();
    document.querySelectorAll("select.dataset").forEach((select) => (select.value = state.dataset));
  });
}
