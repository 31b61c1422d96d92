// The controls above the images.

const SWATCHES = {
  scores: [["labelled anomaly", "white"], ["at or above the threshold", `rgb(${MASK_COLOUR.join(" ")})`], ["void", `rgb(${VOID_COLOUR.join(" ")})`]],
  outcome: [
    ["anomaly found", `rgb(${OUTCOMES.hit.join(" ")})`],
    ["anomaly missed", `rgb(${OUTCOMES.miss.join(" ")})`],
    ["false alarm", `rgb(${OUTCOMES.alarm.join(" ")})`],
    ["void", `rgb(${VOID_COLOUR.join(" ")})`],
  ],
};

/** Offer the methods of the dataset. */
function fillMethods() {
  fillOptions(byId("method"), currentDataset().methods.map(methodName));
}

/** Show what is chosen, and the rates of the chosen method. */
function showControls(pictures) {
  const own = currentMethod();
  const position = state.positions[state.dataset][state.method];
  const map = pictures?.maps[state.method];
  const slider = byId("threshold");
  byId("method").value = state.method;
  byId("threshold-method").textContent = methodName(own);
  byId("direction").textContent = state.worstFirst ? "worst first" : "best first";
  byId("direction").disabled = !state.sort;
  byId("mask").disabled = state.view !== "scores";
  slider.disabled = !own.levels;
  const swatches = SWATCHES[state.view].map(([text, colour]) => {
    const square = element("span", { class: "swatch", "aria-hidden": "true" });
    square.style.background = colour;
    return element("span", {}, square, ` ${text} `);
  });
  byId("key").replaceChildren(...swatches);
  if (!own.levels) return;
  slider.max = own.levels.thresholds.length - 1;
  slider.value = position;
  slider.style.setProperty("--scale", scaleGradient(own.levels.thresholds.length));
  slider.setAttribute("aria-valuetext", own.levels.thresholds[position]);
  byId("threshold-value").textContent = own.levels.thresholds[position];
  for (const [kind, counts] of [["image", map], ["pool", own.levels]]) showAllRates(kind, counts, position);
}

function showAllRates(kind, counts, position) {
  if (!counts) {
    for (const name of ["tpr", "fpr", "precision", "f1"]) byId(`${kind}-${name}`).textContent = UNKNOWN;
    return;
  }
  const [found, alarms] = [counts.anomalies[position], counts.inliers[position]];
  const [anomalies, inliers] = [counts.anomalies[0], counts.inliers[0]];
  showShare(byId(`${kind}-tpr`), found, anomalies, "anomaly pixels");
  showShare(byId(`${kind}-fpr`), alarms, inliers, "inlier pixels");
  showShare(byId(`${kind}-precision`), found, found + alarms, "pixels at or above the threshold");
  byId(`${kind}-f1`).textContent = anomalies ? `${(100 * f1Of(found, alarms, anomalies)).toFixed(2)} %` : UNKNOWN;
}

function startControls() {
  byId("sort").prepend(...page.metrics.map(({ key, title }) => element("option", { value: key }, title)));
  const chosen = { sort: byId("sort"), follow: byId("follow"), view: byId("view") };
  for (const [name, select] of Object.entries(chosen)) {
    // A browser may remember what was chosen before the page was read again.
    select.value = state[name];
    select.addEventListener("change", () => change({ [name]: select.value }));
  }
  byId("mask").checked = state.mask;
  byId("mask").addEventListener("change", () => change({ mask: byId("mask").checked }));
  byId("method").addEventListener("change", () => change({ method: Number(byId("method").value) }));
  byId("direction").addEventListener("click", () => change({ worstFirst: !state.worstFirst }));
  byId("threshold").addEventListener("input", () => moveThreshold(Number(byId("threshold").value)));
  byId("size").addEventListener("input", () => byId("panels").style.setProperty("--panel", `${byId("size").value}px`));
  const jump = (placeOf) => setPositions(currentDataset().methods.map(({ levels }) => (levels ? placeOf(levels) : 0)));
  byId("best-f1").addEventListener("click", () => jump(bestF1));
  byId("tpr95").addEventListener("click", () => jump(({ tpr95 }) => tpr95));
  byId("previous").addEventListener("click", () => stepImage(-1));
  byId("next").addEventListener("click", () => stepImage(1));
  byId("list").addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) change({ image: Number(button.dataset.image) });
  });
  document.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    // Sliders and lists of choices have their own use for arrows.
    if (!step || event.target.closest("input, select, textarea") || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    stepImage(step);
  });
}
