package proof

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/millrace/millrace/internal/devdb"
	"github.com/millrace/millrace/pipeline"
)

// The environment of a child process.
const (
	childSubject = "MILLRACE_PROOF_SUBJECT"
	childURL     = "MILLRACE_PROOF_URL"
	childDir     = "MILLRACE_PROOF_DIR"
	childRun     = "MILLRACE_PROOF_RUN"
	childAttempt = "MILLRACE_PROOF_ATTEMPT"
)

func TestMain(m *testing.M) {
	if name := os.Getenv(childSubject); name != "" {
		if err := child(name); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	zerolog.SetGlobalLevel(zerolog.Disabled) // the proxy's toxics log to the global logger
	// A proxy whose connection was cut in the middle may leave its own goroutines behind.
	goleak.VerifyTestMain(devdb.Main(m),
		goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2.(*ToxicLink).read"),
		goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2.(*ToxicLink).write"),
		goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2/toxics.(*ToxicStub).Run"))
}

// child runs one attempt. It says "ready" when the attempt begins.
func child(name string) error {
	if name == replicaSubject {
		return serveReplica()
	}
	s, err := subjectNamed(name)
	if err != nil {
		return err
	}
	attempt, err := strconv.Atoi(os.Getenv(childAttempt))
	if err != nil {
		return err
	}
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, os.Getenv(childURL))
	if err != nil {
		return err
	}
	defer pool.Close()
	p := s.pipelineOf(pool, os.Getenv(childDir), os.Getenv(childRun), attempt, pipeline.Retry{})
	fmt.Println("ready")
	_, err = p.Run(ctx)
	return err
}

// full tells whether the long proofs are wanted.
func full() bool { return os.Getenv("MILLRACE_PROOF") == "full" }

// amount is how much of a proof is done.
func amount(sample, whole int) int {
	if full() {
		return whole
	}
	return sample
}

// some are the subjects of a sample, by their place; the full proof takes all.
func some(places ...int) []subject {
	all := subjects()
	if full() {
		return all
	}
	var chosen []subject
	for _, i := range places {
		chosen = append(chosen, all[i])
	}
	return chosen
}
