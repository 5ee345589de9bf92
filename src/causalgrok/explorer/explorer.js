/* The explorer's glue: one or two runs and an epoch are chosen here; Plotly draws what panels.py declares.
   Text from the study reaches the page as text alone: by textContent, and into Plotly's labels through `plain`. */
"use strict";
(() => {
  const study = JSON.parse(document.getElementById("study").textContent);
  const state = { a: 0, b: null, epoch: "last", axis: "log", panel: null, options: {}, tables: new Set() };
  const panels = new Map();
  const unpacked = new Map();
  let shown = []; // the chosen runs: [{index, who, data}]
  let epochs = [];

  const ROLES = {
    main: { width: 2.5, dash: "solid", symbol: "circle" },
    second: { width: 1.8, dash: "6px,3px", symbol: "square-open" },
    third: { width: 1.5, dash: "2px,3px", symbol: "diamond-open" },
    fourth: { width: 1, dash: "8px,2px,2px,2px", symbol: "cross-thin-open" },
    tumour: { width: 1.8, dash: "6px,3px", symbol: "triangle-up", colour: "#117733" },
    control: { width: 1.5, dash: "4px,2px", symbol: "square", colour: "#444444" },
    harder: { width: 1.5, dash: "10px,3px", symbol: "x", colour: "#767676" },
    shown: { width: 1.2, dash: "1px,3px", symbol: "circle-open", colour: "#9a9a9a" },
    bias: { width: 1.2, dash: "8px,2px,2px,2px", symbol: "star", colour: "#222222" },
  };
  const UNNAMED = ["second", "third", "fourth"];
  const INK = "#333333",
    FAINT = "#e6e6e6";
  const PAPER = 335; // width of a plot in print: two fit beside each other on A4

  // Small things

  function el(name, attributes = {}, ...children) {
    const node = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
      else if (value !== null && value !== false) node.setAttribute(key, value === true ? "" : value);
    }
    node.append(...children.filter((child) => child !== null));
    return node;
  }

  const plain = (text) => String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  const told = (value) => (value === null || value === undefined ? "\u2013" : String(value).replace(/^-/, "\u2212"));
  const distinct = (values) => [...new Set(values)];
  const words = (name) => String(name).replaceAll("_", " ");
  const named = (column, value) => study.names[column]?.[value] ?? words(value);
  const labelled = (spec, value) => spec.lines[value]?.label ?? named(spec.series, value);
  const runName = (run) => `${run.recipe}, n = ${run.n}, seed ${run.seed}`;
  const nearest = (values, wanted) =>
    values.reduce((best, value) => (Math.abs(value - wanted) < Math.abs(best - wanted) ? value : best), values[0]);

  async function unpack(index) {
    if (!unpacked.has(index)) {
      const packed = Uint8Array.from(atob(document.getElementById(`run-${index}`).textContent), (c) => c.charCodeAt(0));
      const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
      unpacked.set(index, new Response(stream).json());
    }
    return unpacked.get(index);
  }

  // What a panel draws of a run

  function choicesOf(spec) {
    const chosen = {};
    for (const column of Object.keys(spec.choices)) {
      const present = distinct(shown.flatMap(({ data }) => data[spec.rows]?.[column] ?? [])).filter((v) => v !== "");
      const wanted = [state.options[spec.name]?.[column], ...(study.start[column] ?? []), present[0]];
      const ordered = [...spec.order, ...Object.keys(spec.lines)].filter((value) => present.includes(value));
      chosen[column] = {
        values: distinct([...ordered, ...present]),
        value: wanted.find((value) => present.map(String).includes(value)) ?? String(present[0]),
      };
    }
    return chosen;
  }

  function measureOf(spec) {
    const wanted = state.options[spec.name]?.y;
    return wanted in spec.measures ? wanted : Object.keys(spec.measures)[0];
  }

  function picked(spec, rows) {
    const chosen = Object.entries(choicesOf(spec));
    const length = Object.values(rows)[0].length;
    const kept = (i) =>
      chosen.every(([column, { value }]) => rows[column][i] === "" || String(rows[column][i]) === value);
    return [...Array(length).keys()].filter(kept);
  }

  /** The rows that are drawn, as indices, and the epoch at which they were measured. */
  function drawn(spec, rows) {
    const indices = picked(spec, rows);
    if (spec.kind !== "response") return { indices, epoch: null };
    const epoch = nearest(distinct(indices.map((i) => rows.epoch[i])), state.epoch);
    return { indices: indices.filter((i) => rows.epoch[i] === epoch), epoch };
  }

  function span(spec, measure) {
    const values = shown.flatMap(({ data }) => {
      const rows = data[spec.rows];
      if (!rows) return [];
      const columns = [measure, `${measure}_low`, `${measure}_high`, spec.reference].filter((column) => rows[column]);
      return picked(spec, rows).flatMap((i) => columns.map((column) => rows[column][i]));
    });
    const finite = values.filter((value) => value !== null && (value > 0 || !spec.logarithmic.includes(measure)));
    if (!finite.length) return null;
    const scale = spec.logarithmic.includes(measure) ? Math.log10 : (value) => value;
    const least = scale(finite.reduce((a, b) => Math.min(a, b)));
    const most = scale(finite.reduce((a, b) => Math.max(a, b)));
    const room = 0.06 * (most - least || Math.abs(most) || 1);
    return [least - room, most + room];
  }

  function categories(spec) {
    const values = distinct(
      shown.flatMap(({ data }) => {
        const rows = data[spec.rows];
        return rows ? picked(spec, rows).map((i) => rows[spec.x][i]) : [];
      }),
    );
    if (values.every((value) => typeof value === "number")) return values.sort((a, b) => a - b).map(String);
    const place = (value) => (spec.order.includes(value) ? spec.order.indexOf(value) : spec.order.length);
    return values.sort((a, b) => place(a) - place(b)).map(String);
  }

  // Plotly's traces and layouts

  const ZERO = 0.4; // where a logarithmic axis has epoch 0
  const place = (epoch) => (state.axis === "log" ? epoch || ZERO : epoch);

  function epochAxis(last) {
    const title = { title: { text: "epoch", standoff: 6 }, unifiedhovertitle: { text: "epoch %{x:.0f}" } };
    const axis = { ...title, gridcolor: FAINT, zeroline: false };
    if (state.axis !== "log") return { ...axis, range: [-0.02 * (last || 1), 1.02 * (last || 1)] };
    const decades = [0, 1];
    while (decades.at(-1) * 10 <= last) decades.push(decades.at(-1) * 10);
    const [start, end] = [Math.log10(ZERO), Math.log10(last || 1)];
    const room = 0.02 * (end - start);
    const ticks = { tickvals: decades.map(place), ticktext: decades.map((epoch) => epoch.toLocaleString("en")) };
    return { ...axis, type: "log", range: [start - room, end + room], ...ticks };
  }

  /** Fixed over epochs and runs, so that what moves is the measure. */
  function measureAxis(spec, measure) {
    const range = span(spec, measure);
    const axis = { title: { text: spec.measures[measure], standoff: 8 }, range, gridcolor: FAINT, zeroline: false };
    if (!range || !spec.logarithmic.includes(measure)) return axis;
    const few = range[1] - range[0] < 2.2;
    const exponents = Array.from(
      { length: Math.ceil(range[1]) - Math.floor(range[0]) + 1 },
      (_, i) => Math.floor(range[0]) + i,
    );
    const ticks = exponents.flatMap((exponent) =>
      (few ? [1, 2, 5] : [1]).map((digit) => Number(`${digit}e${exponent}`)),
    );
    return {
      ...axis,
      type: "log",
      tickvals: ticks,
      ticktext: ticks.map((tick) => tick.toLocaleString("en", { maximumSignificantDigits: 1 })),
    };
  }

  function baseLayout(extra) {
    return {
      font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: INK },
      margin: { l: 58, r: 12, t: 10, b: 42 },
      height: 300,
      hovermode: "x unified", hoverdistance: -1,
      hoverlabel: { namelength: -1 },
      legend: { orientation: "h", x: 0, y: 1, yref: "container", yanchor: "top", font: { size: 11 }, itemwidth: 30 },
      paper_bgcolor: "white",
      plot_bgcolor: "white",
      dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom",
      autosize: false,
      ...extra,
    };
  }

  function styled(spec, value, run, unnamed) {
    const role = ROLES[spec.lines[value]?.role ?? UNNAMED[unnamed % UNNAMED.length]];
    return { colour: role.colour ?? run.colour, ...role };
  }

  function lineTraces(spec, measure, rows, indices, run) {
    const values = spec.series ? distinct(indices.map((i) => rows[spec.series][i])) : [null];
    const known = Object.keys(spec.lines);
    const rank = (value) => (known.includes(value) ? known.indexOf(value) : known.length);
    const ordered = values.sort((a, b) => rank(a) - rank(b));
    const across = spec.numeric ? null : categories(spec);
    const along = (i) => (across ? across.indexOf(String(rows[spec.x][i])) : rows[spec.x][i]);
    const traces = ordered.flatMap((value, unnamed) => {
      const own = indices.filter((i) => (!spec.series || rows[spec.series][i] === value) && rows[measure][i] !== null);
      own.sort((i, j) => along(i) - along(j));
      return own.length ? seriesTraces(spec, measure, rows, own, value, styled(spec, value, run, unnamed)) : [];
    });
    // Drawn last lies on top: the run's own line over its controls.
    return traces.reverse();
  }

  function seriesTraces(spec, measure, rows, own, value, look) {
    const x = own.map((i) =>
      spec.x === "epoch" ? place(rows.epoch[i]) : spec.numeric ? rows[spec.x][i] : String(rows[spec.x][i]),
    );
    const ends = ["low", "high"].map((end) => own.map((i) => rows[`${measure}_${end}`]?.[i] ?? null));
    const ranged = own.map((_, i) => i).filter((i) => ends[0][i] !== null && ends[1][i] !== null);
    const spread = ranged.length > 0;
    const name = plain(labelled(spec, value));
    const line = {
      x,
      y: own.map((i) => rows[measure][i]),
      name,
      type: "scatter",
      customdata: spec.kind === "course" ? own.map((i) => rows.epoch[i]) : undefined,
      mode: spec.kind === "course" && own.length > 12 ? "lines" : spec.joined ? "lines+markers" : "markers",
      line: { color: look.colour, width: look.width, dash: look.dash },
      marker: {
        color: look.colour,
        symbol: look.symbol,
        size: spec.joined ? 6 : 9,
        line: { color: look.colour, width: 1.5 },
      },
      text: own.map(
        (i, at) =>
          told(rows[measure][i]) + (ends[0][at] === null ? "" : ` (${told(ends[0][at])} to ${told(ends[1][at])})`),
      ),
      hovertemplate: `${name}: %{text}<extra></extra>`,
      legendgroup: name,
      legendrank: 1000 + Object.keys(spec.lines).indexOf(value),
    };
    if (!spread) return [line];
    if (!spec.joined) {
      const reach = (to) => line.y.map((y, at) => (ends[to][at] === null ? 0 : Math.abs(ends[to][at] - y)));
      return [
        {
          ...line,
          error_y: {
            type: "data",
            array: reach(1),
            arrayminus: reach(0),
            color: look.colour,
            thickness: 1.2,
            width: 3,
          },
        },
      ];
    }
    const band = {
      x: [...ranged.map((i) => x[i]), ...ranged.toReversed().map((i) => x[i])],
      type: "scatter",
      mode: "lines",
      fill: "toself",
      y: [...ranged.map((i) => ends[1][i]), ...ranged.toReversed().map((i) => ends[0][i])],
      fillcolor: `${look.colour}26`,
      line: { width: 0 },
      hoverinfo: "skip",
      showlegend: false,
      legendgroup: name,
      name: `${name}, range`,
    };
    return [line, band];
  }

  function referenceTrace(spec, rows, indices) {
    if (!spec.reference || !rows[spec.reference]) return [];
    const seen = indices.map((i) => ({
      x: String(rows[spec.x][i]),
      y: rows[spec.reference][i],
      series: rows[spec.series][i],
    }));
    return distinct(seen.map(({ series }) => series)).map((series, i) => ({
      x: seen.filter((row) => row.series === series).map(({ x }) => x),
      y: seen.filter((row) => row.series === series).map(({ y }) => y),
      type: "scatter",
      mode: "lines",
      line: { color: "#767676", width: 1, dash: "1px,3px" },
      name: words(spec.reference),
      legendgroup: spec.reference,
      showlegend: i === 0,
      hoverinfo: "skip",
    }));
  }

  const vertical = (at, line, more) => ({ type: "line", x0: at, x1: at, yref: "paper", y0: 0, y1: 1, line, ...more });
  const cursor = () => vertical(place(state.epoch), { color: INK, width: 1.5 }, { name: "cursor" });

  /** Thin lines at the named checkpoints, with their names where `written`. */
  function checkpointMarks(run, written) {
    const byEpoch = Map.groupBy(Object.entries(run.checkpoints), ([, epoch]) => epoch);
    const marks = [...byEpoch].sort(([a], [b]) => a - b);
    return {
      shapes: marks.map(([epoch]) =>
        vertical(place(epoch), { color: "#8a8a8a", width: 1, dash: "2px,2px" }, { layer: "below" }),
      ),
      annotations: written
        ? marks.map(([epoch, names], i) => ({
            x: state.axis === "log" ? Math.log10(place(epoch)) : epoch,
            y: 0.02 + 0.08 * (i % 2),
            yref: "paper",
            yanchor: "bottom",
            xanchor: epoch ? "right" : "left",
            text: plain(names.map(([name]) => name).join(", ")),
            showarrow: false,
            font: { size: 10, color: "#555555" },
            bgcolor: "rgba(255,255,255,0.75)",
            borderpad: 1,
          }))
        : [],
    };
  }

  function courseFigure(spec, rows, run) {
    const measure = measureOf(spec);
    const { indices } = drawn(spec, rows);
    const marks = checkpointMarks(run, spec.name === "training");
    const layout = baseLayout({
      xaxis: epochAxis(epochs.at(-1)),
      yaxis: measureAxis(spec, measure),
      shapes: [...marks.shapes, cursor()],
      annotations: marks.annotations,
    });
    return { traces: lineTraces(spec, measure, rows, indices, run), layout };
  }

  function responseFigure(spec, rows, run, width) {
    const measure = measureOf(spec);
    const { indices } = drawn(spec, rows);
    const xaxis = { title: { text: spec.x_label, standoff: 6 }, gridcolor: FAINT, zeroline: false };
    if (!spec.numeric) {
      const names = categories(spec);
      const upright = width < 64 * names.length + 70 && names.some((name) => name.length > 6);
      const shownAs = (name) => plain(named(spec.x, name)).replaceAll(" ", upright ? " " : "<br>");
      const ticks = { tickvals: names, ticktext: names.map(shownAs), tickfont: { size: 11 } };
      const order = { categoryorder: "array", categoryarray: names, range: [-0.5, names.length - 0.5] };
      Object.assign(xaxis, { type: "category", ...order, ...ticks });
      if (upright) Object.assign(xaxis, { tickangle: 90, automargin: true, title: { text: "" } });
    }
    const layout = baseLayout({ xaxis, yaxis: measureAxis(spec, measure) });
    return {
      traces: [...referenceTrace(spec, rows, indices), ...lineTraces(spec, measure, rows, indices, run)],
      layout,
    };
  }

  function gridFigure(spec, rows) {
    const measure = measureOf(spec);
    const { indices } = drawn(spec, rows);
    const stages = categories(spec);
    const columns = distinct(indices.map((i) => rows.epoch[i])).sort((a, b) => a - b);
    const z = stages.map(() => columns.map(() => null));
    for (const i of indices)
      z[stages.indexOf(String(rows[spec.x][i]))][columns.indexOf(rows.epoch[i])] = rows[measure][i];
    const at = columns.indexOf(nearest(columns, state.epoch));
    const [zmin, zmax] = span(spec, measure);
    const layout = baseLayout({
      hovermode: "closest",
      xaxis: { type: "category", title: { text: "epoch (kept checkpoints)", standoff: 6 } },
      yaxis: { type: "category", automargin: true },
      shapes: [{ ...vertical(at, { color: "#d55e00", width: 2.5 }), type: "rect", x0: at - 0.5, x1: at + 0.5 }],
    });
    return {
      traces: [
        {
          type: "heatmap",
          x: columns.map(String),
          y: stages.map((stage) => plain(words(stage))),
          z,
          zmin,
          zmax,
          colorscale: "Viridis",
          xgap: 1,
          ygap: 1,
          customdata: stages.map(() => columns),
          hovertemplate: "%{y}, epoch %{x}: %{z}<extra></extra>",
          colorbar: { title: { text: spec.measures[measure], side: "right" }, thickness: 10, outlinewidth: 0 },
        },
      ],
      layout,
    };
  }

  const FIGURES = { course: courseFigure, response: responseFigure, grid: gridFigure };

  function overviewFigure() {
    const chosen = shown.map(({ index }) => index);
    const beside = study.runs
      .map((run, index) => ({ run, index }))
      .filter(
        ({ run, index }) =>
          !chosen.includes(index) &&
          study.overview[run.folder] &&
          chosen.some((other) => study.runs[other].task === run.task && study.runs[other].n === run.n),
      );
    const traces = [...Map.groupBy(beside, ({ run }) => run.recipe)].map(([recipe, runs]) => ({
      ...joined(runs),
      name: plain(`${recipe}: ${runs.length} other ${runs.length === 1 ? "run" : "runs"}`),
      opacity: 0.45,
      line: { color: runs[0].run.colour, width: 1 },
    }));
    for (const { index, who } of shown) {
      const run = study.runs[index];
      if (study.overview[run.folder])
        traces.push({
          ...joined([{ run, index }]),
          name: plain(`${who}: ${runName(run)}`),
          line: { color: run.colour, width: 2.5, dash: who === "A" ? "solid" : "6px,3px" },
        });
    }
    const splits = distinct(shown.map(({ index }) => study.overview[study.runs[index].folder]?.split).filter(Boolean));
    const layout = baseLayout({
      hovermode: "closest",
      xaxis: epochAxis(epochs.at(-1)),
      height: 280,
      shapes: [cursor()],
      yaxis: {
        title: { text: `accuracy (fraction), ${splits.map((split) => words(split)).join(", ")}`, standoff: 8 },
        gridcolor: FAINT,
        zeroline: false,
      },
    });
    return { traces, layout };
  }

  /** Curves of several runs as one trace with gaps. */
  function joined(runs) {
    const curve = {
      x: [],
      y: [],
      customdata: [],
      text: [],
      type: "scatter",
      mode: "lines",
      hovertemplate: "%{text}<extra></extra>",
    };
    for (const { run, index } of runs) {
      const { epoch, accuracy } = study.overview[run.folder];
      curve.x.push(...epoch.map(place), null);
      curve.y.push(...accuracy, null);
      curve.customdata.push(...epoch.map((at) => [at, index]), null);
      curve.text.push(...epoch.map((at, i) => plain(`${runName(run)}, epoch ${at}: ${told(accuracy[i])}`)), null);
    }
    return curve;
  }

  const widthOf = (node) => {
    const printed = document.body.classList.contains("printing");
    return printed ? PAPER * (node.closest(".overview") ? 2 : 1) : node.clientWidth;
  };

  /** Height that a legend takes beyond one row, so that what is drawn has the same height everywhere. */
  function legendHeight(traces, width) {
    const lengths = traces.filter(({ showlegend }) => showlegend !== false).map(({ name }) => name.length);
    const columns = Math.max(1, Math.floor((width - 70) / (6.1 * Math.max(...lengths, 1) + 48)));
    return 24 * (Math.ceil(lengths.length / columns) - 1);
  }

  function plot(node, { traces, layout }) {
    const width = widthOf(node);
    const printed = document.body.classList.contains("printing");
    const height =
      (printed ? 0.8 : 1) * layout.height +
      (traces[0]?.type === "heatmap" ? 0 : Math.max(0, legendHeight(traces, width)));
    const drawn = JSON.stringify([traces, { ...layout, shapes: null }, width, height]);
    // Where the cursor alone has moved, moving it is ten times faster than drawing all.
    if (node.drawnAs === drawn) return Plotly.relayout(node, { shapes: layout.shapes ?? [] });
    node.drawnAs = drawn;
    Plotly.react(node, traces, { ...layout, width, height }, { displayModeBar: false });
    if (node.listens) return;
    node.listens = true;
    node.on("plotly_click", ({ points: [{ customdata }] }) => {
      if (Array.isArray(customdata)) choose(customdata[1], customdata[0]);
      else if (customdata !== undefined) moveTo(customdata);
    });
  }

  // Panels

  function control(label, values, chosen, change, named = words) {
    const options = values.map((value) =>
      el("option", { value, selected: String(value) === String(chosen) }, named(value)),
    );
    return el("label", {}, label, el("select", { onchange: (event) => change(event.target.value) }, ...options));
  }

  function build() {
    const root = document.getElementById("explorer");
    root.replaceChildren(
      el("h2", {}, "Runs"),
      el("div", { id: "pick" }),
      el("div", { id: "epochs" }),
      panelNode({
        name: "overview",
        title: "All runs of this training set",
        about: "Thin: the other seeds and recipes. A click takes a run and an epoch.",
        kind: "overview",
      }),
    );
    const sections = Map.groupBy(study.panels, ({ section }) => section);
    for (const [section, specs] of sections) {
      root.append(el("h3", { class: "part" }, section), el("div", { class: "panels" }, ...specs.map(panelNode)));
    }
    const watch = new IntersectionObserver(
      (entries) => {
        for (const { target, isIntersecting } of entries) {
          const panel = panels.get(target.dataset.panel);
          panel.visible = isIntersecting;
          if (isIntersecting && "stale" in target.dataset) draw(panel);
        }
      },
      { rootMargin: "400px" },
    );
    for (const { node } of panels.values()) watch.observe(node);
  }

  function panelNode(spec) {
    const controls = el("div", { class: "controls" });
    const buttons =
      spec.kind === "overview"
        ? []
        : [
            ...(spec.kind === "facts"
              ? []
              : [el("button", { type: "button", class: "table", onclick: () => toggle(spec) }, "Table")]),
            el("button", { type: "button", onclick: () => download(spec), title: "what is drawn, as text" }, "CSV"),
          ];
    const body = el("div", { class: "plots" });
    const node = el(
      "article",
      {
        class: `panel ${spec.kind}`,
        id: `panel-${spec.name}`,
        "data-panel": spec.name,
        "aria-labelledby": `title-${spec.name}`,
      },
      el("div", { class: "title" }, el("h4", { id: `title-${spec.name}`, tabindex: -1 }, spec.title), ...buttons),
      el("p", { class: "about" }, spec.about),
      controls,
      body,
    );
    panels.set(spec.name, { spec, node, controls, body, visible: false });
    return node;
  }

  function set(spec, name, value) {
    state.options[spec.name] = { ...state.options[spec.name], [name]: value };
    state.panel = spec.name;
    remember();
    draw(panels.get(spec.name));
  }

  function drawControls({ spec, node, controls }) {
    if (spec.kind === "overview") return;
    const choices = Object.entries(choicesOf(spec)).filter(([, { values }]) => values.length > 1);
    const measures = Object.keys(spec.measures);
    const focused = controls.contains(document.activeElement) ? document.activeElement.dataset.name : null;
    controls.replaceChildren(
      ...(measures.length > 1
        ? [
            control(
              "show ",
              measures,
              measureOf(spec),
              (value) => set(spec, "y", value),
              (column) => spec.measures[column],
            ),
          ]
        : []),
      ...choices.map(([column, { values, value }]) =>
        control(
          `${spec.choices[column]} `,
          values,
          value,
          (next) => set(spec, column, next),
          (name) => (column === "decoded" || column === "group" ? labelled(spec, name) : named(column, name)),
        ),
      ),
    );
    node.querySelector(".table")?.setAttribute("aria-pressed", String(state.tables.has(spec.name)));
    [...controls.querySelectorAll("select")].forEach((select, i) => {
      select.dataset.name = i;
    });
    if (focused !== null) controls.querySelector(`[data-name="${focused}"]`)?.focus();
  }

  function toggle(spec) {
    if (!state.tables.delete(spec.name)) state.tables.add(spec.name);
    set(spec, "view", state.tables.has(spec.name) ? "table" : "chart");
  }

  function draw(panel) {
    const { spec, body } = panel;
    delete panel.node.dataset.stale;
    drawControls(panel);
    if (spec.kind === "overview") return plot(figureOf(body, "overview").plot, overviewFigure());
    for (const node of [...body.children]) if (!shown.some(({ who }) => node.dataset.who === who)) node.remove();
    // Both have their place before one is drawn: a plot is as wide as its place.
    for (const { who } of shown) figureOf(body, who);
    for (const { index, who, data } of shown) drawRun(panel, study.runs[index], who, data[spec.rows]);
  }

  function figureOf(body, who) {
    if (!body.querySelector(`[data-who="${who}"]`)) {
      body.append(
        el(
          "figure",
          { "data-who": who },
          el("figcaption"),
          el("div", { class: "plot", role: "img" }),
          el("div", { class: "rows" }),
        ),
      );
    }
    const [caption, plot, table] = body.querySelector(`[data-who="${who}"]`).children;
    return { caption, plot, table };
  }

  function drawRun({ spec, body }, run, who, rows) {
    const { caption, plot: node, table } = figureOf(body, who);
    const kept = rows && drawn(spec, rows);
    const measured = kept?.epoch ?? null;
    const near = measured === state.epoch ? "" : `, nearest measured to ${state.epoch}`;
    const when = !rows ? "not measured for this run" : measured === null ? "" : `epoch ${measured}${near}`;
    caption.replaceChildren(
      ...(shown.length > 1 ? [el("b", {}, who)] : []),
      swatch(run),
      [runName(run), when].filter(Boolean).join(" \u00b7 "),
    );
    const asTable = spec.kind === "facts" || state.tables.has(spec.name);
    node.hidden = !rows || asTable;
    table.replaceChildren();
    if (rows && asTable) table.append((spec.kind === "facts" ? facts : rowsTable)(rows, kept.indices));
    if (node.hidden) return;
    node.setAttribute("aria-label", `${spec.title}, ${runName(run)}. The button Table shows the numbers.`);
    plot(node, FIGURES[spec.kind](spec, rows, run, widthOf(node)));
  }

  function swatch(run) {
    const node = el("span", { class: "swatch", "aria-hidden": "true" });
    node.style.background = run.colour;
    return node;
  }

  const meaning = (column) => study.told[column] ?? study.told[column.replace(/_(low|high)$/, "")] ?? null;

  function rowsTable(rows, indices) {
    const columns = Object.keys(rows).filter((column) =>
      indices.some((i) => rows[column][i] !== null && rows[column][i] !== ""),
    );
    return el(
      "div",
      { class: "scroll", tabindex: 0 },
      el(
        "table",
        {},
        el(
          "thead",
          {},
          el("tr", {}, ...columns.map((column) => el("th", { scope: "col", title: meaning(column) }, column))),
        ),
        el(
          "tbody",
          {},
          ...indices.map((i) => el("tr", {}, ...columns.map((column) => el("td", {}, told(rows[column][i]))))),
        ),
      ),
    );
  }

  function facts(rows, indices) {
    return el(
      "dl",
      { class: "facts" },
      ...indices.flatMap((i) =>
        Object.keys(rows)
          .filter((column) => rows[column][i] !== null)
          .flatMap((column) => [
            el("dt", {}, column),
            el("dd", {}, el("b", {}, told(rows[column][i])), el("span", { class: "small" }, meaning(column) ?? "")),
          ]),
      ),
    );
  }

  /** What a panel draws, with the columns that name the run, as text. */
  function csv(spec) {
    const quoted = (value) =>
      value === null ? "" : /[",\n]/.test(value) ? `"${String(value).replaceAll('"', '""')}"` : String(value);
    const keys = ["task", "recipe", "n", "seed"];
    const present = shown.filter(({ data }) => data[spec.rows]);
    const columns = distinct(present.flatMap(({ data }) => Object.keys(data[spec.rows])));
    const lines = present.flatMap(({ index, data }) => {
      const rows = data[spec.rows];
      return drawn(spec, rows).indices.map((i) => [
        ...keys.map((key) => study.runs[index][key]),
        ...columns.map((column) => rows[column]?.[i] ?? null),
      ]);
    });
    return [[...keys, ...columns], ...lines].map((line) => line.map(quoted).join(",")).join("\n") + "\n";
  }

  function download(spec) {
    const url = URL.createObjectURL(new Blob([csv(spec)], { type: "text/csv" }));
    const names = shown.map(({ index }) => study.runs[index].folder.replaceAll("/", "-")).join("_");
    el("a", { href: url, download: `${study.study}_${spec.name}_${names}_epoch${state.epoch}.csv` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  }

  // Choosing runs and an epoch

  const KEYS = ["task", "recipe", "n", "seed"];

  function runPicker(who) {
    const chosen = study.runs[state[who]] ?? null;
    const fields = [];
    let left = study.runs;
    const take = (key, value) => {
      if (value === "") return choose(null, null, who);
      const wanted = { ...(chosen ?? study.runs[state.a]), [key]: value };
      const score = (run) =>
        KEYS.reduce(
          (sum, other, i) => sum + (String(run[other]) === String(wanted[other])) * 2 ** (KEYS.length - i),
          String(run[key]) === value ? 100 : 0,
        );
      choose(study.runs.indexOf(study.runs.reduce((best, run) => (score(run) > score(best) ? run : best))), null, who);
    };
    for (const [i, key] of KEYS.entries()) {
      const values = distinct(left.map((run) => run[key]));
      const offered = who === "b" && i === 0 ? ["", ...values] : values;
      if (chosen || i === 0)
        fields.push(
          control(
            `${key} `,
            offered,
            chosen?.[key] ?? "",
            (value) => take(key, value),
            (value) => (value === "" ? "none" : String(value)),
          ),
        );
      if (chosen) left = left.filter((run) => run[key] === chosen[key]);
    }
    return el(
      "fieldset",
      { id: `run-${who}` },
      el("legend", {}, who === "a" ? "Run A" : "Run B, beside it", ...(chosen ? [swatch(chosen)] : [])),
      ...fields,
    );
  }

  function drawPickers() {
    const root = document.getElementById("pick");
    const focused = root.contains(document.activeElement)
      ? [
          document.activeElement.closest("fieldset").id,
          [...document.activeElement.closest("fieldset").querySelectorAll("select")].indexOf(document.activeElement),
        ]
      : null;
    root.replaceChildren(runPicker("a"), runPicker("b"));
    if (focused) root.querySelectorAll(`#${focused[0]} select`)[focused[1]]?.focus();
  }

  function buildEpochs() {
    const slider = el("input", {
      type: "range",
      id: "epoch",
      min: 0,
      step: 1,
      "aria-label": "epoch",
      oninput: (event) => moveTo(epochs[event.target.value]),
    });
    const axis = control(
      "epochs ",
      ["log", "linear"],
      state.axis,
      (value) => {
        state.axis = value;
        remember();
        redraw();
      },
      (value) => (value === "log" ? "log scale" : "linear"),
    );
    document
      .getElementById("epochs")
      .replaceChildren(el("output", { for: "epoch", id: "at" }), slider, el("span", { id: "named" }), axis);
  }

  function drawEpochs() {
    const slider = document.getElementById("epoch");
    slider.max = epochs.length - 1;
    slider.value = epochs.indexOf(state.epoch);
    slider.setAttribute("aria-valuetext", `epoch ${state.epoch}`);
    document.getElementById("at").textContent = `epoch ${state.epoch}`;
    const all = shown.flatMap(({ index, who }) =>
      Object.entries(study.runs[index].checkpoints).map(([name, epoch]) => ({ name, epoch, who })),
    );
    const label = (names) =>
      [...Map.groupBy(names, ({ name }) => name)]
        .map(([name, of]) => (of.length === shown.length ? name : `${name} ${of.map(({ who }) => who).join("")}`))
        .join(", ");
    const byEpoch = Map.groupBy(all, ({ epoch }) => epoch);
    const focused = document.activeElement?.dataset?.epoch;
    document
      .getElementById("named")
      .replaceChildren(
        ...[...byEpoch]
          .sort(([a], [b]) => a - b)
          .map(([epoch, names]) =>
            el(
              "button",
              {
                type: "button",
                "data-epoch": epoch,
                "aria-pressed": String(epoch === state.epoch),
                onclick: () => moveTo(epoch),
                title: `epoch ${epoch}`,
              },
              label(names),
            ),
          ),
      );
    if (focused !== undefined) document.querySelector(`#named [data-epoch="${focused}"]`)?.focus();
  }

  /** The epoch that a word or a number means for run A. */
  function meant(epoch) {
    const named = { first: epochs[0], last: epochs.at(-1), ...study.runs[state.a].checkpoints };
    const wanted = epoch in named ? named[epoch] : Number(epoch);
    return nearest(epochs, Number.isFinite(wanted) ? wanted : epochs.at(-1));
  }

  let waiting = false;
  function moveTo(epoch) {
    state.epoch = meant(epoch);
    drawEpochs();
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      remember();
      redraw();
    });
  }

  function redraw() {
    for (const panel of panels.values()) {
      panel.node.dataset.stale = "";
      if (panel.visible) draw(panel);
    }
  }

  function choose(index, epoch, who = "a") {
    state[who] = index;
    if (epoch !== null && epoch !== undefined) state.epoch = epoch;
    return show().then(remember);
  }

  async function show() {
    const wanted = [
      ["A", state.a],
      ["B", state.b],
    ].filter(([, index]) => index !== null);
    const found = await Promise.all(wanted.map(async ([who, index]) => ({ who, index, data: await unpack(index) })));
    if (
      String(wanted) !==
      String(
        [
          ["A", state.a],
          ["B", state.b],
        ].filter(([, index]) => index !== null),
      )
    )
      return;
    shown = found;
    epochs = distinct(shown.flatMap(({ data }) => Object.values(data).flatMap((rows) => rows.epoch ?? []))).sort(
      (a, b) => a - b,
    );
    state.epoch = meant(state.epoch);
    document.body.classList.toggle("pair", shown.length > 1);
    for (const { spec, node } of panels.values()) {
      node.hidden =
        spec.kind === "overview"
          ? !shown.some(({ index }) => study.overview[study.runs[index].folder])
          : !shown.some(({ data }) => data[spec.rows]);
    }
    for (const part of document.querySelectorAll(".panels")) {
      part.hidden = part.previousElementSibling.hidden = [...part.children].every((node) => node.hidden);
    }
    drawPickers();
    drawEpochs();
    redraw();
  }

  // The state in the page's address: what a claim's link says, and what a copied address keeps

  function remember() {
    const parts = {
      run: study.runs[state.a].folder,
      with: study.runs[state.b]?.folder,
      epoch: state.epoch,
      axis: state.axis === "log" ? null : state.axis,
      panel: state.panel,
      ...(state.options[state.panel] ?? {}),
    };
    const kept = Object.entries(parts).filter(([, value]) => value !== null && value !== undefined);
    history.replaceState(
      null,
      "",
      `#${kept.map(([key, value]) => `${key}=${encodeURIComponent(value).replaceAll("%2F", "/")}`).join("&")}`,
    );
  }

  async function land() {
    const hash = location.hash.slice(1);
    if (!hash.includes("=")) {
      await show();
      const target = document.getElementById(hash);
      if (target?.tagName === "DETAILS") target.open = true;
      return target?.scrollIntoView();
    }
    const { run, with: beside, epoch, axis, panel, ...options } = Object.fromEntries(new URLSearchParams(hash));
    const index = (folder) => study.runs.findIndex((other) => other.folder === folder);
    if (index(run) >= 0) state.a = index(run);
    state.b = index(beside) >= 0 ? index(beside) : null;
    if (epoch !== undefined) state.epoch = epoch;
    if (axis) document.querySelector("#epochs select").value = state.axis = axis === "linear" ? "linear" : "log";
    if (panels.has(panel)) {
      state.panel = panel;
      state.options[panel] = { ...state.options[panel], ...options };
      state.tables[options.view === "table" ? "add" : "delete"](panel);
    }
    await show();
    if (panels.has(panel)) arrive(panels.get(panel));
  }

  function arrive({ node }) {
    node.scrollIntoView({ block: "start" });
    node.querySelector("h4").focus({ preventScroll: true });
    node.classList.remove("arrived");
    requestAnimationFrame(() => node.classList.add("arrived"));
  }

  function printing(now) {
    document.body.classList.toggle("printing", now);
    for (const panel of panels.values()) if (!panel.node.hidden) draw(panel);
  }

  build();
  buildEpochs();
  addEventListener("hashchange", land);
  let resizing;
  addEventListener("resize", () => {
    clearTimeout(resizing);
    resizing = setTimeout(redraw, 150);
  });
  addEventListener("beforeprint", () => printing(true));
  addEventListener("afterprint", () => printing(false));
  land().then(() => {
    document.body.dataset.ready = "yes";
  });
})();
