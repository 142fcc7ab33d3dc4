// The graph of a pipeline, left to right (top to bottom where it is narrow), with the figures of a run on it.

import { h, svg, keyed, text, attrs } from './dom.js';
import { count, duration, plural, short } from './format.js';
import { icon, known } from './states.js';
import { components, layout } from './layout.js';
import { took } from './time.js';

const WIDE = { w: 248, h: 76, along: 56, across: 16 };
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

  function draw() {
    const down = el.clientWidth < 640;
    const now = JSON.stringify([graph, down, down && el.clientWidth]);
    if (el.clientWidth && graph.nodes.length && now !== drawn) {
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
    const step = (down ? box.h : box.w) + box.along;
    const room = down ? el.clientWidth - 8 : Infinity;
    const parts = components(names, sound).map((c) => layout(c.names, c.edges, () => size, box.across, room));
    const breadth = Math.max(...parts.map((p) => p.breadth));
    // Parts stand below each other. Where a node is: along and across the flow of its part, from the part's place.
    let [width, height] = [0, 0];
    for (const p of parts) {
      const length = p.depth * step - box.along;
      p.x = down ? Math.max(0, (Math.max(breadth, room) - p.breadth) / 2) : 0;
      p.y = height ? height + box.across + (down ? 12 : 0) : 0;
      width = Math.max(width, down ? p.x + p.breadth : length);
      height = p.y + (down ? length : p.breadth);
    }
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    attrs(edges, { width, height, viewBox: `0 0 ${width} ${height}` });
    keyed(boxes, graph.nodes, (n) => n.name, makeBox, (item, node) => {
      const p = parts.find((q) => q.nodes.has(node.name));
      const n = p.nodes.get(node.name);
      item.style.left = `${p.x + (down ? n.at - box.w / 2 : n.rank * step)}px`;
      item.style.top = `${p.y + (down ? n.rank * step : n.at - box.h / 2)}px`;
      item.style.width = `${box.w}px`;
    });
    // An edge leaves a box in the middle of its side, passes through its dummies, and ends with an arrow.
    const long = down ? box.h : box.w;
    edges.replaceChildren(...parts.flatMap((p) => p.paths.map(({ edge, chain }) => {
      const point = (along, across) => (down ? [p.x + across, p.y + along] : [p.x + along, p.y + across]);
      let at = point(chain[0].rank * step + long, chain[0].at);
      let d = `M${at}`;
      for (const n of chain.slice(1)) {
        const end = n === chain.at(-1);
        const to = point(n.rank * step - (end ? 7 : 0), n.at);
        const mid = down ? (at[1] + to[1]) / 2 : (at[0] + to[0]) / 2;
        d += down ? `C${at[0]} ${mid} ${to[0]} ${mid} ${to}` : `C${mid} ${at[1]} ${mid} ${to[1]} ${to}`;
        at = to;
        if (!end) d += `L${at = point(n.rank * step + long, n.at)}`;
      }
      const head = down ? `M${at[0]} ${at[1] + 7}l-5 -8h10Z` : `M${at[0] + 7} ${at[1]}l-8 -5v10Z`;
      const group = svg('g', { class: 'edge' + (edge.after ? ' after' : '') }, svg('path', { d, fill: 'none' }), svg('path', { class: 'head', d: head }));
      group.edge = edge;
      return group;
    })));
  }

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
