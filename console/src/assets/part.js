// @ts-check
// Turns a part of the page into a newer one and touches only what differs: focus, selection, scroll position
// and what is folded open stay. Rows with `data-key` are told apart by it; `data-kept` is of a script.
// And ages, which go on counting meanwhile: `time[data-age][datetime]`, in the words of `format::stretch`;
// "bare" is without " ago".

/** How far this machine's clock is behind the console's, in ms: ages are told by the console's. */
const behind = (() => {
  const told = Date.parse(document.body.dataset.now ?? '');
  const page = /** @type {PerformanceNavigationTiming | undefined} */ (performance.getEntriesByType('navigation')[0]);
  const offset = told - (performance.timeOrigin + (page?.responseStart ?? 0));
  // Within what an answer takes, the clocks agree.
  return Math.abs(offset) > 2_000 ? offset : 0;
})();

/** Now, by the console's clock, in ms. */
export const now = () => Date.now() + behind;

/**
 * A stretch of time: `9 ms`, `1.4 s`, `12 s`, `1 min 38 s`, `3 h 5 min`, `2 d 4 h`.
 * @param {number} ms
 */
export function stretch(ms) {
  ms = Math.max(0, Math.trunc(ms));
  const whole = (/** @type {number} */ unit) => Math.trunc(ms / unit);
  const two = (/** @type {number} */ large, /** @type {string} */ name, /** @type {number} */ small, /** @type {string} */ rest) =>
    small ? `${large}\u00a0${name} ${small}\u00a0${rest}` : `${large}\u00a0${name}`;
  if (ms < 1_000) return `${ms}\u00a0ms`;
  if (ms < 10_000) return `${whole(1_000)}.${whole(100) % 10}\u00a0s`;
  if (ms < 60_000) return `${whole(1_000)}\u00a0s`;
  if (ms < 3_600_000) return two(whole(60_000), 'min', whole(1_000) % 60, 's');
  if (ms < 86_400_000) return two(whole(3_600_000), 'h', whole(60_000) % 60, 'min');
  return two(whole(86_400_000), 'd', whole(3_600_000) % 24, 'h');
}

/** @param {HTMLTimeElement} time */
export function tell(time) {
  const text = stretch(now() - Date.parse(time.dateTime)) + (time.dataset.age === 'bare' ? '' : ' ago');
  if (time.textContent !== text) time.textContent = text;
}

const clock = new Intl.DateTimeFormat('en-GB', { timeZone: document.body.dataset.zone || 'UTC', timeStyle: 'medium' });
setInterval(() => {
  if (document.hidden) return;
  for (const text of document.querySelectorAll('[data-clock]')) text.textContent = clock.format(now());
  for (const time of document.querySelectorAll('time[data-age]')) tell(/** @type {HTMLTimeElement} */ (time));
}, 1_000);

/** @type {{ createHTML(html: string): any }} The one Trusted Types policy. What comes here is the console's
 * own markup. */
const policy = /** @type {any} */ (globalThis).trustedTypes?.createPolicy('storepulse', { createHTML: (/** @type {string} */ html) => html })
  ?? { createHTML: (html) => html };

/**
 * Markup as nodes.
 * @param {string} html
 */
export function parse(html) {
  const template = document.createElement('template');
  template.innerHTML = policy.createHTML(html);
  return template.content;
}

/**
 * Puts markup in the place of the element that has its id.
 * @param {string} id
 * @param {string} html
 */
export function replace(id, html) {
  const old = document.getElementById(id);
  const part = parse(html).firstElementChild;
  if (old && part) morph(old, part);
}

const key = (/** @type {Node} */ node) => (node instanceof Element ? node.getAttribute('data-key') ?? (node.id || null) : null);
const kept = (/** @type {Node} */ node) => node instanceof HTMLElement && 'kept' in node.dataset;

/** The ends of what is selected, if anything is. To ask lays the page out, so it is asked when it changes. */
let selected = /** @type {(Node | null)[]} */ ([]);
document.addEventListener('selectionchange', () => {
  const selection = getSelection();
  selected = selection && !selection.isCollapsed ? [selection.anchorNode, selection.focusNode] : [];
});

/**
 * Whether somebody is at it: it holds the focus or the end of a selection.
 * @param {Node} node
 */
const held = (node) => node.contains(document.activeElement) || selected.some((end) => node.contains(end));

/**
 * @param {Node} from
 * @param {Node} to
 */
export function morph(from, to) {
  if (from.nodeName !== to.nodeName || (from instanceof Element && key(from) !== key(to))) {
    from.parentNode?.replaceChild(to, from);
    return;
  }
  if (!(from instanceof Element) || !(to instanceof Element)) {
    if (from.nodeValue !== to.nodeValue) from.nodeValue = to.nodeValue;
    return;
  }
  if (from.isEqualNode(to) || (from.hasAttribute('data-key') && held(from))) return;
  for (const { name } of [...from.attributes]) {
    if (name !== 'open' && !to.hasAttribute(name)) from.removeAttribute(name);
  }
  for (const { name, value } of to.attributes) {
    if (name !== 'open' && from.getAttribute(name) !== value) from.setAttribute(name, value);
  }
  if (from instanceof HTMLTimeElement && 'age' in from.dataset) tell(from);
  else children(from, to);
}

/**
 * @param {Element} from
 * @param {Element} to
 */
function children(from, to) {
  const wanted = new Set();
  for (const node of to.childNodes) wanted.add(key(node));
  /** @type {Map<string, Node>} */
  const have = new Map();
  for (const node of from.childNodes) {
    const name = key(node);
    if (name !== null) have.set(name, node);
  }
  const stays = (/** @type {Node} */ node) => kept(node) || (key(node) !== null && held(node));
  let at = from.firstChild;
  const pass = () => {
    while (at && (kept(at) || (key(at) !== null && !wanted.has(key(at))))) {
      const next = at.nextSibling;
      if (!stays(at)) at.remove();
      at = next;
    }
  };
  for (const node of [...to.childNodes]) {
    pass();
    const name = key(node);
    const match = name !== null ? have.get(name) : at && key(at) === null && at.nodeName === node.nodeName ? at : null;
    if (!match) {
      from.insertBefore(node, at);
      continue;
    }
    if (match === at) at = at.nextSibling;
    else from.insertBefore(match, at);
    morph(match, node);
  }
  while (at) {
    const next = at.nextSibling;
    if (!stays(at)) at.remove();
    at = next;
  }
}
