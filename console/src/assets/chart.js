// @ts-check
// Draws the table of values in each `figure.chart` with uPlot, and again whenever the table has changed.
//   thead > tr > th (time), th.s1-.s6[data-line=solid|dashed|limit|bars] (one a series, its text is the name)
//   tbody > tr[data-key=SECONDS] > th, td.num (text is the value; one that holds .hatched is not known); tr.open is not over yet
// `figure[data-unit]` stands before values; with `data-zoom` a stretch that is dragged over ends up in the
// address as from, to.
// @ts-ignore: the build puts it beside this file
import uPlot from './uplot.js';

const zone = document.body.dataset.zone || 'UTC';
const format = (/** @type {Intl.DateTimeFormatOptions} */ parts) =>
  new Intl.DateTimeFormat('en-GB', { timeZone: zone, hourCycle: 'h23', ...parts });
const clock = format({ hour: '2-digit', minute: '2-digit' });
const day = format({ day: 'numeric', month: 'short' });
const moment = format({ weekday: 'short', day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' });
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });

/** Colours are the style sheet's, in the theme that is shown. @param {string} name */
function colour(name) {
  const probe = document.createElement('i');
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

/** @param {HTMLTableCellElement | undefined} cell */
function value(cell) {
  const text = (cell?.textContent ?? '').replaceAll('−', '-').replace(/[^\d.-]/g, '');
  return !cell || cell.querySelector('.hatched') || !/\d/.test(text) ? null : Number(text);
}

/** @param {HTMLElement} figure */
function read(figure) {
  const heads = /** @type {HTMLElement[]} */ ([...figure.querySelectorAll('table.data thead th')].slice(1));
  /** @type {(number | null)[][]} */
  const columns = [[], ...heads.map(() => [])];
  /** Seconds that are not known, and from where on it is not over. @type {Set<number>} */
  const unknown = new Set();
  let open = Infinity;
  const rows = /** @type {HTMLTableRowElement[]} */ ([...figure.querySelectorAll('table.data tbody tr[data-key]')]);
  for (const row of rows.sort((a, b) => Number(a.dataset.key) - Number(b.dataset.key))) {
    const at = Number(row.dataset.key);
    columns[0].push(at);
    heads.forEach((_, index) => columns[index + 1].push(value(row.cells[index + 1])));
    if (row.cells[1]?.querySelector('.hatched')) unknown.add(at);
    if (row.classList.contains('open')) open = Math.min(open, at);
  }
  // What is not over is a line of its own, lighter, from the last value that is.
  const first = columns[0].findIndex((at) => Number(at) >= open);
  const light = columns[1].map((value, index) => (first >= 0 && index >= first - 1 ? value : null));
  const whole = columns[1].map((value, index) => (first >= 0 && index >= first ? null : value));
  return { heads, columns, drawn: [columns[0], whole, ...columns.slice(2), light], unknown, open };
}

/**
 * @param {HTMLElement} head
 * @param {string} line
 */
function series(head, line) {
  const ink = colour(line === 'limit' ? 'bad' : line === 'dashed' ? 'edge' : [...head.classList].find((name) => /^s[1-6]$/.test(name)) ?? 's1');
  return { stroke: ink, width: line === 'solid' ? 2 : 1.25, points: { show: false },
    dash: line === 'dashed' ? [5, 4] : line === 'limit' ? [2, 3] : undefined,
    ...(line === 'bars' ? { fill: ink, paths: uPlot.paths.bars({ size: [.8] }) } : {}) };
}

/** @param {HTMLElement} figure */
function chart(figure) {
  let data = read(figure);
  const step = Number(figure.dataset.step) || 60;
  const unit = figure.dataset.unit ? `${figure.dataset.unit}\u00a0` : '';
  const box = Object.assign(document.createElement('div'), { className: 'plot', ariaHidden: 'true' });
  const told = Object.assign(document.createElement('p'), { className: 'told' });
  box.dataset.kept = told.dataset.kept = '';
  figure.querySelector('details')?.before(box, told);
  let zoomed = false;
  let inks = { rule: '', wash: '' };
  /** @type {any} */
  let plot = null;

  /** Behind the lines: what is not known is hatched, what is not over is light. @param {any} u */
  function behind(u) {
    const { ctx, bbox } = u;
    const area = (/** @type {number} */ from, /** @type {number} */ to) => {
      const [left, right] = [from, to].map((at) => Math.min(Math.max(u.valToPos(at, 'x', true), bbox.left), bbox.left + bbox.width));
      const path = new Path2D();
      path.rect(left, bbox.top, Math.max(right - left, 0), bbox.height);
      return { path, left, right };
    };
    if (data.open < Infinity) {
      ctx.fillStyle = inks.wash;
      ctx.fill(area(data.open - step / 2, u.scales.x.max).path);
    }
    const at = [...data.unknown].sort((a, b) => a - b);
    for (let first = 0, end; first < at.length; first = end) {
      for (end = first + 1; end < at.length && at[end] - at[end - 1] <= step; end++);
      const { path, left, right } = area(at[first] - step / 2, at[end - 1] + step / 2);
      ctx.save();
      ctx.clip(path);
      ctx.strokeStyle = inks.rule;
      ctx.lineWidth = devicePixelRatio;
      ctx.beginPath();
      for (let x = left - bbox.height; x < right; x += 7 * devicePixelRatio) {
        ctx.moveTo(x, bbox.top + bbox.height);
        ctx.lineTo(x + bbox.height, bbox.top);
      }
      ctx.stroke();
      ctx.restore();
    }
  }

  /** @param {any} u */
  function tell(u) {
    const index = u.cursor.idx;
    const parts = index == null ? [] : data.heads.map((head, at) => {
      const cell = data.columns[at + 1][index];
      return `${head.textContent?.trim()} ${cell == null ? (at ? '–' : 'not known') : unit + cell.toLocaleString('en', { maximumFractionDigits: 2 })}`;
    });
    told.textContent = index == null ? (zoomed ? 'Double click shows all of it.' : 'Drag over a stretch to look closer.')
      : `${moment.format(Number(data.columns[0][index]) * 1000)}: ${parts.join(' · ')}`;
  }

  /** The stretch shown ends up in the address, so that a link shows it to others.
   * @param {number[]} stretch */
  function address(stretch) {
    zoomed = stretch.length > 0;
    const here = new URL(location.href);
    ['from', 'to'].forEach((name, index) => {
      if (zoomed) here.searchParams.set(name, new Date(Math.round(stretch[index] / 60) * 60_000).toISOString().replace('.000', ''));
      else here.searchParams.delete(name);
    });
    if ('zoom' in figure.dataset) history.replaceState(null, '', here);
    tell(plot);
  }

  function build() {
    plot?.destroy();
    inks = { rule: colour('rule'), wash: colour('sunk') };
    const axis = { stroke: colour('soft'), grid: { stroke: colour('line'), width: 1 }, ticks: { show: false }, font: '12px system-ui, sans-serif' };
    /** @param {any} _ @param {number[]} at */
    const times = (_, at) => at.map((second) => (at[1] - at[0] >= 86_400 || clock.format(second * 1000) === '00:00' ? day : clock).format(second * 1000));
    plot = new uPlot({
      width: box.clientWidth || 600, height: box.clientHeight || 240, tzDate: (/** @type {number} */ at) => uPlot.tzDate(new Date(at * 1000), zone),
      legend: { show: false }, padding: [8, 20, 0, 0],
      cursor: { points: { size: 7 }, drag: { x: true, y: false, setScale: true }, y: false },
      scales: { y: { range: (/** @type {any} */ _, /** @type {number?} */ min, /** @type {number?} */ max) => [Math.min(0, min ?? 0), (max ?? 0) * 1.06 || 1] } },
      axes: [
        { ...axis, space: 64, size: 28, values: times },
        { ...axis, size: 52, values: (/** @type {any} */ _, /** @type {number[]} */ at) => at.map((number) => short.format(number)) },
      ],
      series: [{}, ...data.heads.map((head) => series(head, head.dataset.line ?? 'solid')), { ...series(data.heads[0], 'solid'), alpha: .45, dash: [2, 3] }],
      hooks: {
        drawClear: [behind], setCursor: [tell],
        setSelect: [(/** @type {any} */ { select, posToVal }) => select.width > 0 && address([select.left, select.left + select.width].map((x) => posToVal(x, 'x')))],
        ready: [(/** @type {any} */ u) => u.over.addEventListener('dblclick', () => address([]))],
      },
    }, data.drawn, box);
    tell(plot);
  }

  build();
  new ResizeObserver(() => plot.setSize({ width: box.clientWidth || 600, height: box.clientHeight || 240 })).observe(box);
  return { build, end: () => plot.destroy(), update };

  function update() {
    const newer = read(figure);
    if (JSON.stringify(newer.columns) === JSON.stringify(data.columns) && newer.open === data.open) return;
    data = newer;
    const { min, max } = plot.scales.x;
    plot.setData(data.drawn, !zoomed);
    if (zoomed) plot.setScale('x', { min, max });
  }
}

/** @type {Map<Element, ReturnType<typeof chart>>} */
const charts = new Map();

function look() {
  for (const [figure, drawn] of charts) {
    if (figure.isConnected) continue;
    drawn.end();
    charts.delete(figure);
  }
  for (const figure of document.querySelectorAll('figure.chart')) {
    const drawn = charts.get(figure);
    if (drawn) drawn.update();
    else charts.set(figure, chart(/** @type {HTMLElement} */ (figure)));
  }
}

document.addEventListener('storepulse:drawn', look);
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => charts.forEach((drawn) => drawn.build()));
look();
