// The graph of a pipeline, left to right (top to bottom where it is narrow), with the figures of a run on it.

import { h, svg, keyed, text, attrs } from './dom.js';
import { count, duration, plural, short } from './format.js';
import { icon, known } from './states.js';
import { layout } from './layout.js';
import { took } from './time.js';

const WIDE = { w: 216, h: 76, along: 56, across: 16 };
const NARROW = { w: 152, h: 76, along: 36, across: 12 };

/** graphView shows graphs; linkOf(stage) is where a stage leads to, or null. */
export function graphView(linkOf) {
  const edges = svg('svg', { class: 'edges', 'aria-hidden': 'true' });
  const boxes = h('ol', { class: 'boxes' });
  const canvas = h('div', { class: 'graph-canvas' }, edges, boxes);
  const el = h('section', { class: 'graph', 'aria-label': 'Graph of the stages', tabindex: 0 }, canvas);
  let graph = { nodes: [], edges: [] };
  let report = null;
  let drawn = '';
  let places = null;

  function draw() {
    const down = el.clientWidth < 640;
    const now = JSON.stringify([graph, down, down && el.clientWidth]);
    if (el.clientWidth && now !== drawn) {
      drawn = now;
      arrange(down);
    }
    figures();
  }

  function arrange(down) {
    const box = down ? { ...NARROW } : WIDE;
    const names = graph.nodes.map((n) => n.name);
    const sound = graph.edges.filter((e) => names.includes(e.from) && names.includes(e.to));
    const size = down ? box.w : box.h;
    places = layout(names, sound, () => size, box.across);
    const breadth = Math.max(0, ...places.breadth);
    const step = (down ? box.h : box.w) + box.along;
    const margin = down ? Math.max(0, (el.clientWidth - breadth) / 2) : 0;
    const across = (n) => n.at + margin;
    const [width, height] = down ? [breadth + 2 * margin, places.depth * step - box.along] : [places.depth * step - box.along, breadth];
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    attrs(edges, { width, height, viewBox: `0 0 ${width} ${height}` });
    keyed(boxes, graph.nodes, (n) => n.name, makeBox, (item, node) => {
      const n = places.nodes.get(node.name);
      item.style.left = `${down ? across(n) - box.w / 2 : n.rank * step}px`;
      item.style.top = `${down ? n.rank * step : n.at - box.h / 2}px`;
      item.style.width = `${box.w}px`;
    });
    // An edge leaves a box in the middle of its side, passes through its dummies, and ends with an arrow.
    edges.replaceChildren(...places.paths.map(({ edge, chain }) => {
      const long = down ? box.h : box.w;
      let d = '';
      chain.forEach((n, i) => {
        const enter = n.rank * step;
        const points = i === 0 ? [[enter + long, across(n)]] : n.size ? [[enter - 7, across(n)]] : [[enter, across(n)], [enter + long, across(n)]];
        for (const [along, off] of points) {
          const p = down ? [off, along] : [along, off];
          if (!d) d = `M${p}`;
          else if (points.length === 2 && along > enter) d += `L${p}`;
          else {
            const mid = along - (i === chain.length - 1 ? box.along - 7 : box.along) / 2;
            const from = last;
            d += down ? `C${from[0]} ${mid} ${p[0]} ${mid} ${p}` : `C${mid} ${from[1]} ${mid} ${p[1]} ${p}`;
          }
          last = p;
        }
      });
      const [x, y] = last;
      const head = down ? `M${x} ${y + 7}l-5 -8h10Z` : `M${x + 7} ${y}l-8 -5v10Z`;
      const group = svg('g', { class: 'edge' + (edge.after ? ' after' : '') }, svg('path', { d, fill: 'none' }), svg('path', { class: 'head', d: head }));
      group.edge = edge;
      return group;
    }));
  }
  let last = [0, 0];

  function makeBox(node) {
    const item = h('li', { class: 'box' });
    item.parts = {
      icon: h('span', { class: 'box-icon' }), name: h('b', { class: 'cut' }), slow: h('span', { class: 'slow', hidden: true }, 'slowest'),
      what: h('span', { class: 'cut what' }), rows: h('span', { class: 'rows' }), rejects: h('span', { class: 'rejected' }),
    };
    const p = item.parts;
    const kids = [h('span', { class: 'line' }, p.icon, p.name, p.slow), p.what, h('span', { class: 'line' }, p.rows, p.rejects)];
    item.face = h(linkOf(node.name) ? 'a' : 'div', { class: 'face' }, kids);
    item.append(item.face);
    return item;
  }

  function figures() {
    const stages = new Map((report?.stages || []).map((s) => [s.name, s]));
    const slow = slowest(report, graph);
    for (const node of graph.nodes) {
      const item = boxes.keyedChildren?.get(node.name);
      if (!item) continue;
      const s = stages.get(node.name);
      const p = item.parts;
      const state = s?.state || 'none';
      if (item.dataset.state !== state) {
        item.dataset.state = state;
        item.className = `box k-${/^[a-z]+$/.test(node.kind) ? node.kind : 'other'} b-${s ? known(s.state) : 'none'}`;
        p.icon.replaceChildren(s ? icon(s.state) : '');
      }
      text(p.name, node.name + (node.lanes > 1 ? ` ×${node.lanes}` : ''));
      text(p.what, node.description || node.kind);
      text(p.rows, s ? rowWords(s) : '');
      text(p.rejects, s?.rejects ? `${count(s.rejects)} rejected` : '');
      p.slow.hidden = node.name !== slow;
      const words = [node.name, node.kind, node.description, s?.state, s && rowWords(s), s?.rejects && `${count(s.rejects)} rejected`,
        s && `worked ${duration(s.working_ms)}, waited ${duration(s.waiting_in_ms)} for input and ${duration(s.waiting_out_ms)} for output`,
        node.name === slow && 'the slowest stage', s?.error].filter(Boolean).join(', ');
      attrs(item.face, { href: linkOf(node.name), title: words });
    }
    for (const group of edges.children) {
      const from = stages.get(group.edge.from);
      const to = stages.get(group.edge.to);
      const rows = group.edge.after ? 0 : from?.records_out || 0;
      group.style.setProperty('--w', rows ? Math.min(6, 1.5 + Math.log10(rows) * 0.6).toFixed(1) : 1.5);
      group.classList.toggle('flows', from?.state === 'running' && to?.state === 'running');
      group.classList.toggle('torn', from?.state === 'failed' || to?.state === 'failed');
      group.classList.toggle('dead-letters', graph.nodes.some((n) => n.name === group.edge.from && n.kind === 'rejects'));
    }
  }

  new ResizeObserver(draw).observe(el);
  return {
    el,
    update(nextGraph, nextReport) {
      graph = nextGraph || graph;
      report = nextReport;
      draw();
    },
  };
}

