package blob

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/millrace/millrace/pipeline"
)

const maxName = 1024 // bytes, in all three clouds

// escaped is how gocloud writes a character that a cloud does not take.
var escaped = regexp.MustCompile(`__0x[0-9a-fA-F]+__`)

// check refuses a name that no bucket takes, or that gocloud would store under another one, which nobody else would
// find.
func (s Store) check(name string) error {
	if s.Bucket == nil {
		return errNoBucket
	}
	var wrong error
	segments := strings.Split(name, "/")
	switch {
	case name == "":
		wrong = errors.New("the name is empty")
	case !utf8.ValidString(name):
		wrong = errors.New("it is not in UTF-8")
	case len(name) > maxName:
		wrong = fmt.Errorf("it has %d bytes, and an object's name has at most %d", len(name), maxName)
	case strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }):
		wrong = errors.New("it has a control character")
	case slices.Contains(segments, ".."), slices.Contains(segments, "."):
		wrong = errors.New("an object's name is no path: . and .. lead nowhere")
	case strings.HasSuffix(name, "/"):
		wrong = errors.New("it ends in a slash, as the names of folders do")
	case escaped.MatchString(name):
		wrong = fmt.Errorf("%s stands for another character in the names of gocloud", escaped.FindString(name))
	case strings.ContainsAny(name, `\"#%?`) && s.Bucket.As(new(*container.Client)):
		wrong = errors.New(`it has one of \ " # % ?, which Azure does not take`)
	default:
		return nil
	}
	return pipeline.Permanent(fmt.Errorf("%.200q cannot be the name of an object: %w", name, wrong))
}
