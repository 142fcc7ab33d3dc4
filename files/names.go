package files

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"path"
	"strings"

	"github.com/millrace/millrace/pipeline"
)

// withoutSecrets is a name for messages: of a URL the user, the query and the fragment are left out, where signatures
// and passwords are.
func withoutSecrets(name string) string {
	if schemeOf(name) == "" {
		return name
	}
	u, err := url.Parse(name)
	if err != nil {
		scheme := schemeOf(name)
		return scheme + "://..."
	}
	clean := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	return clean.String()
}

// The names of files that are not committed yet. They end in .tmp, so that no
// *.csv finds them, and inputs pass them over.
const (
	tempMark   = ".millrace-"
	tempSuffix = ".tmp"
)

// isUnfinished recognises what no run has committed yet.
func isUnfinished(name string) bool {
	base := path.Base(name)
	return strings.Contains(base, tempMark) && strings.HasSuffix(base, tempSuffix)
}

const (
	maxBaseName = 100 // bytes of the target's name in that of its temporary file
	maxRunName  = 60
)

// tempName is what a run's attempt calls a target until it commits.
func tempName(target string, run pipeline.Run) string {
	return fmt.Sprintf("%s%s-%d%s", tempPrefix(target), safeName(run.ID, maxRunName), run.Attempt, tempSuffix)
}

// tempPrefix is what the names of all temporary files of a target begin with.
func tempPrefix(target string) string {
	folder, base := path.Split(target)
	if len(base) > maxBaseName {
		base = strings.ToValidUTF8(base[:maxBaseName], "") + "-" + shortHash(base)
	}
	return folder + base + tempMark
}

// safeName returns s if it can be part of a file's name as it is, and otherwise
// something like it that no other text gives.
func safeName(s string, limit int) string {
	safe := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		}
		return '_'
	}, s)
	if safe == s && len(s) <= limit && s != "" {
		return s
	}
	return safe[:min(len(safe), limit-17)] + "-" + shortHash(s)
}

func shortHash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:8])
}

func baseOf(name string) string { return path.Base(name) }