/** rowWords says how many rows a stage has read or written, and how fast. */
export function rowWords(s) {
  const rows = Math.max(s.records_in, s.records_out);
  const rate = rows / (took(s) / 1000);
  const sum = s.records_in && s.records_out && s.records_in !== s.records_out
    ? `${count(s.records_in)} → ${count(s.records_out)} rows` : rows || s.state !== 'pending' ? plural(rows, 'row') : '';
  return s.kind === 'step' ? (s.started_at ? duration(took(s)) : '') : rows && isFinite(rate) && rate >= 1 ? `${sum}, ${short(Math.round(rate))}/s` : sum;
}

/** slowest is the name of the stage that limits the run: most time working while its neighbours wait. */
export function slowest(report, graph) {
  const stages = (report?.stages || []).filter((s) => s.kind !== 'rejects');
  if (stages.length < 2) return null;
  const by = new Map(stages.map((s) => [s.name, s]));
  const working = (s) => s.working_ms / (s.lanes || 1);
  const [first, second] = [...stages].sort((a, b) => working(b) - working(a));
  if (working(first) < 20 || working(first) < 1.2 * working(second)) return null; // nobody is
  const waits = (graph?.edges || []).some((e) =>
    (e.to === first.name && by.get(e.from)?.waiting_out_ms > 0) || (e.from === first.name && by.get(e.to)?.waiting_in_ms > 0));
  return waits ? first.name : null;
}
