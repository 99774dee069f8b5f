// Draws the charts in the page's own colours; the figures are in the page, beside each chart as a table.

const still = matchMedia("(prefers-reduced-motion: reduce)");
const dark = matchMedia("(prefers-color-scheme: dark)");
const charts = new Map();

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function draw(place) {
  const options = JSON.parse(document.getElementById(place.dataset.chart).textContent);
  const [ink, line] = [colour("--ink"), colour("--line")];
  const text = { color: ink, fontFamily: getComputedStyle(document.body).fontFamily };
  const axis = { axisLabel: { color: ink }, axisLine: { lineStyle: { color: line } } };
  options.animation = !still.matches;
  options.color = options.series[0].type === "sankey" ? undefined : [colour("--accent"), colour("--second")];
  options.textStyle = text;
  if (options.legend) options.legend.textStyle = text;
  if (options.xAxis) Object.assign(options.xAxis, axis);
  for (const one of options.yAxis ?? []) Object.assign(one, axis, { splitLine: { ...one.splitLine, lineStyle: { color: line } } });
  for (const one of options.series) if (one.type === "sankey") one.label = { ...text, textBorderWidth: 0 };
  if (options.color === undefined) delete options.color;
  if (!charts.has(place)) charts.set(place, echarts.init(place, null, { renderer: "canvas" }));
  charts.get(place).setOption(options, { lazyUpdate: false });
}

function drawAll() {
  document.querySelectorAll("[data-chart]").forEach(draw);
}

document.querySelectorAll("[data-chart]").forEach((place) => (place.style.height = "320px"));
drawAll();
document.addEventListener("refreshed", drawAll);
dark.addEventListener("change", drawAll);
addEventListener("resize", () => charts.forEach((chart) => chart.resize()));
