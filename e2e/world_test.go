package e2e

import (
	"fmt"
	"slices"
	"time"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/runs"
)

// hostile is what must appear as text everywhere.
const hostile = `<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>&lt;b>`

const salesName = "sde_gul_etl"

func idOf(n int) string { return fmt.Sprintf("0190a1b2-0000-7000-8000-%012d", n) }

func record(n int, pipelineName string, state runs.State, at time.Time) *runs.Record {
	r := &runs.Record{
		ID: idOf(n), Pipeline: pipelineName, State: state, Attempt: 1, LogicalDate: at.Truncate(24 * time.Hour).UTC(), Params: runs.Values{"max_rejects": "0"},
		Cause: runs.CauseTrigger, By: "api", Worker: "backend-2", CreatedAt: at.Add(-20 * time.Millisecond).UTC(), StartedAt: at.UTC(),
	}
	if state == runs.Queued {
		r.Attempt, r.StartedAt, r.Worker = 0, time.Time{}, ""
	}
	return r
}

// finish ends a run after so long, with a report.
func finish(r *runs.Record, after time.Duration, report *pipeline.Report) *runs.Record {
	r.EndedAt = r.StartedAt.Add(after)
	r.Report = report
	r.Attempts = []runs.Attempt{{Attempt: 1, State: r.State, Worker: r.Worker, StartedAt: r.StartedAt, EndedAt: r.EndedAt, Error: r.Error}}
	return r
}

var salesGraph = pipeline.Graph{
	Pipeline: salesName,
	Nodes: []pipeline.GraphNode{
		{Name: "extract_csv", Kind: pipeline.KindSource, Description: "CSV in_store_sales.csv", Lanes: 2},
		{Name: "load_in_store", Kind: pipeline.KindSink, Description: "Postgres in_store_sales, replace", Lanes: 1},
		{Name: "extract_postgres", Kind: pipeline.KindSource, Description: "Postgres online_sales", Lanes: 1},
		{Name: "transform", Kind: pipeline.KindTransform, Description: "sum by product", Lanes: 1},
		{Name: "load", Kind: pipeline.KindSink, Description: "Postgres aggregated_sales, replace", Lanes: 1},
		{Name: "rejects", Kind: pipeline.KindRejects, Lanes: 1},
		{Name: "keep_rejects", Kind: pipeline.KindSink, Description: "Postgres sales_rejects, append", Lanes: 1},
	},
	Edges: []pipeline.GraphEdge{
		{From: "extract_csv", To: "load_in_store"}, {From: "extract_csv", To: "transform"}, {From: "extract_postgres", To: "transform"},
		{From: "transform", To: "load"}, {From: "rejects", To: "keep_rejects"},
	},
}

// salesReport is how a run of the sales job went, or goes: share is how far it is.
func salesReport(start time.Time, share float64, state pipeline.RunState) *pipeline.Report {
	ms := func(n float64) time.Duration { return time.Duration(n * share * float64(time.Millisecond)) }
	n := func(n float64) int64 { return int64(n * share) }
	at := func(ms float64) time.Time { return start.Add(time.Duration(ms * float64(time.Millisecond))) }
	report := &pipeline.Report{Pipeline: salesName, State: state, Attempt: 1, StartedAt: start, Rejects: n(12), Stages: []pipeline.StageReport{
		{Name: "extract_csv", Kind: pipeline.KindSource, Description: "CSV in_store_sales.csv", Lanes: 2, RecordsOut: n(7105), Rejects: n(12), Working: ms(900), WaitingOut: ms(9000), StartedAt: at(2), EndedAt: at(5200)},
		{Name: "load_in_store", Kind: pipeline.KindSink, Lanes: 1, RecordsIn: n(7105), Working: ms(1200), WaitingIn: ms(4400), StartedAt: at(2), EndedAt: at(5600)},
		{Name: "extract_postgres", Kind: pipeline.KindSource, Lanes: 1, RecordsOut: n(7105), Working: ms(800), WaitingOut: ms(3000), StartedAt: at(4), EndedAt: at(3900)},
		{Name: "transform", Kind: pipeline.KindTransform, Lanes: 1, RecordsIn: n(14210), RecordsOut: n(996), Working: ms(6100), WaitingIn: ms(100), WaitingOut: ms(300), StartedAt: at(4), EndedAt: at(6700)},
		{Name: "load", Kind: pipeline.KindSink, Lanes: 1, RecordsIn: n(996), Working: ms(500), WaitingIn: ms(6600), StartedAt: at(4), EndedAt: at(7200)},
		{Name: "rejects", Kind: pipeline.KindRejects, Lanes: 1, RecordsOut: n(12), StartedAt: at(2), EndedAt: at(5300)},
		{Name: "keep_rejects", Kind: pipeline.KindSink, Lanes: 1, RecordsIn: n(12), Working: ms(10), WaitingIn: ms(5200), StartedAt: at(2), EndedAt: at(5400)},
	}}
	for i := range report.Stages {
		s := &report.Stages[i]
		s.State = pipeline.StateSucceeded
		if state == pipeline.StateRunning {
			s.State, s.EndedAt = pipeline.StateRunning, time.Time{}
		}
	}
	if state == pipeline.StateSucceeded {
		report.EndedAt = at(8100)
	}
	if state == pipeline.StateFailed {
		report.EndedAt = at(7300)
		for i := range report.Stages {
			report.Stages[i].State = pipeline.StateCancelled
		}
		report.Stages[4].State = pipeline.StateFailed
	}
	return report
}

