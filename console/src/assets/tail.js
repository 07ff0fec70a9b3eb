// @ts-check
// Follows a topic: rows come as markup over a stream of their own, newest on top. Pausing closes the stream
// and keeps the rows.
import { parse, tell } from './part.js';

/** As many rows stay on the page. */
const KEPT = 500;

const place = document.getElementById('tail');
const button = place?.querySelector('[data-tail-button]');
const state = place?.querySelector('[data-tail-state]');
const rows = place?.querySelector('[data-tail-rows]');

/** @type {EventSource | null} */
let source = null;
/** Whether it is to be open when the page is seen. */
let wanted = false;
let shown = 0;
let skipped = 0;

/** @param {string} text */
const say = (text) => {
  if (state) state.textContent = text;
};

const count = (/** @type {number} */ number) => number.toLocaleString('en-US');

function told() {
  const missed = skipped ? `, ${count(skipped)} more came too fast to be shown` : '';
  return `${count(shown)} shown${missed}.`;
}

/** @param {{ html: string, skipped: number, ended: string | null }} news */
function draw(news) {
  if (!rows) return;
  const part = parse(news.html);
  shown += part.childElementCount;
  skipped += news.skipped;
  rows.prepend(part);
  while (rows.childElementCount > KEPT) rows.lastElementChild?.remove();
  for (const time of rows.querySelectorAll('li:first-child time[data-age]')) tell(/** @type {HTMLTimeElement} */ (time));
  if (news.ended) {
    stop();
    say(`Kafka ended it: ${news.ended}. ${told()}`);
  } else {
    say(`Following. ${told()}`);
  }
}

function open() {
  if (source || document.hidden || !(place instanceof HTMLElement)) return;
  const opened = new EventSource(place.dataset.tail ?? '');
  source = opened;
  opened.addEventListener('open', () => say(`Following: what comes in shows here. ${told()}`));
  opened.addEventListener('rows', (event) => draw(JSON.parse(event.data)));
  opened.addEventListener('signed-out', () => location.assign(`/sign-in?to=${encodeURIComponent(location.pathname + location.search)}`));
  opened.addEventListener('error', () => {
    if (opened.readyState === EventSource.CLOSED) {
      stop();
      say(`It was refused: too much is followed at once, or the console is away. ${told()}`);
    } else {
      say(`The console does not answer: trying again. ${told()}`);
    }
  });
}

function close() {
  source?.close();
  source = null;
}

function stop() {
  wanted = false;
  close();
  button?.setAttribute('aria-pressed', 'false');
  if (button) button.textContent = 'Tail';
}

function toggle() {
  if (wanted) {
    stop();
    say(`Paused: the rows stay. ${told()}`);
    return;
  }
  wanted = true;
  if (rows instanceof HTMLElement) rows.hidden = false;
  button?.setAttribute('aria-pressed', 'true');
  if (button) button.textContent = 'Pause';
  open();
}

button?.addEventListener('click', toggle);
// A hidden tab holds no connection: browsers allow six to a host.
document.addEventListener('visibilitychange', () => {
  if (document.hidden) close();
  else if (wanted) open();
});
addEventListener('pagehide', close);
if (place) place.hidden = false;
