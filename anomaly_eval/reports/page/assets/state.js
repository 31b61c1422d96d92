// What the reader has chosen, and who wants to know when it changes.

const state = {
  dataset: Math.max(0, page.datasets.findIndex((dataset) => dataset.samples.length)),
  image: 0,
  method: 0,
  hidden: new Set(),
  positions: page.datasets.map((dataset) => dataset.methods.map(({ levels }) => (levels ? bestF1(levels) : 0))),
  sort: page.sort,
  worstFirst: true,
  follow: "tpr",
  view: "scores",
  mask: true,
};
state.method = bestMethod(state.dataset);
const listeners = [];

const currentDataset = () => page.datasets[state.dataset];
const currentMethod = () => currentDataset().methods[state.method];
const methodName = (own) => page.methods[own.method];

/** Change the choice, then tell everybody what changed. */
function change(choice) {
  Object.assign(state, choice);
  for (const listener of listeners) listener(Object.keys(choice));
}

function chooseDataset(dataset) {
  const method = page.datasets[dataset].methods.findIndex((own) => own.method === currentMethod()?.method);
  change({ dataset, method: method < 0 ? bestMethod(dataset) : method, image: -1 });
}

function toggleMethod(method) {
  const hidden = new Set(state.hidden);
  if (!hidden.delete(method)) hidden.add(method);
  change({ hidden });
}

/** The threshold with the largest F1, the highest of equal ones. */
function bestF1(levels) {
  let best = -1;
  let found = 0;
  levels.anomalies.forEach((truePositives, index) => {
    const f1 = f1Of(truePositives, levels.inliers[index], levels.anomalies[0]);
    if (f1 >= best) [best, found] = [f1, index];
  });
  return found;
}

/** The method whose best F1 of all images is the largest; 0 where there is none. */
function bestMethod(dataset) {
  const rates = (page.datasets[dataset]?.methods ?? []).map(({ levels }) => {
    if (!levels) return -1;
    const at = bestF1(levels);
    return f1Of(levels.anomalies[at], levels.inliers[at], levels.anomalies[0]);
  });
  return Math.max(0, rates.indexOf(Math.max(...rates)));
}

function f1Of(truePositives, falsePositives, anomalies) {
  return (2 * truePositives) / Math.max(1, truePositives + falsePositives + anomalies);
}

/** Move the threshold of the chosen method; the others follow as the reader wishes. */
function moveThreshold(position) {
  const own = currentMethod().levels;
  const moved = currentDataset().methods.map(({ levels }, index) => {
    if (index === state.method) return position;
    if (!levels || !state.follow) return state.positions[state.dataset][index];
    // Of the thresholds that reach this rate the highest, or of those that do not exceed it the lowest.
    if (state.follow === "tpr") {
      return levels.anomalies.findLastIndex((count) => count >= own.anomalies[position]);
    }
    const found = levels.inliers.findIndex((count) => count <= own.inliers[position]);
    return found < 0 ? levels.inliers.length - 1 : found;
  });
  setPositions(moved);
}

function setPositions(moved) {
  change({ positions: state.positions.map((old, index) => (index === state.dataset ? moved : old)) });
}