const narrowColumn = `sde_gul_etl: load: postgres: table "aggregated_sales": column "total_quantity" is integer, needs bigint`

// world fills the fake with two pipelines and their past.
func (f *fake) world() {
	now := time.Now()
	graph := salesGraph
	graph.Nodes = slices.Clone(graph.Nodes) // a test may change them
	f.pipelines = []runs.PipelineInfo{
		{Name: "nightly_rollup", Description: "Sums up the sales online of the day before the logical date, in daily_online_sales.", Schedule: "0 2 * * *", CatchUp: runs.CatchUpLast, MaxActive: 4,
			NextDue: now.Add(13 * time.Hour).UTC(), Params: []runs.Param{}, Graph: pipeline.Graph{Pipeline: "nightly_rollup", Nodes: []pipeline.GraphNode{{Name: "extract", Kind: pipeline.KindSource, Description: "Postgres online_sales", Lanes: 1}, {Name: "load", Kind: pipeline.KindSink, Description: "Postgres daily_online_sales, upsert", Lanes: 1}}, Edges: []pipeline.GraphEdge{{From: "extract", To: "load"}}}},
		{Name: salesName, Description: "Sums up sales in stores (a CSV file) and online (table online_sales) by product, in aggregated_sales.", MaxActive: 1, Graph: graph,
			Params: []runs.Param{
				{Name: "max_rejects", Type: runs.Int, Default: "0", Description: "how many records may be set aside before the run fails; -1 is no limit"},
				{Name: "mode", Type: runs.Enum, Values: []string{"replace", "append"}, Default: "replace"},
				{Name: "dry", Type: runs.Bool, Default: "false", Description: "reads, and writes nothing"},
			}},
	}
	for i := range 24 {
		start := now.Add(-time.Duration(i)*27*time.Minute - 4*time.Minute)
		r := record(500-i, salesName, runs.Succeeded, start)
		took := time.Duration(7200+i*377%2900) * time.Millisecond
		switch i {
		case 3:
			r.State, r.Error = runs.Failed, narrowColumn
			finish(r, took, salesReport(start, 0.6, pipeline.StateFailed))
		case 7:
			r.State, r.Reason = runs.Cancelled, "cancelled by api"
			finish(r, took/3, salesReport(start, 0.2, pipeline.StateFailed))
		default:
			finish(r, took, salesReport(start, 1, pipeline.StateSucceeded))
		}
		r.Rejects = r.Report.Rejects
		f.records = append(f.records, r)
	}
	for i := range 12 {
		start := now.Add(-time.Duration(i*24+11) * time.Hour)
		r := record(300-i, "nightly_rollup", runs.Succeeded, start)
		r.Cause, r.By = runs.CauseSchedule, ""
		f.records = append(f.records, finish(r, time.Duration(41+i%3)*time.Second, &pipeline.Report{State: pipeline.StateSucceeded, StartedAt: start, EndedAt: r.StartedAt.Add(41 * time.Second), Stages: []pipeline.StageReport{
			{Name: "extract", Kind: pipeline.KindSource, State: pipeline.StateSucceeded, Lanes: 1, RecordsOut: 90_000, StartedAt: start, EndedAt: start.Add(39 * time.Second), Working: 30 * time.Second, WaitingOut: 9 * time.Second},
			{Name: "load", Kind: pipeline.KindSink, State: pipeline.StateSucceeded, Lanes: 1, RecordsIn: 90_000, StartedAt: start, EndedAt: start.Add(40 * time.Second), Working: 20 * time.Second, WaitingIn: 20 * time.Second},
		}}))
	}
	slices.SortFunc(f.records, func(a, b *runs.Record) int { return b.CreatedAt.Compare(a.CreatedAt) })
	f.logs[idOf(500)] = salesLog(f.run(idOf(500)).StartedAt, 1800)
	f.logs[idOf(497)] = append(salesLog(f.run(idOf(497)).StartedAt, 40), runs.LogLine{ID: 41, Time: now, Attempt: 1, Stage: "load", Level: "error", Message: narrowColumn})
	f.rejects[idOf(500)] = rejects{Total: 12, Kept: 12, Reasons: map[string]int64{"is not an integer": 9, "is not a date": 3}, Items: []reject{
		{Stage: "extract_csv", Source: "in_store_sales.csv", Line: 1107, Column: "quantity", Value: "abc", Reason: "is not an integer", Raw: "S-1107,Earl Grey Tea,abc,4.90,2025-03-14\r\n",
			Record: map[string]any{"id": "S-1107", "product": "Earl Grey Tea"}},
		{Stage: "extract_csv", Source: "in_store_sales.csv", Line: 2210, Column: "sale_date", Value: "14.3.2025", Reason: "is not a date", Raw: "S-2210,Café Crème Beans,3,12.90,14.3.2025\r\n"},
	}}
	for i, product := range []string{"Leather Belt, navy, L", "Merino Jumper, écru, M", `Frying Pan "Pro"`, "Monitor Arm, black", "Chef's Knife, 8\"", "Roasting Tin, carbon steel", "Raincoat Outlet", "Stoneware Mug, set of 6, boxed", "Desk Lamp, 3 m", "Mortar & Pestle Set"} {
		f.sales = append(f.sales, map[string]any{"product": product, "total_quantity": 900 - 31*i, "total_revenue": 48210.75 - 3120.4*float64(i)})
	}
	f.data = []map[string]any{{"id": 1, "name": "Sude"}, {"id": 2, "name": "Airflow"}, {"id": 3, "name": "Docker"}}
}

