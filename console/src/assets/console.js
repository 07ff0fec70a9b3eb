// @ts-check
// What every page runs, and what it is whole without: choices that take effect at once, keys, what folds.
// Live parts are `stream.js`; charts come with a library, which pages without them do not load.
import { pause } from './stream.js';

const charts = () => document.querySelector('figure.chart') && import('./chart.js');
document.addEventListener('storepulse:drawn', charts);
charts();

// What may follow an operation is drawn by the server when it has ended.
document.addEventListener('storepulse:drawn', () => document.querySelector('main:has([data-then]) [data-ended]') && location.reload());

document.addEventListener('change', ({ target }) => {
  if (target instanceof HTMLElement) target.closest('form')?.matches('[data-submit=change]') && target.closest('form')?.requestSubmit();
});

document.addEventListener('click', ({ target }) => {
  if (!(target instanceof Element)) return;
  for (const menu of document.querySelectorAll('details.menu[open]')) {
    if (!menu.contains(target)) menu.removeAttribute('open');
  }
  if (target.closest('button[data-pause]')) pause();
  const opens = target.closest('button[data-opens]')?.getAttribute('data-opens');
  if (opens) dialog(opens)?.showModal();
  const copy = target.closest('button[data-copy]');
  const text = copy && document.getElementById(copy.getAttribute('data-copy') ?? '')?.textContent;
  if (copy && text) navigator.clipboard.writeText(text).then(() => (copy.textContent = 'copied'));
});

const dialog = (/** @type {string} */ id) => /** @type {HTMLDialogElement | null} */ (document.querySelector(`dialog#${CSS.escape(id)}`));

document.addEventListener('keydown', (event) => {
  if (event.key === 'Escape') {
    const menu = document.querySelector('details.menu[open]');
    menu?.removeAttribute('open');
    menu?.querySelector('summary')?.focus();
  }
  const { target } = event;
  const writing = target instanceof HTMLElement && target.matches('input, select, textarea, [contenteditable]');
  if (writing || event.ctrlKey || event.metaKey || event.altKey || document.querySelector('dialog[open]')) return;
  const field = /** @type {HTMLElement | null} */ (document.querySelector('main [data-filter], main input[type=search], main form.bar :is(input, select)'));
  if (event.key === 'p' && document.querySelector('button[data-pause]')) pause();
  else if (event.key === '/' && field) field.focus();
  else if (event.key === '?') dialog('keys')?.showModal();
  else return;
  event.preventDefault();
});
