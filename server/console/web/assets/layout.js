// Where the stages of a graph stand: in layers along the flow, ordered so that few edges cross.

/**
 * layout places nodes (names) and edges ({from, to}). It returns the boxes' centres along (by layer) and across the
 * flow, and for each edge the nodes that it passes. sizeOf says how much room a node takes across; gap is between nodes;
 * most is how much room there is.
 * Long edges get a dummy node in each layer that they pass, so that they too have a place.
 */
export function layout(names, edges, sizeOf, gap, most = Infinity) {
  const rank = ranks(names, edges);
  const nodes = new Map(names.map((name) => [name, { name, rank: rank.get(name), size: sizeOf(name), prev: [], next: [] }]));
  const paths = [];
  for (const edge of edges) {
    const chain = [nodes.get(edge.from)];
    const end = nodes.get(edge.to);
    for (let r = chain[0].rank + 1; r < end.rank; r++) chain.push({ rank: r, size: 0, prev: [], next: [] });
    chain.push(end);
    for (let i = 1; i < chain.length; i++) {
      chain[i - 1].next.push(chain[i]);
      chain[i].prev.push(chain[i - 1]);
    }
    paths.push({ edge, chain });
  }
  const layers = [];
  for (const n of new Set([...nodes.values(), ...paths.flatMap((p) => p.chain)])) (layers[n.rank] ||= []).push(n);
  order(layers);
  place(layers, gap, most);
  return { nodes, paths, depth: layers.length, breadth: Math.max(...layers.flat().map((n) => n.at + n.size / 2)) };
}

// ranks is the longest way from a source to each node.
function ranks(names, edges) {
  const rank = new Map(names.map((n) => [n, 0]));
  for (let round = 0; round < names.length; round++) { // a graph without cycles needs no more rounds than nodes
    let moved = false;
    for (const { from, to } of edges) {
      if (rank.get(to) > rank.get(from)) continue;
      rank.set(to, rank.get(from) + 1);
      moved = true;
    }
    if (!moved) break;
  }
  return rank;
}

const indexIn = (layer) => layer.forEach((n, i) => { n.i = i; });

function crossings(layers) {
  let total = 0;
  layers.forEach(indexIn);
  for (const layer of layers) {
    const ends = layer.flatMap((n) => n.next.map((m) => [n.i, m.i]));
    for (let a = 0; a < ends.length; a++) for (let b = a + 1; b < ends.length; b++) {
      if ((ends[a][0] - ends[b][0]) * (ends[a][1] - ends[b][1]) < 0) total++;
    }
  }
  return total;
}

// order sorts each layer by the mean place of its neighbours, back and forth, then swaps neighbours while that helps.
function order(layers) {
  layers.forEach(indexIn);
  const save = () => layers.map((l) => [...l]);
  let best = save();
  let least = crossings(layers);
  for (let sweep = 0; sweep < 8 && least; sweep++) {
    const side = sweep % 2 ? 'next' : 'prev';
    for (const layer of sweep % 2 ? [...layers].reverse() : layers) {
      const mean = new Map(layer.map((n) => [n, n[side].length ? n[side].reduce((s, m) => s + m.i, 0) / n[side].length : n.i]));
      layer.sort((a, b) => mean.get(a) - mean.get(b));
      indexIn(layer);
    }
    const now = crossings(layers);
    if (now < least) [least, best] = [now, save()];
  }
  best.forEach((l, r) => { layers[r] = l; });
  if (layers.some((l) => l.length > 40)) return; // swapping one by one would take too long
  for (let helped = least > 0; helped;) {
    helped = false;
    for (const layer of layers) for (let i = 0; i + 1 < layer.length; i++) {
      [layer[i], layer[i + 1]] = [layer[i + 1], layer[i]];
      const now = crossings(layers);
      if (now < least) [least, helped] = [now, true];
      else [layer[i], layer[i + 1]] = [layer[i + 1], layer[i]];
    }
  }
}

// place gives each node its centre across the flow: as near to its neighbours as the order and the gap allow.
function place(layers, gap, most) {
  const dense = () => {
    for (const layer of layers) {
      let at = -(layer.reduce((s, n) => s + n.size + gap, -gap)) / 2;
      for (const n of layer) {
        n.at = at + n.size / 2;
        at += n.size + gap;
      }
    }
  };
  dense();
  const mean = (list) => list.reduce((s, m) => s + m.at, 0) / list.length;
  for (let sweep = 0; sweep < 8; sweep++) {
    const side = sweep % 2 ? 'next' : 'prev';
    for (const layer of sweep % 2 ? [...layers].reverse() : layers) {
      const want = layer.map((n) => (n[side].length ? mean(n[side]) : n.at));
      layer.forEach((n, i) => {
        const before = layer[i - 1];
        n.at = before ? Math.max(want[i], before.at + (before.size + n.size) / 2 + gap) : want[i];
      });
      const shift = layer.reduce((s, n, i) => s + want[i] - n.at, 0) / layer.length;
      for (const n of layer) n.at += shift;
    }
  }
  const ends = layers.flat().flatMap((n) => [n.at - n.size / 2, n.at + n.size / 2]);
  if (Math.max(...ends) - Math.min(...ends) > most) dense(); // narrower, if less straight
  const top = Math.min(...layers.flat().map((n) => n.at - n.size / 2));
  for (const n of layers.flat()) n.at -= top;
}

/** components splits a graph into its parts that are not connected, in the order of their first nodes. */
export function components(names, edges) {
  const part = new Map(names.map((n) => [n, n]));
  const find = (n) => {
    while (part.get(n) !== n) n = part.get(n);
    return n;
  };
  for (const { from, to } of edges) part.set(find(to), find(from));
  const groups = new Map();
  for (const n of names) {
    if (!groups.has(find(n))) groups.set(find(n), []);
    groups.get(find(n)).push(n);
  }
  return [...groups.values()].map((group) => ({ names: group, edges: edges.filter((e) => group.includes(e.from)) }));
}