func salesLog(start time.Time, n int) (lines []runs.LogLine) {
	stages := []string{"", "extract_csv", "extract_postgres", "transform", "load"}
	for i := range n {
		l := runs.LogLine{ID: int64(i + 1), Time: start.Add(time.Duration(i) * 4 * time.Millisecond), Attempt: 1, Stage: stages[i%5], Level: "info", Message: fmt.Sprintf("line %d: a batch was passed on", i+1), Fields: map[string]string{"records": "512"}}
		if i%50 == 7 {
			l.Level, l.Message = "warn", fmt.Sprintf("line %d: a record was set aside: column \"quantity\": \"abc\" is not an integer", i+1)
		}
		lines = append(lines, l)
	}
	return lines
}

// giant is a pipeline of 30 stages with 1,000 runs.
func (f *fake) giant() {
	g := pipeline.Graph{Pipeline: "giant"}
	var names []string
	for i := range 30 {
		kind := pipeline.KindTransform
		if i < 5 {
			kind = pipeline.KindSource
		} else if i >= 25 {
			kind = pipeline.KindSink
		}
		names = append(names, fmt.Sprintf("stage_%02d", i))
		g.Nodes = append(g.Nodes, pipeline.GraphNode{Name: names[i], Kind: kind, Description: "a stage", Lanes: 1})
		if i >= 5 {
			g.Edges = append(g.Edges, pipeline.GraphEdge{From: names[i-5], To: names[i]})
		}
	}
	f.pipelines = append(f.pipelines, runs.PipelineInfo{Name: "giant", MaxActive: 1, Params: []runs.Param{}, Graph: g})
	for i := range 1000 {
		start := time.Now().Add(-time.Duration(i+1) * time.Minute)
		r := record(9999-i, "giant", runs.Succeeded, start)
		report := &pipeline.Report{State: pipeline.StateSucceeded, StartedAt: start, EndedAt: start.Add(30 * time.Second)}
		for j, name := range names {
			report.Stages = append(report.Stages, pipeline.StageReport{Name: name, Kind: g.Nodes[j].Kind, State: pipeline.StateSucceeded, Lanes: 1, RecordsIn: 1000, RecordsOut: 1000, StartedAt: start, EndedAt: start.Add(20 * time.Second), Working: time.Second})
		}
		f.records = append(f.records, finish(r, time.Duration(10+i%20)*time.Second, report))
	}
}
