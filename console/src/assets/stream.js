// @ts-check
// Keeps the page's live parts new over one event stream. A hidden tab has none: browsers allow six to a host.
// An element with `data-pages` names parts that not everybody who looks at the page has open; one with
// `data-events="tail=shop.events.g1"` adds that to what is asked. Each event but `panels` is passed on as
// `storepulse:NAME` on the document, its data parsed in `detail`. `storepulse:drawn` follows each round of
// replaced parts; `html[data-drawn]` is the newest event that is drawn, if the stream has brought one.
import { replace } from './part.js';

const { page = '', zone = '', against = '' } = document.body.dataset;
/** After so long without a word from the console the page says so; it is told that it lives every 3 s. */
const LOST_MS = 5_000;

/** @type {EventSource | null} */
let source = null;
/** The newest event that came, EPOCH.VERSION. */
let last = '';
let heard = Date.now();
let attempt = 0;
let paused = false;
/** Parts that came and are not drawn: the newest of each. @type {Map<string, string>} */
const pending = new Map();
let frame = 0;

function open() {
  if (source || document.hidden || !page) return;
  const parts = [page, ...[...document.querySelectorAll('[data-pages]')].map((element) => element.getAttribute('data-pages'))];
  const query = new URLSearchParams({ pages: parts.join(), tz: zone, against });
  for (const element of document.querySelectorAll('[data-events]')) {
    for (const [name, value] of new URLSearchParams(element.getAttribute('data-events') ?? '')) query.append(name, value);
  }
  if (last) query.set('last', last);
  const opened = new EventSource(`/events?${query}`);
  source = opened;
  const on = (/** @type {string} */ name, /** @type {(event: MessageEvent) => void} */ act) =>
    opened.addEventListener(name, (event) => {
      heard = Date.now();
      attempt = 0;
      if (event.lastEventId) last = event.lastEventId;
      act(event);
    });
  on('panels', (event) => {
    for (const { p, h } of JSON.parse(event.data)) pending.set(p, h);
    draw();
  });
  on('alive', () => {});
  on('signed-out', () => location.assign(`/sign-in?to=${encodeURIComponent(location.pathname + location.search)}`));
  for (const name of ['tail', 'orders', 'operation']) {
    on(name, (event) => document.dispatchEvent(new CustomEvent(`storepulse:${name}`, { detail: JSON.parse(event.data) })));
  }
  opened.addEventListener('error', () => {
    // A refusal ends it for good, a broken connection does not: the browser connects again by itself.
    if (opened.readyState !== EventSource.CLOSED || source !== opened) return;
    close();
    setTimeout(open, Math.min(15_000, 1_000 * 2 ** attempt++));
  });
}

function close() {
  source?.close();
  source = null;
}

function draw() {
  if (!frame && !paused) frame = requestAnimationFrame(() => {
    frame = 0;
    if (paused) return;
    for (const [id, html] of pending) replace(id, html);
    pending.clear();
    document.documentElement.dataset.drawn = last;
    document.dispatchEvent(new CustomEvent('storepulse:drawn'));
  });
}

/** Holds live parts back, or lets them go on. Ages count meanwhile. */
export function pause(hold = !paused) {
  paused = hold;
  document.documentElement.toggleAttribute('data-paused', paused);
  for (const button of document.querySelectorAll('button[data-pause]')) button.setAttribute('aria-pressed', String(paused));
  draw();
}

/** Says in the strip that nothing comes. */
function watch() {
  const strip = document.getElementById('strip');
  const lost = strip?.querySelector('.lost');
  if (document.hidden || Date.now() - heard < LOST_MS) {
    lost?.remove();
  } else if (strip && !lost) {
    const text = document.createElement('span');
    text.className = 'lost';
    text.role = 'status';
    text.dataset.kept = '';
    text.textContent = 'The console does not answer: what you see is as old as it says. Trying again.';
    strip.prepend(text);
  }
  // A connection that broke without a word is not noticed by the browser.
  if (source && !document.hidden && Date.now() - heard > 4 * LOST_MS) {
    heard += LOST_MS;
    close();
    open();
  }
}

document.addEventListener('visibilitychange', () => {
  if (document.hidden) return close();
  heard = Date.now();
  open();
});
// Else the page cannot be kept for going back to it.
addEventListener('pagehide', close);
addEventListener('pageshow', (event) => event.persisted && open());
if (document.getElementById('strip')) {
  setInterval(watch, 1_000);
  open();
}
