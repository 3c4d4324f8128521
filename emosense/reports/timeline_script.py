"""The only script of the reports: a click in a timeline plays the recording from there, and a line shows the place.

From the keyboard, Tab reaches each line of a timeline, the arrow keys choose a bar, and Enter or Space plays it.

A page that has it allows it by its hash, and nothing else. Without scripts, a page shows the same and its players work.
"""

from __future__ import annotations

from typing import Final

SCRIPT: Final = """
(() => {
  const value = (element, name) => parseFloat(element.getAttribute(name));
  const play = (recording, time) => {
    const player = recording.querySelector('audio');
    if (!player) return;
    player.currentTime = time;
    player.play().catch(() => {});
  };
  document.addEventListener('click', event => {
    const jump = event.target.closest('[data-recording]');
    if (jump) {
      const recording = document.getElementById(jump.getAttribute('data-recording'));
      recording.scrollIntoView({block: 'start'});
      play(recording, value(jump, 'data-time'));
      return;
    }
    const plot = event.target.closest('.plot');
    if (!plot) return;
    const box = plot.getBoundingClientRect();
    const bar = event.target.closest('.bar');
    const share = bar ? value(bar, 'x') / 100 : (event.clientX - box.left) / box.width;
    play(plot.closest('.recording'), value(plot, 'data-from') + share * value(plot, 'data-span'));
  });
  document.addEventListener('keydown', event => {
    const bar = event.target.closest('.bar');
    if (!bar) return;
    const bars = [...bar.closest('.plot').querySelectorAll('.bar')];
    const steps = {ArrowLeft: -1, ArrowRight: 1, Home: -bars.length, End: bars.length};
    if (event.key in steps) {
      const place = Math.min(Math.max(bars.indexOf(bar) + steps[event.key], 0), bars.length - 1);
      bar.setAttribute('tabindex', -1);
      bars[place].setAttribute('tabindex', 0);
      bars[place].focus();
    } else if (event.key === 'Enter' || event.key === ' ') {
      const plot = bar.closest('.plot');
      const time = value(plot, 'data-from') + value(bar, 'x') / 100 * value(plot, 'data-span');
      play(plot.closest('.recording'), time);
    } else return;
    event.preventDefault();
  });
  for (const recording of document.querySelectorAll('.recording')) {
    const player = recording.querySelector('audio');
    if (!player) continue;
    for (const plot of recording.querySelectorAll('.plot')) {
      plot.querySelectorAll('.bar').forEach((bar, place) => {
        bar.setAttribute('role', 'button');
        bar.setAttribute('tabindex', place ? -1 : 0);
      });
    }
    const show = () => {
      for (const plot of recording.querySelectorAll('.plot')) {
        const share = (player.currentTime - value(plot, 'data-from')) / value(plot, 'data-span');
        const cursor = plot.querySelector('.cursor');
        cursor.setAttribute('visibility', share >= 0 && share < 1 ? 'visible' : 'hidden');
        for (const name of ['x1', 'x2']) cursor.setAttribute(name, 100 * share + '%');
      }
    };
    player.addEventListener('timeupdate', show);
    player.addEventListener('seeking', show);
  }
})();
"""
