package pipeline

import (
	"fmt"
	"strings"
)

// Graph is a pipeline's shape, for pictures. It marshals to JSON.
type Graph struct {
	Pipeline string      `json:"pipeline"`
	Nodes    []GraphNode `json:"nodes"` // in the order in which they were added
	Edges    []GraphEdge `json:"edges"`
}

// GraphNode is a stage.
type GraphNode struct {
	Name        string `json:"name"`
	Kind        Kind   `json:"kind"`
	Description string `json:"description,omitempty"`
	Lanes       int    `json:"lanes"`
}

// GraphEdge is a stream between two stages, or, with After, an order between them.
type GraphEdge struct {
	From   string `json:"from"`
	To     string `json:"to"`
	Record string `json:"record,omitempty"` // the Go type of the records
	After  bool   `json:"after,omitempty"`
	Output string `json:"output,omitempty"` // which one of From: "0", "1", … of Split; "yes" or "no" of Partition
	Input  string `json:"input,omitempty"`  // which one of To: "a" or "b" of Via2
}

// label is what stands at the arrow.
func (e GraphEdge) label() string {
	if e.Output != "" && e.Input != "" {
		return e.Output + " to " + e.Input
	}
	return e.Output + e.Input
}

// Graph returns the pipeline's shape.
func (p *Pipeline) Graph() Graph {
	p.mu.Lock()
	defer p.mu.Unlock()
	g := Graph{Pipeline: p.name, Nodes: []GraphNode{}, Edges: []GraphEdge{}}
	for _, n := range p.nodes {
		g.Nodes = append(g.Nodes, GraphNode{Name: n.name, Kind: n.kind, Description: n.describe(), Lanes: n.lanes})
		for _, in := range n.inputs {
			for _, o := range in.origins {
				e := GraphEdge{From: o.node.name, To: n.name, Record: o.node.record.String(), Input: in.name}
				if len(o.node.ports) > 0 {
					e.Output = o.node.ports[o.port]
				}
				g.Edges = append(g.Edges, e)
			}
		}
		for _, o := range n.after {
			g.Edges = append(g.Edges, GraphEdge{From: o.name, To: n.name, After: true})
		}
	}
	return g
}

func (n *node) describe() string {
	if d, ok := n.value.(Describer); ok {
		return d.Describe()
	}
	return ""
}

// Mermaid returns the graph as a Mermaid flowchart (https://mermaid.js.org/syntax/flowchart.html),
// which GitHub and many editors draw.
func (g Graph) Mermaid() string {
	var b strings.Builder
	b.WriteString("flowchart LR\n")
	ids := g.ids()
	for _, n := range g.Nodes {
		left, right := "[", "]"
		switch n.Kind {
		case KindSource, KindRejects:
			left, right = "([", "])"
		case KindSink:
			left, right = "[(", ")]"
		case KindStep:
			left, right = "{{", "}}"
		}
		label := mermaidText(n.Name)
		if n.Description != "" {
			label += "<br/>" + mermaidText(n.Description)
		}
		fmt.Fprintf(&b, "    %s%s\"%s\"%s\n", ids[n.Name], left, label, right)
	}
	for _, e := range g.Edges {
		arrow := "-->"
		if e.After {
			arrow = "-.->"
		}
		if label := e.label(); label != "" {
			arrow += fmt.Sprintf("|%s|", mermaidText(label))
		}
		fmt.Fprintf(&b, "    %s %s %s\n", ids[e.From], arrow, ids[e.To])
	}
	return b.String()
}

// mermaidText escapes by Mermaid's entity codes, which have no & at the front.
var mermaidEscapes = strings.NewReplacer("#", "#35;", `"`, "#quot;", "<", "#lt;", ">", "#gt;", "\n", " ", "\r", " ", "`", "#96;")

func mermaidText(s string) string { return mermaidEscapes.Replace(s) }

// DOT returns the graph in Graphviz' language (https://graphviz.org/doc/info/lang.html).
func (g Graph) DOT() string {
	var b strings.Builder
	fmt.Fprintf(&b, "digraph %s {\n    rankdir=LR;\n", dotText(g.Pipeline))
	ids := g.ids()
	for _, n := range g.Nodes {
		shape := map[Kind]string{KindSource: "cds", KindSink: "cylinder", KindStep: "hexagon", KindRejects: "cds"}[n.Kind]
		if shape == "" {
			shape = "box"
		}
		label := n.Name
		if n.Description != "" {
			label += "\n" + n.Description
		}
		fmt.Fprintf(&b, "    %s [label=%s shape=%s];\n", ids[n.Name], dotText(label), shape)
	}
	for _, e := range g.Edges {
		style := ""
		if e.After {
			style = " [style=dashed]"
		}
		if label := e.label(); label != "" {
			style = fmt.Sprintf(" [label=%s]", dotText(label))
		}
		fmt.Fprintf(&b, "    %s -> %s%s;\n", ids[e.From], ids[e.To], style)
	}
	b.WriteString("}\n")
	return b.String()
}

func dotText(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", " ").Replace(s) + `"`
}

// ids gives each node a name that needs no quoting in either language.
func (g Graph) ids() map[string]string {
	ids := make(map[string]string, len(g.Nodes))
	for i, n := range g.Nodes {
		ids[n.Name] = fmt.Sprintf("n%d", i+1)
	}
	return ids
}
