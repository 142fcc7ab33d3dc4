package api

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/runs"
)

// statsTimeout bounds what one scrape asks the database.
const statsTimeout = 3 * time.Second

// metrics are those of this replica, and at each scrape the figures of all replicas from the database.
type metrics struct {
	registry *prometheus.Registry

	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec

	attempts       *prometheus.CounterVec
	attemptSeconds *prometheus.HistogramVec
	records        *prometheus.CounterVec
	rejects        *prometheus.CounterVec
	losses         *prometheus.CounterVec
}

func newMetrics(a *API) *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
	}
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: counter("millrace_http_requests_total", "Requests that this replica answered.", "route", "code"),
		seconds: histogram("millrace_http_request_seconds", "Time to answer, streams left out.",
			[]float64{.001, .005, .02, .1, .5, 2, 10}, "route"),
		attempts: counter("millrace_attempts_total",
			"Ends that this replica wrote, by the state in which they left the run: of attempts, also those of workers "+
				"that died, and of runs cancelled before they began.", "pipeline", "state"),
		attemptSeconds: histogram("millrace_run_seconds",
			"Time from the first beginning of a run to its end, of runs whose end this replica wrote.",
			[]float64{.1, .5, 2, 10, 60, 300, 1800, 7200}, "pipeline", "state"),
		records: counter("millrace_stage_records_total",
			"Records that went into and out of stages, of attempts that ended on this replica.",
			"pipeline", "stage", "direction"),
		rejects: counter("millrace_stage_rejects_total",
			"Records that stages set aside, of attempts that ended on this replica.", "pipeline", "stage"),
		losses: counter("millrace_lease_losses_total",
			"Runs that this replica took from a worker that was not heard of any more.", "pipeline"),
	}
	about := prometheus.GaugeOpts{Name: "millrace_build_info", Help: "1, with the version as a label."}
	info := prometheus.NewGaugeVec(about, []string{"version", "replica"})
	info.WithLabelValues(a.config.Version, a.config.Replica).Set(1)
	m.registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		m.requests, m.seconds, m.attempts, m.attemptSeconds, m.records, m.rejects, m.losses, info,
		prometheus.NewGaugeFunc(
			prometheus.GaugeOpts{Name: "millrace_http_streams", Help: "Event streams that this replica serves."},
			func() float64 { return float64(a.streams.Load()) }),
		&statsCollector{a},
	)
	return m
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 2 * statsTimeout})
}

// observe counts a request. Its route is the pattern, not the path, of which there are too many.
func (m *metrics) observe(r *http.Request, status int, took time.Duration) {
	route := r.Pattern
	switch route {
	case "":
		route = "refused"
	case "GET /api/runs/{id}/events":
	default:
		m.seconds.WithLabelValues(route).Observe(took.Seconds())
	}
	m.requests.WithLabelValues(route, strconv.Itoa(status)).Inc()
}

// begin makes every series there can be, at 0: of one that begins at its first event, rate and increase would not see
// that one.
func (m *metrics) begin(graphs map[string]pipeline.Graph) {
	for name, graph := range graphs {
		m.losses.WithLabelValues(name)
		for _, state := range runs.States() {
			if state != runs.Running { // none ends so
				m.attempts.WithLabelValues(name, string(state))
			}
			if state.Ended() {
				m.attemptSeconds.WithLabelValues(name, string(state))
			}
		}
		for _, stage := range graph.Nodes {
			m.records.WithLabelValues(name, stage.Name, "in")
			m.records.WithLabelValues(name, stage.Name, "out")
			m.rejects.WithLabelValues(name, stage.Name)
		}
	}
}

// Observe counts an end that this replica has written. It is for runs.Config.
func (a *API) Observe(r runs.Record) {
	m := a.metrics
	m.attempts.WithLabelValues(r.Pipeline, string(r.State)).Inc()
	if r.State == runs.Lost {
		m.losses.WithLabelValues(r.Pipeline).Inc()
	}
	if r.State.Ended() && !r.StartedAt.IsZero() {
		m.attemptSeconds.WithLabelValues(r.Pipeline, string(r.State)).Observe(r.EndedAt.Sub(r.StartedAt).Seconds())
	}
	if r.Report == nil {
		return
	}
	for _, stage := range r.Report.Stages {
		m.records.WithLabelValues(r.Pipeline, stage.Name, "in").Add(float64(stage.RecordsIn))
		m.records.WithLabelValues(r.Pipeline, stage.Name, "out").Add(float64(stage.RecordsOut))
		m.rejects.WithLabelValues(r.Pipeline, stage.Name).Add(float64(stage.Rejects))
	}
}

// statsCollector asks the database at each scrape. What it tells is the same on every replica.
type statsCollector struct{ api *API }

var (
	descUp   = prometheus.NewDesc("millrace_database_up", "1 if the history could be read for this scrape.", nil, nil)
	descRuns = prometheus.NewDesc("millrace_runs", "Runs in the history, over all replicas.",
		[]string{"pipeline", "state"}, nil)
	descWaiting = prometheus.NewDesc("millrace_queue_runs",
		"Runs that have not begun or wait for another attempt, over all replicas.", nil, nil)
	descAge = prometheus.NewDesc("millrace_queue_oldest_seconds",
		"How long the run that may begin and has waited longest has waited, over all replicas.", nil, nil)
)

// Describe names the metrics.
func (*statsCollector) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descUp, descRuns, descWaiting, descAge} {
		descs <- d
	}
}

// Collect asks for the figures; without an answer it tells only that there is none.
func (c *statsCollector) Collect(metrics chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		metrics <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	ctx, cancel := context.WithTimeout(context.Background(), statsTimeout)
	defer cancel()
	s, err := c.api.runs()
	var stats runs.Stats
	if err == nil {
		stats, err = s.Stats(ctx)
	}
	if err != nil {
		c.api.log.Debug("no figures for metrics", "error", err)
		gauge(descUp, 0)
		return
	}
	gauge(descUp, 1)
	gauge(descWaiting, float64(stats.Waiting))
	gauge(descAge, stats.OldestAge.Seconds())
	for name := range s.Graphs() {
		if stats.Runs[name] == nil { // it has had no run yet
			stats.Runs[name] = map[runs.State]int64{}
		}
	}
	for name, states := range stats.Runs {
		for _, state := range runs.States() {
			gauge(descRuns, float64(states[state]), name, string(state))
		}
	}
}
